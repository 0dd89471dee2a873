"""When an event whose recipient's address could not be opened is to be applied."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("delivery_event", sa.Column("not_before", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("delivery_event", "not_before")
