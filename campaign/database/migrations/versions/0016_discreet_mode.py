"""Discreet mode of a petition."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("petition", sa.Column("discreet", sa.Boolean(), server_default="false", nullable=False))


def downgrade() -> None:
    op.drop_column("petition", "discreet")
