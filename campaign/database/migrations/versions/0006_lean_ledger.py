"""Fewer index entries and no foreign key checks for each row of a blast."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FOREIGN = {"signature_id": "signature", "petition_id": "petition", "blast_id": "blast"}


def upgrade() -> None:
    for column in FOREIGN:
        op.drop_constraint(f"fk_message_{column}", "message", type_="foreignkey")
    op.drop_index("ix_message_signature", table_name="message")
    op.execute("create index ix_message_signature on message (signature_id, kind) where blast_id is null")


def downgrade() -> None:
    op.drop_index("ix_message_signature", table_name="message")
    op.create_index("ix_message_signature", "message", ["signature_id", "kind"])
    for column, table in FOREIGN.items():
        op.create_foreign_key(f"fk_message_{column}", "message", table, [column], ["id"])
