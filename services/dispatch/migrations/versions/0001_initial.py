"""Tasks done, the virtual home, tickets, reminders, inbox and outbox."""

import sqlalchemy as sa
from alembic import op

from shared.storage.journal import create_journal, drop_journal

revision = "0001"
down_revision = None

_MOMENT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "dispatch_task",
        sa.Column("task_id", sa.String(36), primary_key=True),
        sa.Column("action", sa.String(200), nullable=False),
        sa.Column("outcome", sa.Integer, nullable=False),
        sa.Column("result", sa.LargeBinary, nullable=True),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT, nullable=True),
    )
    op.create_table(
        "dispatch_device",
        sa.Column("tenant", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("area", sa.String(100), nullable=False),
        sa.Column("is_on", sa.Boolean, nullable=True),
        sa.Column("brightness", sa.Integer, nullable=True),
        sa.Column("color", sa.String(100), nullable=True),
        sa.Column("position", sa.Integer, nullable=True),
        sa.Column("locked", sa.Boolean, nullable=True),
        sa.Column("target_temperature", sa.Double, nullable=True),
        sa.Column("temperature", sa.Double, nullable=True),
    )
    op.create_table(
        "dispatch_ticket",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("task_id", sa.String(36), nullable=False, unique=True),
        sa.Column("kind", sa.String(50), nullable=False),
        sa.Column("status", sa.String(50), nullable=False),
        sa.Column("order_id", sa.String(2000), nullable=False),
        sa.Column("subject", sa.String(2000), nullable=False),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("user_id", sa.String(200), nullable=False),
        sa.Column("conversation_id", sa.String(200), nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sqlite_autoincrement=True,  # a number once given is never given again
    )
    op.create_table(
        "dispatch_reminder",
        sa.Column("task_id", sa.String(36), primary_key=True),
        sa.Column("action", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(2000), nullable=False),
        sa.Column("seconds", sa.Double, nullable=True),
        sa.Column("remaining", sa.Double, nullable=True),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("user_id", sa.String(200), nullable=False),
        sa.Column("conversation_id", sa.String(200), nullable=False),
        sa.Column("turn", sa.LargeBinary, nullable=False),
        sa.Column("set_at", _MOMENT, nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("fired_at", _MOMENT, nullable=True),
    )
    op.create_index("ix_dispatch_reminder_due", "dispatch_reminder", ["state", "due_at"])
    create_journal(op, "dispatch")


def downgrade() -> None:
    """Drop every table."""
    drop_journal(op, "dispatch")
    for table in ("dispatch_reminder", "dispatch_ticket", "dispatch_device", "dispatch_task"):
        op.drop_table(table)
