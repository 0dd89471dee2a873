"""When the service of COUNTERSIGN_ALERT_URL last heard of an alert."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alert", sa.Column("hook_told_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("alert", "hook_told_at")
