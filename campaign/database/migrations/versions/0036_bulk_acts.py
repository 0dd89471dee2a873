"""Acts on many rows, and an index for the list of signatures by state and country.

The release before this one neither reads nor writes the tables and the column. The index blocks writes to signatures
while it is built; sign-ups are stored all the while, for they go to another table.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, JSONB

revision = "0036"
down_revision = "0034"
branch_labels = None
depends_on = None

STATES = ENUM("waiting", "running", "done", "stopped", name="bulk_act_state", create_type=False)


def upgrade() -> None:
    STATES.create(op.get_bind(), checkfirst=True)
    op.create_table(
        "bulk_act",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("state", STATES, nullable=False, server_default="waiting"),
        sa.Column("petition_id", sa.Integer(), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("scope", JSONB(), nullable=False),
        sa.Column("upper_id", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cursor_id", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("skipped", JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request_key", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_act")),
        sa.UniqueConstraint("request_key", name=op.f("uq_bulk_act_request_key")),
        sa.ForeignKeyConstraint(["petition_id"], ["petition.id"], name=op.f("fk_bulk_act_petition_id")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_bulk_act_account_id")),
        sa.ForeignKeyConstraint(["ended_by"], ["account.id"], name=op.f("fk_bulk_act_ended_by")),
    )
    op.create_index(
        "ix_bulk_act_open",
        "bulk_act",
        ["worked_at", "id"],
        postgresql_where=sa.text("state in ('waiting', 'running')"),
    )
    op.create_index("ix_bulk_act_petition", "bulk_act", ["petition_id", "id"])
    op.create_index("ix_bulk_act_ended", "bulk_act", ["ended_at"], postgresql_where=sa.text("ended_at is not null"))
    op.create_table(
        "bulk_act_row",
        sa.Column("act_id", sa.BigInteger(), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("act_id", "row_id", name=op.f("pk_bulk_act_row")),
        sa.ForeignKeyConstraint(["act_id"], ["bulk_act.id"], name=op.f("fk_bulk_act_row_act_id"), ondelete="CASCADE"),
    )
    op.add_column("signature", sa.Column("hidden_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_signature_listed", "signature", ["petition_id", "country", "state", "id"])


def downgrade() -> None:
    op.drop_index("ix_signature_listed", "signature")
    op.drop_column("signature", "hidden_at")
    op.drop_table("bulk_act_row")
    op.drop_table("bulk_act")
    STATES.drop(op.get_bind(), checkfirst=True)
