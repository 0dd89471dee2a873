"""Requests that the web writes down and a worker admits, and the tries of codes. Code of before it runs beside it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KIND = postgresql.ENUM("signature", "resend", "sign_in", name="request_kind", create_type=False)
STATE = postgresql.ENUM("asked", "admitted", "refused", name="request_state", create_type=False)


def upgrade() -> None:
    KIND.create(op.get_bind())
    STATE.create(op.get_bind())
    op.create_table(
        "sign_up_request",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("ref", sa.LargeBinary(), nullable=False),
        sa.Column("kind", KIND, nullable=False),
        sa.Column("state", STATE, server_default="asked", nullable=False),
        sa.Column("petition_id", sa.Integer()),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("address_index", sa.LargeBinary()),
        sa.Column("person_index", sa.LargeBinary()),
        sa.Column("mailbox", sa.LargeBinary(), nullable=False),
        sa.Column("network", sa.LargeBinary()),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.Text()),
        sa.CheckConstraint(
            "(state = 'asked') = (decided_at is null)", name=op.f("ck_sign_up_request_decided_has_time")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_up_request")),
        sa.UniqueConstraint("ref", name=op.f("uq_sign_up_request_ref")),
    )
    op.execute("create index ix_sign_up_request_asked on sign_up_request (id) where state = 'asked'")
    op.execute("create index ix_sign_up_request_decided on sign_up_request (decided_at) where state <> 'asked'")
    op.execute(
        "create index ix_sign_up_request_mailbox on sign_up_request (petition_id, address_index)"
        " where state <> 'asked' and address_index is not null"
    )
    op.create_table(
        "code_try",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("address_index", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("petition_id", "address_index", name=op.f("pk_code_try")),
    )
    op.create_index(op.f("ix_code_try_expires_at"), "code_try", ["expires_at"])


def downgrade() -> None:
    op.drop_table("code_try")
    op.drop_table("sign_up_request")
    STATE.drop(op.get_bind())
    KIND.drop(op.get_bind())
