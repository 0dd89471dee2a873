"""The tables. Why they are shaped so is written in docs/architecture.md, "The schema"."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REAL

from campaign.states import Lane, MessageKind, MessageState, PetitionState, RequestKind, RequestState, SignatureState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SIGNATURE_BLOCK = 32
"""Signature ids are handed out in blocks: a process knows the id before the row, for the AAD of its fields."""

MOMENT = DateTime(timezone=True)


def _enum(kind: type, name: str) -> Enum:
    # Native enums take 4 bytes a row, read well in psql, and refuse a typo.
    return Enum(
        kind, name=name, values_callable=lambda members: [member.value for member in members], metadata=metadata
    )


petition_state = _enum(PetitionState, "petition_state")
signature_state = _enum(SignatureState, "signature_state")
message_state = _enum(MessageState, "message_state")
message_kind = _enum(MessageKind, "message_kind")
lane_name = _enum(Lane, "lane_name")
request_kind = _enum(RequestKind, "request_kind")
request_state = _enum(RequestState, "request_state")


def _now() -> Column[object]:
    return Column("created_at", MOMENT, nullable=False, server_default=func.now())


instance = Table(
    "instance",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    # A restored backup gets a new epoch by hand; blasts of another epoch are not started.
    Column("epoch", Uuid, nullable=False),
    # Secrets that must outlive key rotation (suppression, Message-ID, return addresses), wrapped by an instance key.
    Column("stable_key_id", String(16), nullable=False),
    Column("stable_key", LargeBinary, nullable=False),
    # The data key of accounts.
    Column("account_key_id", String(16), nullable=False),
    Column("account_key", LargeBinary, nullable=False),
    _now(),
    CheckConstraint("id = 1", name="single_row"),
)

lane = Table(
    "lane",
    metadata,
    Column("name", lane_name, primary_key=True),
    Column("paused_at", MOMENT),
    Column("paused_by", Text),
    Column("paused_reason", Text),
    # Circuit breaker: no attempt before this moment, because the mail server itself is in trouble.
    Column("not_before", MOMENT),
    Column("troubles", SmallInteger, nullable=False, server_default="0"),
    # When the first of these troubles in a row began.
    Column("troubled_at", MOMENT),
    Column("last_answer", Text),
    Column("last_answer_at", MOMENT),
    # Reputation blocks since the last acceptance, and keyed hashes of the receivers they came from.
    Column("refusals", SmallInteger, nullable=False, server_default="0"),
    Column("refused_by", ARRAY(LargeBinary), nullable=False, server_default="{}"),
    # When a receiver alone did, and was held; admins are told.
    Column("refused_at", MOMENT),
    Column("refused_answer", Text),
)

account = Table(
    "account",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("address_index", LargeBinary, nullable=False, unique=True),
    Column("address", LargeBinary, nullable=False),
    Column("name", LargeBinary, nullable=False),
    Column("role", Enum("organiser", "admin", name="account_role", metadata=metadata), nullable=False),
    Column("locale", String(2), nullable=False),
    Column("time_zone", Text, nullable=False, server_default="UTC"),
    Column("disabled_at", MOMENT),
    _now(),
)

petition = Table(
    "petition",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("slug", String(80), nullable=False, unique=True),
    Column("state", petition_state, nullable=False),
    Column("default_locale", String(2), nullable=False),
    Column("author", Text, nullable=False),
    Column("on_behalf_of", Text, nullable=False, server_default=""),
    Column("sender_name", Text, nullable=False, server_default=""),
    Column("fixed_goal", Integer),
    Column("milestones", ARRAY(Integer)),
    Column(
        "milestone_policy",
        Enum("announce", "approve", "record", name="milestone_policy", metadata=metadata),
        nullable=False,
        server_default="announce",
    ),
    # The cached public count, written by the counter alone.
    Column("count", Integer, nullable=False, server_default="0"),
    Column("counted_at", MOMENT),
    # The wrapped data key; destroying it erases every signer of the petition, backups included.
    Column("data_key_id", String(16)),
    Column("data_key", LargeBinary),
    Column("published_at", MOMENT),
    Column("closed_at", MOMENT),
    Column("erased_at", MOMENT),
    _now(),
    CheckConstraint("fixed_goal > 0", name="goal_positive"),
)

membership = Table(
    "membership",
    metadata,
    Column("petition_id", ForeignKey("petition.id", ondelete="CASCADE"), primary_key=True),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", Enum("owner", "organiser", name="membership_role", metadata=metadata), nullable=False),
    _now(),
)

text_version = Table(
    "text_version",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("petition_id", ForeignKey("petition.id", ondelete="CASCADE"), nullable=False),
    Column("locale", String(2), nullable=False),
    Column("version", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False, server_default=""),
    Column("addressed_to", Text, nullable=False),
    # "by …, on behalf of …" in this language; empty: the petition's author and group.
    Column("byline", Text, nullable=False, server_default=""),
    Column("body_markdown", Text, nullable=False),
    Column("body_html", Text, nullable=False),
    # SHA-256 over title, addressee and text: what a signature is bound to.
    Column("hash", LargeBinary, nullable=False),
    _now(),
    UniqueConstraint("petition_id", "locale", "version"),
    CheckConstraint("char_length(title) between 1 and 140", name="title_length"),
)

consent_text = Table(
    "consent_text",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("purpose", Enum("sign", "updates", name="consent_purpose", metadata=metadata), nullable=False),
    Column("locale", String(2), nullable=False),
    Column("text", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    _now(),
)

signature_ids = Sequence("signature_id_blocks", increment=SIGNATURE_BLOCK, start=1, metadata=metadata)

signature = Table(
    "signature",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("petition_id", ForeignKey("petition.id"), nullable=False),
    Column("text_version_id", ForeignKey("text_version.id"), nullable=False),
    Column("consent_id", ForeignKey("consent_text.id"), nullable=False),
    Column("updates_consent_id", ForeignKey("consent_text.id")),
    Column("state", signature_state, nullable=False),
    Column("locale", String(2), nullable=False),
    Column("country", String(2), nullable=False),
    Column("show_name", Boolean, nullable=False),
    Column("wants_updates", Boolean, nullable=False),
    # True once the counter has added this row to the public count; the difference is the work still to do.
    Column("counted", Boolean, nullable=False, server_default="false"),
    # Read by releases before the table code_try; a later migration drops it.
    Column("code_tries", SmallInteger, nullable=False, server_default="0"),
    # A mailbox may carry two confirmed people on one petition; the unique index below refuses a third.
    Column("mailbox_slot", SmallInteger),
    Column("nonce", LargeBinary, nullable=False),
    # Blind indexes under the petition's key; null once erased.
    Column("address_index", LargeBinary),
    Column("person_index", LargeBinary),
    # AES-256-GCM; null once erased.
    Column("address", LargeBinary),
    Column("name", LargeBinary),
    Column("reason", LargeBinary),
    Column("requested_at", MOMENT, nullable=False),
    Column("confirmed_at", MOMENT),
    Column("confirmed_by", Enum("button", "code", name="confirm_method", metadata=metadata)),
    Column("updates_changed_at", MOMENT),
    Column("reminded_at", MOMENT),
    Column("ended_at", MOMENT),
    Column("ended_reason", Text),
    Column("erased_at", MOMENT),
    CheckConstraint("mailbox_slot in (1, 2)", name="two_per_mailbox"),
    CheckConstraint("(state = 'confirmed') <= (confirmed_at is not null)", name="confirmed_has_time"),
    # The same person once on a petition, whether pending or confirmed.
    Index(
        "uq_signature_person",
        "petition_id",
        "person_index",
        unique=True,
        postgresql_where=text("state in ('pending', 'confirmed') and person_index is not null"),
    ),
    Index(
        "uq_signature_mailbox_slot",
        "petition_id",
        "address_index",
        "mailbox_slot",
        unique=True,
        postgresql_where=text("state = 'confirmed' and address_index is not null"),
    ),
    Index("ix_signature_address", "petition_id", "address_index", postgresql_where=text("address_index is not null")),
    # The counter's work list: empty but for the last seconds.
    Index(
        "ix_signature_uncounted",
        "petition_id",
        "confirmed_at",
        postgresql_where=text("(state = 'confirmed') <> counted"),
    ),
    Index(
        "ix_signature_public",
        "petition_id",
        text("confirmed_at desc"),
        postgresql_where=text("state = 'confirmed' and show_name and erased_at is null"),
    ),
    # Audiences and signature lists walk a petition by id.
    Index("ix_signature_petition", "petition_id", "id"),
    Index("ix_signature_pending", "requested_at", postgresql_where=text("state = 'pending'")),
    Index("ix_signature_confirmed", "petition_id", "confirmed_at", postgresql_where=text("confirmed_at is not null")),
)

sign_up_request = Table(
    "sign_up_request",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    # Random; the address of the page that follows. Nothing else names a request outside the database.
    Column("ref", LargeBinary, nullable=False, unique=True),
    Column("kind", request_kind, nullable=False),
    Column("state", request_state, nullable=False, server_default="asked"),
    # No foreign key: petitions are never deleted, and checking one would lock the petition's row for each sign-up.
    Column("petition_id", Integer),
    # AES-256-GCM of everything that was typed, padded.
    Column("sealed", LargeBinary, nullable=False),
    # Blind indexes under the petition's key; null if the request is about no single petition.
    Column("address_index", LargeBinary),
    Column("person_index", LargeBinary),
    # Keyed hashes for the allowance; that of the network is removed when the request is decided.
    Column("mailbox", LargeBinary, nullable=False),
    Column("network", LargeBinary),
    Column("requested_at", MOMENT, nullable=False),
    Column("decided_at", MOMENT),
    Column("reason", Text),
    CheckConstraint("(state = 'asked') = (decided_at is null)", name="decided_has_time"),
    # The admitting worker's list: empty but for the last moments.
    Index("ix_sign_up_request_asked", "id", postgresql_where=text("state = 'asked'")),
    # Decided requests are deleted after a day, or with the signature of their mailbox.
    Index("ix_sign_up_request_decided", "decided_at", postgresql_where=text("state <> 'asked'")),
    Index(
        "ix_sign_up_request_mailbox",
        "petition_id",
        "address_index",
        postgresql_where=text("state <> 'asked' and address_index is not null"),
    ),
)

code_try = Table(
    "code_try",
    metadata,
    # Wrong codes for a mailbox of a petition, whether or not it has signed. Blind index as in signature.
    Column("petition_id", Integer, primary_key=True, autoincrement=False),
    Column("address_index", LargeBinary, primary_key=True),
    Column("tries", SmallInteger, nullable=False),
    Column("expires_at", MOMENT, nullable=False, index=True),
)

count_change = Table(
    "count_change",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("petition_id", ForeignKey("petition.id", ondelete="CASCADE"), nullable=False),
    Column("at", MOMENT, nullable=False),
    Column("confirmed", Integer, nullable=False),
    Column("withdrawn", Integer, nullable=False),
    Column("removed", Integer, nullable=False),
    Column("recounted", Integer, nullable=False, server_default="0"),
    Column("count", Integer, nullable=False),
    Index("ix_count_change_petition", "petition_id", "id"),
)

blast = Table(
    "blast",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("petition_id", ForeignKey("petition.id"), nullable=False),
    Column("kind", Enum("update", "milestone", name="blast_kind", metadata=metadata), nullable=False),
    # Pressing Send twice, or an API retry, meets this key.
    Column("request_key", String(64), nullable=False, unique=True),
    Column("send_at", MOMENT),
    Column("time_zone", Text, nullable=False, server_default="UTC"),
    Column("max_lateness", Integer, nullable=False, server_default="21600"),
    Column("epoch", Uuid),
    # The threshold that a milestone announcement is about.
    Column("threshold", Integer),
    # What the texts say of the count is frozen when the blast starts: everybody reads the same mail.
    Column("count_at_start", Integer),
    Column("audience", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("created_by", ForeignKey("account.id")),
    Column("approved_by", ForeignKey("account.id")),
    Column("scheduled_at", MOMENT),
    Column("started_at", MOMENT),
    # The audience is frozen in slices; this is the last signature id looked at.
    Column("frozen_until", BigInteger, nullable=False, server_default="0"),
    Column("freeze_limit", BigInteger),
    Column("frozen_at", MOMENT),
    Column("paused_at", MOMENT),
    Column("paused_reason", Text),
    Column("cancelled_at", MOMENT),
    Column("cancelled_reason", Text),
    _now(),
    Column("changed_at", MOMENT, nullable=False, server_default=func.now()),
    Index("ix_blast_due", "send_at", postgresql_where=text("started_at is null and cancelled_at is null")),
    Index("ix_blast_petition", "petition_id", "id"),
)

blast_text = Table(
    "blast_text",
    metadata,
    Column("blast_id", ForeignKey("blast.id", ondelete="CASCADE"), primary_key=True),
    Column("locale", String(2), primary_key=True),
    Column("subject", Text, nullable=False),
    Column("body_markdown", Text, nullable=False),
    Column("body_html", Text, nullable=False),
)

milestone = Table(
    "milestone",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("petition_id", ForeignKey("petition.id", ondelete="CASCADE"), nullable=False),
    Column("threshold", Integer, nullable=False),
    Column("reached_at", MOMENT, nullable=False),
    Column("recorded_at", MOMENT, nullable=False, server_default=func.now()),
    Column(
        "decision",
        Enum(
            "announced",
            "waiting",
            "recorded",
            "merged",
            "late",
            "declined",
            name="milestone_decision",
            metadata=metadata,
        ),
        nullable=False,
    ),
    Column("blast_id", ForeignKey("blast.id")),
    UniqueConstraint("petition_id", "threshold"),
)

worker = Table(
    "worker",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("lane", lane_name, nullable=False),
    Column("started_at", MOMENT, nullable=False, server_default=func.now()),
    Column("seen_at", MOMENT, nullable=False, server_default=func.now()),
    Column("stopped_at", MOMENT),
    Index("ix_worker_seen", "seen_at", postgresql_where=text("stopped_at is null")),
)

message = Table(
    "message",
    metadata,
    # Wide columns first, so that no padding is stored: 10M rows of this table fit in 2 GB with its indexes.
    Column("id", BigInteger, Identity(), primary_key=True),
    # Signatures, petitions and blasts are never deleted (personal data is erased in place), and a million rows are
    # planned from rows that are read in the same statement: foreign keys here would cost more than the rows (ADR 16).
    Column("signature_id", BigInteger),
    Column("planned_at", MOMENT, nullable=False, server_default=func.now()),
    # Not before; the only due time there is. Celery never holds an eta.
    Column("due_at", MOMENT, nullable=False),
    Column("lease_until", MOMENT),
    Column("settled_at", MOMENT),
    Column("petition_id", Integer),
    Column("blast_id", Integer),
    Column("account_id", ForeignKey("account.id")),
    # The blast that a test is of; a test is no part of the blast's own equation.
    Column("about_id", Integer),
    Column("owner_id", Integer),
    Column("kind", message_kind, nullable=False),
    Column("lane", lane_name, nullable=False),
    Column("state", message_state, nullable=False, server_default="planned"),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    # Times a worker died while it held the row; at three the row is quarantined (poison).
    Column("losses", SmallInteger, nullable=False, server_default="0"),
    Column("reply_code", SmallInteger),
    Column("phase", String(12)),
    Column("enhanced", String(12)),
    # Why it is where it is: a code, or the server's words without any address.
    Column("reason", Text),
    CheckConstraint("signature_id is not null or account_id is not null", name="has_recipient"),
    CheckConstraint("(state in ('claimed', 'submitting')) = (lease_until is not null)", name="leased_has_lease"),
    # The same blast twice to a signature is impossible.
    Index(
        "uq_message_blast_signature",
        "blast_id",
        "signature_id",
        unique=True,
        postgresql_where=text("blast_id is not null"),
    ),
    # One thank-you and one reminder in the life of a signature.
    Index(
        "uq_message_once",
        "signature_id",
        "kind",
        unique=True,
        postgresql_where=text("kind in ('thank_you', 'reminder')"),
    ),
    # Mail caused by the signer; mail of a blast is found by the blast.
    Index("ix_message_signature", "signature_id", "kind", postgresql_where=text("blast_id is null")),
    # Mail to accounts is rare: an alert looks here whether one is on its way already.
    Index("ix_message_account", "account_id", "kind", postgresql_where=text("account_id is not null")),
    # What a worker looks for: due rows of its lane, oldest first. Small, whatever the ledger holds.
    Index("ix_message_due", "lane", "due_at", "id", postgresql_where=text("state = 'planned'")),
    # The same by blast: while one of them is held, the others' rows are found behind its million.
    Index(
        "ix_message_blast_due",
        "blast_id",
        "due_at",
        "id",
        postgresql_where=text("state = 'planned' and blast_id is not null"),
    ),
    # Rows that a worker died with are claimed one by one: hardly ever any.
    Index("ix_message_suspect", "lane", "due_at", "id", postgresql_where=text("state = 'planned' and losses > 0")),
    Index("ix_message_lease", "lease_until", postgresql_where=text("state in ('claimed', 'submitting')")),
    # The equation of a blast and the monitor's trouble lists.
    Index("ix_message_blast_state", "blast_id", "state", postgresql_where=text("blast_id is not null")),
    Index("ix_message_trouble", "state", "settled_at", postgresql_where=text("state in ('uncertain', 'rejected')")),
    Index("ix_message_settled", "lane", "settled_at", postgresql_where=text("state = 'accepted'")),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("message_id", ForeignKey("message.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", MOMENT, nullable=False),
    Column("worker_id", Integer),
    Column("reply_code", SmallInteger),
    Column("result", String(12), nullable=False),
    Column("phase", String(12), nullable=False),
    Column("enhanced", String(12)),
    Column("answer", Text),
)

mail_allowance = Table(
    "mail_allowance",
    metadata,
    # Keyed hash of a mailbox (all petitions), or of a network with a salt that is thrown away each day.
    Column("key", LargeBinary, primary_key=True),
    Column("slot_at", MOMENT, primary_key=True),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("expires_at", MOMENT, nullable=False, index=True),
)

daily_salt = Table(
    "daily_salt",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
)

suppression = Table(
    "suppression",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    # HMAC of the address under the stable key: survives the erasure of the address itself.
    Column("address_key", LargeBinary, nullable=False),
    Column("petition_id", ForeignKey("petition.id", ondelete="CASCADE")),
    Column(
        "reason",
        Enum("bounce", "complaint", "unsubscribe", "admin", "erased", name="suppression_reason", metadata=metadata),
        nullable=False,
    ),
    Column("message_id", BigInteger),
    Column("lifted_at", MOMENT),
    _now(),
    Index(
        "uq_suppression_active",
        "address_key",
        "petition_id",
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=text("lifted_at is null"),
    ),
)

slow_domain = Table(
    "slow_domain",
    metadata,
    # Keyed hash of a recipient domain that asked for less mail; rows live for 65 minutes.
    Column("key", LargeBinary, primary_key=True),
    Column("factor", REAL, nullable=False),
    Column("since", MOMENT, nullable=False),
)

bounce_strike = Table(
    "bounce_strike",
    metadata,
    # The same keyed hash as in suppression; rows live for 30 days.
    Column("address_key", LargeBinary, primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("day", Date, primary_key=True),
)

delivery_event = Table(
    "delivery_event",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("provider", String(20), nullable=False),
    Column("event_id", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("message_id", ForeignKey("message.id", ondelete="SET NULL"), index=True),
    Column("happened_at", MOMENT, nullable=False),
    Column("received_at", MOMENT, nullable=False, server_default=func.now()),
    Column("applied_at", MOMENT),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    UniqueConstraint("provider", "event_id"),
    Index("ix_delivery_event_open", "id", postgresql_where=text("applied_at is null")),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", MOMENT, nullable=False, server_default=func.now()),
    # Who: 'account', 'cli' or 'system'. Ids only.
    Column("actor", String(10), nullable=False),
    Column("account_id", ForeignKey("account.id")),
    Column("action", String(60), nullable=False),
    Column("subject", String(20), nullable=False),
    Column("subject_id", BigInteger),
    Column("petition_id", ForeignKey("petition.id", ondelete="CASCADE"), index=True),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    # The log is read newest first, by action or by account.
    Index("ix_audit_entry_action", "action", "id"),
    Index("ix_audit_entry_account", "account_id", "id"),
)

sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    # The mail that carries it; none if the command line printed it.
    Column("message_id", ForeignKey("message.id", ondelete="SET NULL"), unique=True),
    Column("nonce", LargeBinary, nullable=False),
    Column("expires_at", MOMENT, nullable=False),
    Column("used_at", MOMENT),
    _now(),
)

session = Table(
    "session",
    metadata,
    # SHA-256 of the cookie's random value: a dump of this table opens no session.
    Column("key", LargeBinary, primary_key=True),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("csrf", LargeBinary, nullable=False),
    Column("seen_at", MOMENT, nullable=False),
    Column("expires_at", MOMENT, nullable=False, index=True),
    _now(),
)

periodic_job = Table(
    "periodic_job",
    metadata,
    Column("name", String(40), primary_key=True),
    # Claimed by moving next_at forward in one UPDATE: any number of tickers may look.
    Column("next_at", MOMENT, nullable=False),
    Column("started_at", MOMENT),
    Column("finished_at", MOMENT),
    Column("outcome", Text),
)

lane_minute = Table(
    "lane_minute",
    metadata,
    # What a lane did, minute by minute: the monitor draws an hour without counting the ledger anew at each look.
    Column("lane", lane_name, primary_key=True),
    Column("minute", MOMENT, primary_key=True),
    Column("accepted", Integer, nullable=False),
)

tally = Table(
    "tally",
    metadata,
    # A lane or a blast with so many rows that counting them takes long: counted by a job and read from here.
    Column("subject", String(40), primary_key=True),
    Column("at", MOMENT, nullable=False),
    Column("counts", JSONB, nullable=False),
)

alert = Table(
    "alert",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("cause", String(20), nullable=False),
    Column("lane", lane_name, nullable=False),
    Column("began_at", MOMENT, nullable=False),
    # When admins were last told; claimed by moving it forward in one UPDATE, so that two workers do not both tell.
    Column("told_at", MOMENT, nullable=False),
    Column("ended_at", MOMENT),
    Column("reason", Text, nullable=False, server_default=""),
    # The blast that paused by itself, if it is about one.
    Column("blast_id", ForeignKey("blast.id", ondelete="CASCADE")),
    UniqueConstraint("cause", "lane", "blast_id", postgresql_nulls_not_distinct=True),
)
