"""What each mail server offers, since when a periodic job waits for a worker, and how old signatures are keyed.

Code of before it runs beside it: it claims jobs without the new column and leaves it as it is.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("periodic_job", sa.Column("waiting_since", sa.DateTime(timezone=True)))
    op.add_column("instance", sa.Column("keyed_rule", sa.String(length=10)))
    op.add_column("instance", sa.Column("keyed_done", sa.BigInteger()))
    op.add_column("instance", sa.Column("keyed_end", sa.BigInteger()))
    op.create_table(
        "relay",
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("smtputf8", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_relay")),
    )


def downgrade() -> None:
    op.drop_table("relay")
    for column in ("keyed_end", "keyed_done", "keyed_rule"):
        op.drop_column("instance", column)
    op.drop_column("periodic_job", "waiting_since")
