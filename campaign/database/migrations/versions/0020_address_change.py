"""The change of a signature's address: two kinds of mail, and a table.

A value that was added to an enum stays after a downgrade; the older release never writes it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for kind in ("address_check", "address_changed"):
        op.execute(f"alter type message_kind add value if not exists '{kind}'")
    op.create_table(
        "address_change",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("signature_id", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("old_address", sa.LargeBinary()),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True)),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_change")),
    )
    op.create_index(op.f("ix_address_change_signature_id"), "address_change", ["signature_id"])
    op.create_index(op.f("ix_address_change_asked_at"), "address_change", ["asked_at"])


def downgrade() -> None:
    op.drop_table("address_change")
