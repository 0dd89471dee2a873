"""No network key in the database: the salts, and all hashes of networks under them, are deleted.

Requests have a minute at which they are due. Tables and columns stay for workers of the release before, which decide on
requests before their minute.
"""

import sqlalchemy as sa
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
    op.add_column(
        "sign_up_request",
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.add_column("sign_up_request", sa.Column("ticket", sa.Integer()))
    op.execute("create index ix_sign_up_request_due on sign_up_request (due_at, id) where state = 'asked'")
    op.execute(
        "create index ix_sign_up_request_line on sign_up_request (network, ticket)"
        " where state = 'asked' and ticket is not null"
    )
    op.execute("drop index ix_sign_up_request_asked")


def downgrade() -> None:
    op.execute("create index ix_sign_up_request_asked on sign_up_request (id) where state = 'asked'")
    op.execute("drop index ix_sign_up_request_line")
    op.execute("drop index ix_sign_up_request_due")
    op.drop_column("sign_up_request", "ticket")
    op.drop_column("sign_up_request", "due_at")
