"""Refusals for our own sake in a row, and alerts about a blast that paused by itself."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("lane", sa.Column("refusals", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column(
        "lane", sa.Column("refused_by", postgresql.ARRAY(sa.LargeBinary()), server_default="{}", nullable=False)
    )
    op.add_column("lane", sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("lane", sa.Column("refused_answer", sa.Text(), nullable=True))
    op.add_column("alert", sa.Column("blast_id", sa.Integer(), nullable=True))
    op.create_foreign_key(op.f("fk_alert_blast_id"), "alert", "blast", ["blast_id"], ["id"], ondelete="CASCADE")
    op.drop_constraint(op.f("uq_alert_cause_lane"), "alert")
    op.create_unique_constraint(
        op.f("uq_alert_cause_lane_blast_id"), "alert", ["cause", "lane", "blast_id"], postgresql_nulls_not_distinct=True
    )


def downgrade() -> None:
    op.execute("delete from alert where blast_id is not null")
    op.drop_constraint(op.f("uq_alert_cause_lane_blast_id"), "alert")
    op.create_unique_constraint(op.f("uq_alert_cause_lane"), "alert", ["cause", "lane"])
    op.drop_constraint(op.f("fk_alert_blast_id"), "alert")
    op.drop_column("alert", "blast_id")
    for column in ("refused_answer", "refused_at", "refused_by", "refusals"):
        op.drop_column("lane", column)
