"""What admins set for the whole site, its switches, and its logo."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "site_setting",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_site_setting"),
    )
    op.create_table(
        "site_file",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("name", name="pk_site_file"),
    )


def downgrade() -> None:
    op.drop_table("site_file")
    op.drop_table("site_setting")
