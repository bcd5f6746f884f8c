"""When it was announced that a turn is given up: its apology follows a little later."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; for no turn was it announced before."""
    op.add_column("gateway_turn", sa.Column("closing_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("gateway_turn", "closing_at")
