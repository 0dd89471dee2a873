"""What relays limit, who has connections open to them, and the refusals of late.

Code of before it runs beside it: it reads and writes none of this.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

LANE = postgresql.ENUM(name="lane_name", create_type=False)


def upgrade() -> None:
    op.create_table(
        "relay_limit",
        sa.Column("relay", sa.String(length=300), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("pause", sa.Double(), server_default="0", nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("relay", "kind", name=op.f("pk_relay_limit")),
    )
    op.create_table(
        "relay_connection",
        sa.Column("relay", sa.String(length=300), nullable=False),
        sa.Column("holder", sa.BigInteger(), nullable=False),
        sa.Column("lane", LANE, nullable=False),
        sa.Column("open", sa.SmallInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wanted_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("relay", "holder", name=op.f("pk_relay_connection")),
    )
    op.create_table(
        "recent_refusal",
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("lane", LANE, nullable=False),
        sa.Column("answer_key", sa.LargeBinary(), nullable=False),
        sa.Column("receiver_key", sa.LargeBinary(), nullable=False),
        sa.Column("address_key", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("over", sa.Boolean(), server_default="false", nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_recent_refusal")),
    )
    op.create_index(op.f("ix_recent_refusal_lane_answer_key"), "recent_refusal", ["lane", "answer_key"])


def downgrade() -> None:
    for table in ("recent_refusal", "relay_connection", "relay_limit"):
        op.drop_table(table)
