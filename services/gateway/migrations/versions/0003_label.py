"""Labels, kept from the moment they are received."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "gateway_label",
        sa.Column("number", _BIG, primary_key=True, autoincrement=True),
        sa.Column("label_id", sa.String(200), nullable=False, unique=True),
        sa.Column("turn_id", sa.String(36), nullable=False),
        sa.Column("labeller", sa.String(200), nullable=False),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.String(200), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_gateway_label_tenant", "gateway_label", ["tenant", "number"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("gateway_label")
