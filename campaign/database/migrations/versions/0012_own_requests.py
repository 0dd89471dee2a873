"""Each sign-up is a pending signature of its own; confirming one replaces earlier ones of the same signer.

Code of before it runs beside it: it inserts no second pending row of a person, and reads none of the new columns.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signature", sa.Column("replaced_by", sa.BigInteger()))
    op.add_column("signature", sa.Column("form_id", sa.BigInteger()))
    op.add_column("sign_up_request", sa.Column("signature_id", sa.BigInteger()))
    op.execute(
        "create unique index uq_signature_confirmed_person on signature (petition_id, person_index)"
        " where state = 'confirmed' and person_index is not null"
    )
    op.execute(
        "create index ix_signature_person on signature (petition_id, person_index, id)"
        " where state in ('pending', 'confirmed') and person_index is not null"
    )
    op.drop_index("uq_signature_person", table_name="signature")
    op.execute(
        "create index ix_signature_mailbox on signature (petition_id, address_index, id)"
        " where address_index is not null"
    )
    op.drop_index("ix_signature_address", table_name="signature")
    op.create_table(
        "code_guess",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_code_guess")),
    )
    op.create_index(op.f("ix_code_guess_expires_at"), "code_guess", ["expires_at"])


def downgrade() -> None:
    op.drop_table("code_guess")
    # Only the newest pending row of a person may stay beside the old index.
    op.execute(
        "update signature s set state = 'expired', ended_at = now(), ended_reason = 'replaced'"
        " where s.state = 'pending' and exists (select from signature o where o.petition_id = s.petition_id"
        " and o.person_index = s.person_index and o.id <> s.id"
        " and (o.state = 'confirmed' or (o.state = 'pending' and o.id > s.id)))"
    )
    op.execute(
        "create unique index uq_signature_person on signature (petition_id, person_index)"
        " where state in ('pending', 'confirmed') and person_index is not null"
    )
    op.execute(
        "create index ix_signature_address on signature (petition_id, address_index) where address_index is not null"
    )
    op.execute("drop index ix_signature_mailbox")
    op.execute("drop index ix_signature_person")
    op.execute("drop index uq_signature_confirmed_person")
    op.drop_column("sign_up_request", "signature_id")
    op.drop_column("signature", "form_id")
    op.drop_column("signature", "replaced_by")
