"""What the monitor needs: alerts, rates by the minute, and indexes of the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

lane_name = postgresql.ENUM("urgent", "bulk", name="lane_name", create_type=False)


def upgrade() -> None:
    op.add_column("lane", sa.Column("troubled_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_message_account", "message", ["account_id", "kind"], postgresql_where=sa.text("account_id is not null")
    )
    op.create_index("ix_audit_entry_action", "audit_entry", ["action", "id"])
    op.create_index("ix_audit_entry_account", "audit_entry", ["account_id", "id"])
    op.create_table(
        "lane_minute",
        sa.Column("lane", lane_name, nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "minute", name=op.f("pk_lane_minute")),
    )
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("cause", sa.String(length=20), nullable=False),
        sa.Column("lane", lane_name, nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        sa.UniqueConstraint("cause", "lane", name=op.f("uq_alert_cause_lane")),
    )


def downgrade() -> None:
    op.drop_table("alert")
    op.drop_table("lane_minute")
    op.drop_index("ix_audit_entry_account", table_name="audit_entry")
    op.drop_index("ix_audit_entry_action", table_name="audit_entry")
    op.drop_index("ix_message_account", table_name="message")
    op.drop_column("lane", "troubled_at")
