"""Texts of updates of which no mail could be made, so that no worker tries one again for each recipient."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "text_failure",
        sa.Column("blast_id", sa.Integer(), nullable=False),
        sa.Column("locale", sa.String(2), nullable=False),
        sa.Column("version", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["blast_id"], ["blast.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("blast_id", "locale"),
    )


def downgrade() -> None:
    op.drop_table("text_failure")
