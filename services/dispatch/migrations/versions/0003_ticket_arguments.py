"""What a ticket is about beyond an order and a subject: the arguments of whatever action opened it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the arguments; older tickets have none."""
    op.add_column("dispatch_ticket", sa.Column("arguments", sa.JSON, nullable=False, server_default="{}"))


def downgrade() -> None:
    """Undo it; the arguments are lost."""
    op.drop_column("dispatch_ticket", "arguments")
