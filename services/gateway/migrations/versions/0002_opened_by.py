"""Which event of a client's opened a turn, so that it can be sent again under its own id."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; turns that are there already do without."""
    op.add_column("gateway_turn", sa.Column("opened_by", sa.String(200), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("gateway_turn", "opened_by")
