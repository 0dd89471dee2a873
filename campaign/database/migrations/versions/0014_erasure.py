"""Erasure that is true: marks of erased signers, proofs of consent apart from signatures, and keys that are destroyed.

Code of before it runs beside it: every new column is nullable or has a default, and it reads no consent of a signature
that is erased. What it erases meanwhile is brought to the new form by the job ``personal_data.erase_expired``.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signature", sa.Column("mailbox_mark", sa.LargeBinary()))
    op.add_column("signature", sa.Column("person_mark", sa.LargeBinary()))
    op.add_column("signature", sa.Column("forget", sa.Boolean(), nullable=False, server_default="false"))
    op.add_column("signature", sa.Column("forgotten_at", sa.DateTime(timezone=True)))
    op.alter_column("signature", "text_version_id", nullable=True)
    op.alter_column("signature", "consent_id", nullable=True)
    op.execute("create index ix_signature_mark on signature (petition_id, mailbox_mark) where mailbox_mark is not null")
    op.execute("create index ix_signature_replaced on signature (replaced_by) where replaced_by is not null")
    op.execute(
        "create index ix_signature_to_forget on signature (id)"
        " where forget and state <> 'pending' and address is not null"
    )
    op.execute(
        "create index ix_signature_half_erased on signature (id)"
        " where erased_at is not null and replaced_by is null and country <> ''"
    )
    op.create_table(
        "consent_proof",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("text_version_id", sa.Integer(), nullable=False),
        sa.Column("consent_id", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(6), nullable=False),
        sa.Column("agreed_on", sa.Date(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["petition_id"], ["petition.id"], name=op.f("fk_consent_proof_petition_id")),
        sa.ForeignKeyConstraint(
            ["text_version_id"], ["text_version.id"], name=op.f("fk_consent_proof_text_version_id")
        ),
        sa.ForeignKeyConstraint(["consent_id"], ["consent_text.id"], name=op.f("fk_consent_proof_consent_id")),
        sa.PrimaryKeyConstraint(
            "petition_id", "text_version_id", "consent_id", "method", "agreed_on", name=op.f("pk_consent_proof")
        ),
    )
    op.add_column(
        "instance",
        sa.Column("retention_keys_since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )


def downgrade() -> None:
    op.drop_column("instance", "retention_keys_since")
    op.drop_table("consent_proof")
    for name in ("half_erased", "to_forget", "replaced", "mark"):
        op.execute(f"drop index ix_signature_{name}")
    # The release before wants a consent on every row: erased ones get the first there is, which proves nothing.
    op.execute(
        "update signature s set text_version_id = (select min(t.id) from text_version t"
        " where t.petition_id = s.petition_id) where text_version_id is null"
    )
    op.execute("update signature set consent_id = (select min(id) from consent_text) where consent_id is null")
    op.alter_column("signature", "consent_id", nullable=False)
    op.alter_column("signature", "text_version_id", nullable=False)
    for name in ("forgotten_at", "forget", "person_mark", "mailbox_mark"):
        op.drop_column("signature", name)
