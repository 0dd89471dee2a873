"""The note of a session: what the next page says was done, once.

The release before this one neither reads nor writes it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0033"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("note", JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("session", "note")
