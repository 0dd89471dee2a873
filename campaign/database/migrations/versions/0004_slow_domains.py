"""Recipient domains that asked for less mail."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "slow_domain",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("factor", postgresql.REAL(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_slow_domain")),
    )


def downgrade() -> None:
    op.drop_table("slow_domain")
