"""Strikes of addresses whose mail bounced without a final word; an index of messages that workers died with."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bounce_strike",
        sa.Column("address_key", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("address_key", "kind", "day", name=op.f("pk_bounce_strike")),
    )
    op.create_index(
        "ix_message_suspect",
        "message",
        ["lane", "due_at", "id"],
        postgresql_where=sa.text("state = 'planned' and losses > 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_message_suspect", table_name="message")
    op.drop_table("bounce_strike")
