"""Packs of signatures for a hand-over. The release before this one neither reads nor writes them."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "pack",
        sa.Column("id", sa.Integer, sa.Identity(), nullable=False),
        sa.Column("petition_id", sa.Integer, nullable=False),
        sa.Column("account_id", sa.Integer, nullable=True),
        sa.Column("locale", sa.String(2), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("request_key", sa.String(64), nullable=False),
        sa.Column("state", sa.String(8), nullable=False, server_default="waiting"),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("not_before", moment, nullable=False),
        sa.Column("begun_at", moment, nullable=True),
        sa.Column("ready_at", moment, nullable=True),
        sa.Column("expires_at", moment, nullable=True),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("done", sa.Integer, nullable=False, server_default="0"),
        sa.Column("total", sa.Integer, nullable=False, server_default="0"),
        sa.Column("count", sa.Integer, nullable=True),
        sa.Column("size", sa.BigInteger, nullable=True),
        sa.Column("fingerprint", sa.String(64), nullable=True),
        sa.Column("pieces", sa.Integer, nullable=False, server_default="0"),
        sa.Column("problem", sa.String(20), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_pack"),
        sa.ForeignKeyConstraint(["petition_id"], ["petition.id"], name="fk_pack_petition_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_pack_account_id", ondelete="SET NULL"),
        sa.UniqueConstraint("petition_id", "request_key", name="uq_pack_petition_id_request_key"),
        sa.CheckConstraint("state in ('waiting', 'making', 'ready', 'failed')", name="ck_pack_state"),
    )
    op.create_index("ix_pack_account_id", "pack", ["account_id"])
    op.create_index(
        "uq_pack_in_work",
        "pack",
        ["petition_id"],
        unique=True,
        postgresql_where=sa.text("state in ('waiting', 'making')"),
    )
    op.create_table(
        "pack_piece",
        sa.Column("pack_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("pack_id", "number", name="pk_pack_piece"),
        sa.ForeignKeyConstraint(["pack_id"], ["pack.id"], name="fk_pack_piece_pack_id", ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("pack_piece")
    op.drop_table("pack")
