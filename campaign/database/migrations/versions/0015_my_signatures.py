"""The page "My signatures": a kind of request and a kind of mail.

A value that was added to an enum stays after a downgrade; the older release never writes it.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter type request_kind add value if not exists 'mine'")
    op.execute("alter type message_kind add value if not exists 'my_signatures'")


def downgrade() -> None:
    """Nothing: the values stay."""
