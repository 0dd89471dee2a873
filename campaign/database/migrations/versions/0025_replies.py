"""Replies: kinds of mail, where replies about a petition go, and what waits to be mailed because of a reply.

A value that was added to an enum stays after a downgrade; the older release never writes it. The release before this one
runs meanwhile: it knows neither the column, which is empty, nor the table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for kind in ("forwarded", "where", "stopped", "hidden", "erased", "refused"):
        op.execute(f"alter type message_kind add value if not exists 'reply_{kind}'")
    op.execute("alter table petition add column reply_to bytea")
    op.create_table(
        "reply_mail",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("signature_id", sa.BigInteger(), nullable=False),
        sa.Column("mail_id", sa.BigInteger()),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reply_mail")),
    )
    op.create_index(op.f("ix_reply_mail_signature_id"), "reply_mail", ["signature_id"])
    op.execute(
        "create index ix_delivery_event_reply on delivery_event (id)"
        " where applied_at is null and kind = 'replied' and sealed is not null"
    )


def downgrade() -> None:
    op.execute("drop index ix_delivery_event_reply")
    op.drop_table("reply_mail")
    op.execute("alter table petition drop column reply_to")
