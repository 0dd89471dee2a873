"""The email with a code for the own page of a petition in discreet mode.

A value that was added to an enum stays after a downgrade; the older release never writes it.
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter type message_kind add value if not exists 'own_code'")


def downgrade() -> None:
    """Nothing: the value stays."""
