"""The turn ledger, the inbox and the outbox."""

import sqlalchemy as sa
from alembic import op

from shared.storage.journal import create_journal, drop_journal

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "gateway_turn",
        sa.Column("turn_id", sa.String(36), primary_key=True),
        sa.Column("conversation_id", sa.String(200), nullable=False),
        sa.Column("user_id", sa.String(200), nullable=False),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("locale", sa.String(100), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("latency_ms", sa.Float, nullable=True),
        sa.Column("drives", sa.Integer, nullable=False),
    )
    op.create_index("ix_gateway_turn_conversation", "gateway_turn", ["conversation_id", "opened_at"])
    op.create_index("ix_gateway_turn_user", "gateway_turn", ["user_id", "opened_at"])
    op.create_index("ix_gateway_turn_state", "gateway_turn", ["state", "opened_at"])
    op.create_table(
        "gateway_event",
        sa.Column("id", _BIG, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(200), nullable=False, unique=True),
        sa.Column("turn_id", sa.String(36), nullable=False),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("stage", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.String(200), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_gateway_event_turn_id", "gateway_event", ["turn_id"])
    op.create_table(
        "gateway_reply",
        sa.Column("turn_id", sa.String(36), primary_key=True),
        sa.Column("slot", sa.String(250), primary_key=True),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("event_id", sa.String(200), nullable=False),
    )
    create_journal(op, "gateway")


def downgrade() -> None:
    """Drop them."""
    drop_journal(op, "gateway")
    for table in ("gateway_reply", "gateway_event", "gateway_turn"):
        op.drop_table(table)
