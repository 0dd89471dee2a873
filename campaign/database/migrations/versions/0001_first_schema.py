"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Signature ids are handed out in blocks (campaign.signatures.queries).
    op.execute(sa.schema.CreateSequence(sa.Sequence("signature_id_blocks", increment=32, start=1)))
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("address_index", sa.LargeBinary(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Enum("organiser", "admin", name="account_role"), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("address_index", name=op.f("uq_account_address_index")),
    )
    op.create_table(
        "consent_text",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("purpose", sa.Enum("sign", "updates", name="consent_purpose"), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_text")),
        sa.UniqueConstraint("hash", name=op.f("uq_consent_text_hash")),
    )
    op.create_table(
        "daily_salt",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_daily_salt")),
    )
    op.create_table(
        "instance",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Uuid(), nullable=False),
        sa.Column("stable_key_id", sa.String(length=16), nullable=False),
        sa.Column("stable_key", sa.LargeBinary(), nullable=False),
        sa.Column("account_key_id", sa.String(length=16), nullable=False),
        sa.Column("account_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_instance_single_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
    )
    op.create_table(
        "lane",
        sa.Column("name", sa.Enum("urgent", "bulk", name="lane_name"), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("troubles", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("last_answer", sa.Text(), nullable=True),
        sa.Column("last_answer_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lane")),
    )
    op.create_table(
        "mail_allowance",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("slot_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", "slot_at", "id", name=op.f("pk_mail_allowance")),
    )
    op.create_index(op.f("ix_mail_allowance_expires_at"), "mail_allowance", ["expires_at"], unique=False)
    op.create_table(
        "periodic_job",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_periodic_job")),
    )
    op.create_table(
        "petition",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("state", sa.Enum("draft", "live", "closed", name="petition_state"), nullable=False),
        sa.Column("default_locale", sa.String(length=2), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("on_behalf_of", sa.Text(), server_default="", nullable=False),
        sa.Column("sender_name", sa.Text(), server_default="", nullable=False),
        sa.Column("fixed_goal", sa.Integer(), nullable=True),
        sa.Column("milestones", postgresql.ARRAY(sa.Integer()), nullable=True),
        sa.Column(
            "milestone_policy",
            sa.Enum("announce", "approve", "record", name="milestone_policy"),
            server_default="announce",
            nullable=False,
        ),
        sa.Column("count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("data_key_id", sa.String(length=16), nullable=True),
        sa.Column("data_key", sa.LargeBinary(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("fixed_goal > 0", name=op.f("ck_petition_goal_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_petition")),
        sa.UniqueConstraint("slug", name=op.f("uq_petition_slug")),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("lane", sa.Enum("urgent", "bulk", name="lane_name"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
    )
    op.create_index(
        "ix_worker_seen", "worker", ["seen_at"], unique=False, postgresql_where=sa.text("stopped_at is null")
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.String(length=10), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column("petition_id", sa.Integer(), nullable=True),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_audit_entry_account_id")),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petition.id"], name=op.f("fk_audit_entry_petition_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index(op.f("ix_audit_entry_petition_id"), "audit_entry", ["petition_id"], unique=False)
    op.create_table(
        "blast",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Enum("update", "milestone", name="blast_kind"), nullable=False),
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("max_lateness", sa.Integer(), server_default="21600", nullable=False),
        sa.Column("epoch", sa.Uuid(), nullable=True),
        sa.Column("threshold", sa.Integer(), nullable=True),
        sa.Column("count_at_start", sa.Integer(), nullable=True),
        sa.Column(
            "audience", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("approved_by", sa.Integer(), nullable=True),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("frozen_until", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("freeze_limit", sa.BigInteger(), nullable=True),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["approved_by"], ["account.id"], name=op.f("fk_blast_approved_by")),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_blast_created_by")),
        sa.ForeignKeyConstraint(["petition_id"], ["petition.id"], name=op.f("fk_blast_petition_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blast")),
        sa.UniqueConstraint("request_key", name=op.f("uq_blast_request_key")),
    )
    op.create_index(
        "ix_blast_due",
        "blast",
        ["send_at"],
        unique=False,
        postgresql_where=sa.text("started_at is null and cancelled_at is null"),
    )
    op.create_index("ix_blast_petition", "blast", ["petition_id", "id"], unique=False)
    op.create_table(
        "count_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("recounted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petition.id"], name=op.f("fk_count_change_petition_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_count_change")),
    )
    op.create_index("ix_count_change_petition", "count_change", ["petition_id", "id"], unique=False)
    op.create_table(
        "membership",
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Enum("owner", "organiser", name="membership_role"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_membership_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petition.id"], name=op.f("fk_membership_petition_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("petition_id", "account_id", name=op.f("pk_membership")),
    )
    op.create_index(op.f("ix_membership_account_id"), "membership", ["account_id"], unique=False)
    op.create_table(
        "session",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("csrf", sa.LargeBinary(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_session_account_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_account_id"), "session", ["account_id"], unique=False)
    op.create_index(op.f("ix_session_expires_at"), "session", ["expires_at"], unique=False)
    op.create_table(
        "suppression",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("address_key", sa.LargeBinary(), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=True),
        sa.Column(
            "reason",
            sa.Enum("bounce", "complaint", "unsubscribe", "admin", "erased", name="suppression_reason"),
            nullable=False,
        ),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petition.id"], name=op.f("fk_suppression_petition_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression")),
    )
    op.create_index(
        "uq_suppression_active",
        "suppression",
        ["address_key", "petition_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("lifted_at is null"),
    )
    op.create_table(
        "text_version",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), server_default="", nullable=False),
        sa.Column("addressed_to", sa.Text(), nullable=False),
        sa.Column("body_markdown", sa.Text(), nullable=False),
        sa.Column("body_html", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("char_length(title) between 1 and 140", name=op.f("ck_text_version_title_length")),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petition.id"], name=op.f("fk_text_version_petition_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_version")),
        sa.UniqueConstraint(
            "petition_id", "locale", "version", name=op.f("uq_text_version_petition_id_locale_version")
        ),
    )
    op.create_table(
        "blast_text",
        sa.Column("blast_id", sa.Integer(), nullable=False),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body_markdown", sa.Text(), nullable=False),
        sa.Column("body_html", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["blast_id"], ["blast.id"], name=op.f("fk_blast_text_blast_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("blast_id", "locale", name=op.f("pk_blast_text")),
    )
    op.create_table(
        "milestone",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "decision",
            sa.Enum("announced", "waiting", "recorded", "merged", "late", "declined", name="milestone_decision"),
            nullable=False,
        ),
        sa.Column("blast_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["blast_id"], ["blast.id"], name=op.f("fk_milestone_blast_id")),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petition.id"], name=op.f("fk_milestone_petition_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_milestone")),
        sa.UniqueConstraint("petition_id", "threshold", name=op.f("uq_milestone_petition_id_threshold")),
    )
    op.create_table(
        "signature",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("petition_id", sa.Integer(), nullable=False),
        sa.Column("text_version_id", sa.Integer(), nullable=False),
        sa.Column("consent_id", sa.Integer(), nullable=False),
        sa.Column("updates_consent_id", sa.Integer(), nullable=True),
        sa.Column(
            "state",
            sa.Enum("pending", "confirmed", "withdrawn", "expired", "removed", name="signature_state"),
            nullable=False,
        ),
        sa.Column("locale", sa.String(length=2), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("show_name", sa.Boolean(), nullable=False),
        sa.Column("wants_updates", sa.Boolean(), nullable=False),
        sa.Column("counted", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("code_tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("mailbox_slot", sa.SmallInteger(), nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("address_index", sa.LargeBinary(), nullable=True),
        sa.Column("person_index", sa.LargeBinary(), nullable=True),
        sa.Column("address", sa.LargeBinary(), nullable=True),
        sa.Column("name", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_by", sa.Enum("button", "code", name="confirm_method"), nullable=True),
        sa.Column("updates_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'confirmed') <= (confirmed_at is not null)", name=op.f("ck_signature_confirmed_has_time")
        ),
        sa.CheckConstraint("mailbox_slot in (1, 2)", name=op.f("ck_signature_two_per_mailbox")),
        sa.ForeignKeyConstraint(["consent_id"], ["consent_text.id"], name=op.f("fk_signature_consent_id")),
        sa.ForeignKeyConstraint(["petition_id"], ["petition.id"], name=op.f("fk_signature_petition_id")),
        sa.ForeignKeyConstraint(["text_version_id"], ["text_version.id"], name=op.f("fk_signature_text_version_id")),
        sa.ForeignKeyConstraint(
            ["updates_consent_id"], ["consent_text.id"], name=op.f("fk_signature_updates_consent_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signature")),
    )
    op.create_index(
        "ix_signature_address",
        "signature",
        ["petition_id", "address_index"],
        unique=False,
        postgresql_where=sa.text("address_index is not null"),
    )
    op.create_index(
        "ix_signature_confirmed",
        "signature",
        ["petition_id", "confirmed_at"],
        unique=False,
        postgresql_where=sa.text("confirmed_at is not null"),
    )
    op.create_index(
        "ix_signature_pending",
        "signature",
        ["requested_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_signature_petition", "signature", ["petition_id", "id"], unique=False)
    op.create_index(
        "ix_signature_public",
        "signature",
        ["petition_id", sa.literal_column("confirmed_at desc")],
        unique=False,
        postgresql_where=sa.text("state = 'confirmed' and show_name and erased_at is null"),
    )
    op.create_index(
        "ix_signature_uncounted",
        "signature",
        ["petition_id", "confirmed_at"],
        unique=False,
        postgresql_where=sa.text("(state = 'confirmed') <> counted"),
    )
    op.create_index(
        "uq_signature_mailbox_slot",
        "signature",
        ["petition_id", "address_index", "mailbox_slot"],
        unique=True,
        postgresql_where=sa.text("state = 'confirmed' and address_index is not null"),
    )
    op.create_index(
        "uq_signature_person",
        "signature",
        ["petition_id", "person_index"],
        unique=True,
        postgresql_where=sa.text("state in ('pending', 'confirmed') and person_index is not null"),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("signature_id", sa.BigInteger(), nullable=True),
        sa.Column("planned_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("petition_id", sa.Integer(), nullable=True),
        sa.Column("blast_id", sa.Integer(), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("about_id", sa.Integer(), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "confirmation",
                "reminder",
                "already_signed",
                "mailbox_full",
                "thank_you",
                "milestone",
                "update",
                "test",
                "sign_in",
                "admin_alert",
                name="message_kind",
            ),
            nullable=False,
        ),
        sa.Column("lane", sa.Enum("urgent", "bulk", name="lane_name"), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "planned",
                "claimed",
                "submitting",
                "accepted",
                "rejected",
                "uncertain",
                "suppressed",
                "cancelled",
                name="message_state",
            ),
            server_default="planned",
            nullable=False,
        ),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("losses", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("reply_code", sa.SmallInteger(), nullable=True),
        sa.Column("phase", sa.String(length=12), nullable=True),
        sa.Column("enhanced", sa.String(length=12), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state in ('claimed', 'submitting')) = (lease_until is not null)", name=op.f("ck_message_leased_has_lease")
        ),
        sa.CheckConstraint("signature_id is not null or account_id is not null", name=op.f("ck_message_has_recipient")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_message_account_id")),
        sa.ForeignKeyConstraint(["blast_id"], ["blast.id"], name=op.f("fk_message_blast_id")),
        sa.ForeignKeyConstraint(["petition_id"], ["petition.id"], name=op.f("fk_message_petition_id")),
        sa.ForeignKeyConstraint(["signature_id"], ["signature.id"], name=op.f("fk_message_signature_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    op.create_index(
        "ix_message_blast_state",
        "message",
        ["blast_id", "state"],
        unique=False,
        postgresql_where=sa.text("blast_id is not null"),
    )
    op.create_index(
        "ix_message_due",
        "message",
        ["lane", "due_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'planned'"),
    )
    op.create_index(
        "ix_message_lease",
        "message",
        ["lease_until"],
        unique=False,
        postgresql_where=sa.text("state in ('claimed', 'submitting')"),
    )
    op.create_index(
        "ix_message_settled",
        "message",
        ["lane", "settled_at"],
        unique=False,
        postgresql_where=sa.text("state = 'accepted'"),
    )
    op.create_index("ix_message_signature", "message", ["signature_id", "kind"], unique=False)
    op.create_index(
        "ix_message_trouble",
        "message",
        ["state", "settled_at"],
        unique=False,
        postgresql_where=sa.text("state in ('uncertain', 'rejected')"),
    )
    op.create_index(
        "uq_message_blast_signature",
        "message",
        ["blast_id", "signature_id"],
        unique=True,
        postgresql_where=sa.text("blast_id is not null"),
    )
    op.create_index(
        "uq_message_once",
        "message",
        ["signature_id", "kind"],
        unique=True,
        postgresql_where=sa.text("kind in ('thank_you', 'reminder')"),
    )
    op.create_table(
        "attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worker_id", sa.Integer(), nullable=True),
        sa.Column("reply_code", sa.SmallInteger(), nullable=True),
        sa.Column("result", sa.String(length=12), nullable=False),
        sa.Column("phase", sa.String(length=12), nullable=False),
        sa.Column("enhanced", sa.String(length=12), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_attempt_message_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index(op.f("ix_attempt_message_id"), "attempt", ["message_id"], unique=False)
    op.create_table(
        "delivery_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'::jsonb"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.id"], name=op.f("fk_delivery_event_message_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_event")),
        sa.UniqueConstraint("provider", "event_id", name=op.f("uq_delivery_event_provider_event_id")),
    )
    op.create_index(op.f("ix_delivery_event_message_id"), "delivery_event", ["message_id"], unique=False)
    op.create_index(
        "ix_delivery_event_open", "delivery_event", ["id"], unique=False, postgresql_where=sa.text("applied_at is null")
    )
    op.create_table(
        "sign_in_link",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_sign_in_link_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.id"], name=op.f("fk_sign_in_link_message_id"), ondelete="SET NULL"
        ),
        sa.UniqueConstraint("message_id", name=op.f("uq_sign_in_link_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_link")),
    )
    op.create_index(op.f("ix_sign_in_link_account_id"), "sign_in_link", ["account_id"], unique=False)
    op.execute("insert into lane (name) values ('urgent'), ('bulk')")


def downgrade() -> None:
    op.drop_index(op.f("ix_sign_in_link_account_id"), table_name="sign_in_link")
    op.drop_table("sign_in_link")
    op.drop_index("ix_delivery_event_open", table_name="delivery_event", postgresql_where=sa.text("applied_at is null"))
    op.drop_index(op.f("ix_delivery_event_message_id"), table_name="delivery_event")
    op.drop_table("delivery_event")
    op.drop_index(op.f("ix_attempt_message_id"), table_name="attempt")
    op.drop_table("attempt")
    op.drop_index(
        "uq_message_once", table_name="message", postgresql_where=sa.text("kind in ('thank_you', 'reminder')")
    )
    op.drop_index("uq_message_blast_signature", table_name="message", postgresql_where=sa.text("blast_id is not null"))
    op.drop_index(
        "ix_message_trouble", table_name="message", postgresql_where=sa.text("state in ('uncertain', 'rejected')")
    )
    op.drop_index("ix_message_signature", table_name="message")
    op.drop_index("ix_message_settled", table_name="message", postgresql_where=sa.text("state = 'accepted'"))
    op.drop_index(
        "ix_message_lease", table_name="message", postgresql_where=sa.text("state in ('claimed', 'submitting')")
    )
    op.drop_index("ix_message_due", table_name="message", postgresql_where=sa.text("state = 'planned'"))
    op.drop_index("ix_message_blast_state", table_name="message", postgresql_where=sa.text("blast_id is not null"))
    op.drop_table("message")
    op.drop_index(
        "uq_signature_person",
        table_name="signature",
        postgresql_where=sa.text("state in ('pending', 'confirmed') and person_index is not null"),
    )
    op.drop_index(
        "uq_signature_mailbox_slot",
        table_name="signature",
        postgresql_where=sa.text("state = 'confirmed' and address_index is not null"),
    )
    op.drop_index(
        "ix_signature_uncounted", table_name="signature", postgresql_where=sa.text("(state = 'confirmed') <> counted")
    )
    op.drop_index(
        "ix_signature_public",
        table_name="signature",
        postgresql_where=sa.text("state = 'confirmed' and show_name and erased_at is null"),
    )
    op.drop_index("ix_signature_petition", table_name="signature")
    op.drop_index("ix_signature_pending", table_name="signature", postgresql_where=sa.text("state = 'pending'"))
    op.drop_index(
        "ix_signature_confirmed", table_name="signature", postgresql_where=sa.text("confirmed_at is not null")
    )
    op.drop_index("ix_signature_address", table_name="signature", postgresql_where=sa.text("address_index is not null"))
    op.drop_table("signature")
    op.drop_table("milestone")
    op.drop_table("blast_text")
    op.drop_table("text_version")
    op.drop_index(
        "uq_suppression_active",
        table_name="suppression",
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("lifted_at is null"),
    )
    op.drop_table("suppression")
    op.drop_index(op.f("ix_session_expires_at"), table_name="session")
    op.drop_index(op.f("ix_session_account_id"), table_name="session")
    op.drop_table("session")
    op.drop_index(op.f("ix_membership_account_id"), table_name="membership")
    op.drop_table("membership")
    op.drop_index("ix_count_change_petition", table_name="count_change")
    op.drop_table("count_change")
    op.drop_index("ix_blast_petition", table_name="blast")
    op.drop_index(
        "ix_blast_due", table_name="blast", postgresql_where=sa.text("started_at is null and cancelled_at is null")
    )
    op.drop_table("blast")
    op.drop_index(op.f("ix_audit_entry_petition_id"), table_name="audit_entry")
    op.drop_table("audit_entry")
    op.drop_index("ix_worker_seen", table_name="worker", postgresql_where=sa.text("stopped_at is null"))
    op.drop_table("worker")
    op.drop_table("petition")
    op.drop_table("periodic_job")
    op.drop_index(op.f("ix_mail_allowance_expires_at"), table_name="mail_allowance")
    op.drop_table("mail_allowance")
    op.drop_table("lane")
    op.drop_table("instance")
    op.drop_table("daily_salt")
    op.drop_table("consent_text")
    op.drop_table("account")
    op.execute("drop sequence signature_id_blocks")
    for name in (
        "petition_state",
        "signature_state",
        "message_state",
        "message_kind",
        "lane_name",
        "account_role",
        "milestone_policy",
        "membership_role",
        "consent_purpose",
        "confirm_method",
        "blast_kind",
        "milestone_decision",
        "suppression_reason",
    ):
        op.execute(f"drop type {name}")
