"""No network key in the database: the salts, and all hashes of networks under them, are deleted.

Tables and columns stay for workers of the release before.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("delete from daily_salt")
    # What a network was given is kept for 25 hours, what a mailbox was given for 30 days.
    op.execute("delete from mail_allowance where expires_at < slot_at + interval '26 hours'")
    op.execute("update sign_up_request set network = null where network is not null")


def downgrade() -> None:
    pass
