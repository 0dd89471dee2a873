"""Counters for /metrics.

They begin at zero: what was sent before is in the ledger, and Prometheus looks at differences. Counting a ledger of 10M
rows would take minutes for a number that no one reads. The release before this one neither reads nor writes them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counter",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("labels", sa.String(200), nullable=False),
        sa.Column("slot", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "labels", "slot", name=op.f("pk_counter")),
    )
    # Room on each page for the next version of a row: sums are updated many times a second.
    op.execute("alter table counter set (fillfactor = 50)")


def downgrade() -> None:
    op.drop_table("counter")
