"""Who asks, in the language of the text."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("text_version", sa.Column("byline", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("text_version", "byline")
