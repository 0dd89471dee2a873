"""Texts of updates of which no mail could be made, and forms that came after their session had ended."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
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
    op.create_table(
        "kept_form",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("fields", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_kept_form_account", "kept_form", ["account_id", "id"])


def downgrade() -> None:
    op.drop_table("kept_form")
    op.drop_table("text_failure")
