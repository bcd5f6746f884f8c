"""Fans, players and robots of the virtual home, and lists."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "speed": sa.Integer(),
    "fan_mode": sa.String(100),
    "volume": sa.Integer(),
    "muted": sa.Boolean(),
    "activity": sa.String(100),
    "media": sa.String(500),
    "track": sa.Integer(),
    "announcement": sa.String(500),
}


def upgrade() -> None:
    """Add what the new devices are like, to those that stand in homes already too; and the lists."""
    for name, kind in _COLUMNS.items():
        op.add_column("dispatch_device", sa.Column(name, kind, nullable=True))
    op.execute("UPDATE dispatch_device SET speed = 100 WHERE kind = 'fan'")
    op.execute("UPDATE dispatch_device SET volume = 50, muted = false, activity = 'idle' WHERE kind = 'tv'")
    op.execute("UPDATE dispatch_device SET fan_mode = 'auto' WHERE kind = 'thermostat'")
    op.create_table(
        "dispatch_list_item",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("task_id", sa.String(36), nullable=False, unique=True),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("owner", sa.String(220), nullable=False),
        sa.Column("list", sa.String(100), nullable=False),
        sa.Column("item", sa.String(500), nullable=False),
        sa.Column("added_at", _MOMENT, nullable=False),
        sa.Column("completed_at", _MOMENT, nullable=True),
    )
    op.create_index("ix_dispatch_list_item_list", "dispatch_list_item", ["tenant", "owner", "list"])


def downgrade() -> None:
    """Undo it; lists are lost, and what only the new devices have."""
    op.drop_table("dispatch_list_item")
    for name in reversed(_COLUMNS):
        op.drop_column("dispatch_device", name)
