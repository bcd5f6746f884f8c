"""Conversations, waiting utterances, inbox and outbox."""

import sqlalchemy as sa
from alembic import op

from shared.storage.journal import create_journal, drop_journal

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "dialogue_conversation",
        sa.Column("conversation_id", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_index("ix_dialogue_conversation_opened_at", "dialogue_conversation", ["opened_at"])
    op.create_table(
        "dialogue_waiting",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("conversation_id", sa.String(200), nullable=False),
        sa.Column("turn_id", sa.String(36), nullable=False),
        sa.Column("event_id", sa.String(200), nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("turn", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.UniqueConstraint("conversation_id", "turn_id"),
        sqlite_autoincrement=True,  # a later utterance never takes an earlier one's number
    )
    create_journal(op, "dialogue")


def downgrade() -> None:
    """Drop every table."""
    drop_journal(op, "dialogue")
    op.drop_table("dialogue_waiting")
    op.drop_table("dialogue_conversation")
