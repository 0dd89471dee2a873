"""Writing that is not lost: notes of a session, unsaved texts, discarded petitions, and the web copy of a sent update.

All of it is additive: the release before this one neither reads nor writes it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0033"
down_revision = "0030"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("session", sa.Column("note", JSONB(), nullable=True))
    op.add_column("account", sa.Column("zone_chosen_at", _MOMENT, nullable=True))
    op.add_column("petition", sa.Column("discarded_at", _MOMENT, nullable=True))
    op.add_column("blast", sa.Column("sent_values", JSONB(), nullable=True))
    op.add_column("blast", sa.Column("corrected_at", _MOMENT, nullable=True))
    op.add_column("blast", sa.Column("unpublished_at", _MOMENT, nullable=True))
    op.create_table(
        "blast_correction",
        sa.Column("blast_id", sa.Integer(), nullable=False),
        sa.Column("locale", sa.String(2), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body_markdown", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blast_id"], ["blast.id"], name=op.f("fk_blast_correction_blast_id_blast"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("blast_id", "locale", name=op.f("pk_blast_correction")),
    )
    op.create_table(
        "unsaved_text",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("fields", sa.LargeBinary(), nullable=False),
        sa.Column("saved_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_unsaved_text_account_id_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "place", name=op.f("pk_unsaved_text")),
    )


def downgrade() -> None:
    op.drop_table("unsaved_text")
    op.drop_table("blast_correction")
    for table, column in (
        ("blast", "unpublished_at"),
        ("blast", "corrected_at"),
        ("blast", "sent_values"),
        ("petition", "discarded_at"),
        ("account", "zone_chosen_at"),
        ("session", "note"),
    ):
        op.drop_column(table, column)
