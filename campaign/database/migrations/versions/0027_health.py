"""What the monitor needs to name a cause: failing jobs, data folders, the relay in trouble, and who can write."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lane", sa.Column("last_relay", sa.String(300), nullable=True))
    op.add_column("lane", sa.Column("last_phase", sa.String(12), nullable=True))
    op.add_column("worker", sa.Column("folder", sa.Text(), nullable=True))
    op.add_column("worker", sa.Column("folder_problem", sa.String(20), nullable=True))
    op.add_column("worker", sa.Column("folder_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("periodic_job", sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("periodic_job", sa.Column("error", sa.Text(), nullable=True))
    op.create_table(
        "write_check",
        sa.Column("host", sa.String(253), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("host", "pid"),
    )


def downgrade() -> None:
    op.drop_table("write_check")
    op.drop_column("periodic_job", "error")
    op.drop_column("periodic_job", "failing_since")
    op.drop_column("worker", "folder_since")
    op.drop_column("worker", "folder_problem")
    op.drop_column("worker", "folder")
    op.drop_column("lane", "last_phase")
    op.drop_column("lane", "last_relay")
