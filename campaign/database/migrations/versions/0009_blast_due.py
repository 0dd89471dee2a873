"""Planned messages by blast, so that a held blast holds up no other."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "create index ix_message_blast_due on message (blast_id, due_at, id)"
        " where state = 'planned' and blast_id is not null"
    )


def downgrade() -> None:
    op.drop_index("ix_message_blast_due", table_name="message")
