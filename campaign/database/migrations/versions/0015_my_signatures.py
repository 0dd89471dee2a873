"""The page "My signatures": a kind of request, a kind of mail, and an index of withdrawn signatures by mailbox.

A value that was added to an enum stays after a downgrade; the older release never writes it.
"""

from alembic import op

revision = "0015"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter type request_kind add value if not exists 'mine'")
    op.execute("alter type message_kind add value if not exists 'my_signatures'")
    op.execute(
        "create index ix_signature_withdrawn on signature (petition_id, address_index)"
        " where state = 'withdrawn' and address_index is not null"
    )


def downgrade() -> None:
    op.drop_index("ix_signature_withdrawn", table_name="signature")
