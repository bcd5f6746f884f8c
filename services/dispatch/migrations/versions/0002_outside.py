"""Tasks that act outside our database, and the turns that wait for them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add what recovery needs to know of a task, and the table of waiting turns."""
    for name in ("attempts", "progress"):
        default = "1" if name == "attempts" else "0"
        op.add_column("dispatch_task", sa.Column(name, sa.Integer, nullable=False, server_default=default))
    op.add_column("dispatch_task", sa.Column("owner", sa.String(40), nullable=True))
    op.add_column("dispatch_task", sa.Column("lease_until", _MOMENT, nullable=True))
    op.create_table(
        "dispatch_errand",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(200), nullable=False, unique=True),
        sa.Column("conversation_id", sa.String(200), nullable=False),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("turn", sa.LargeBinary, nullable=False),
        sa.Column("results", sa.Integer, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
    )
    op.create_index("ix_dispatch_errand_due", "dispatch_errand", ["due_at", "number"])
    op.create_index("ix_dispatch_errand_conversation_id", "dispatch_errand", ["conversation_id"])


def downgrade() -> None:
    """Undo it; turns that wait are lost."""
    op.drop_table("dispatch_errand")
    for name in ("lease_until", "owner", "progress", "attempts"):
        op.drop_column("dispatch_task", name)
