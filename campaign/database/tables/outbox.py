"""Messages, their attempts, allowances and suppressions."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REAL

from campaign.database.tables.ground import (
    MOMENT,
    came_back,
    created_at,
    lane_name,
    message_kind,
    message_state,
    metadata,
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
    # The relay (host:port) that was in trouble last, and the SMTP phase.
    Column("last_relay", String(300)),
    Column("last_phase", String(12)),
    # Reputation blocks since the last acceptance, and keyed hashes of the receivers they came from.
    Column("refusals", SmallInteger, nullable=False, server_default="0"),
    Column("refused_by", ARRAY(LargeBinary), nullable=False, server_default="{}"),
    # When a receiver alone did, and was held; admins are told.
    Column("refused_at", MOMENT),
    Column("refused_answer", Text),
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
    # The data folder of the process, and why it can't be used at present; null while it can.
    Column("folder", Text),
    Column("folder_problem", String(20)),
    Column("folder_since", MOMENT),
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
    # What was heard of it after it was accepted: the strongest of its events.
    Column("came_back", came_back),
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
    # What came back of a blast, for its report.
    Index(
        "ix_message_came_back",
        "blast_id",
        "came_back",
        postgresql_where=text("came_back is not null and blast_id is not null"),
    ),
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
    # Keyed hash of a mailbox (all petitions), or of a network and day under an instance key.
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
    created_at(),
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


recent_refusal = Table(
    "recent_refusal",
    metadata,
    # Refused messages of the last day, by lane and words: the same words to several receivers are about us, and what
    # they led to is undone. Keys are keyed hashes.
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("lane", lane_name, nullable=False),
    Column("answer_key", LargeBinary, nullable=False),
    Column("receiver_key", LargeBinary, nullable=False),
    Column("address_key", LargeBinary, nullable=False),
    Column("at", MOMENT, nullable=False),
    # True once mail of the lane was accepted after it.
    Column("over", Boolean, nullable=False, server_default="false"),
    Index(None, "lane", "answer_key"),
)


bounce_strike = Table(
    "bounce_strike",
    metadata,
    # The same keyed hash as in suppression; rows live for 30 days.
    Column("address_key", LargeBinary, primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("day", Date, primary_key=True),
    # True if it was told after the message had been accepted: the next acceptance says nothing about the mailbox.
    Column("came_back", Boolean, nullable=False, server_default="false"),
)


delivery_event = Table(
    "delivery_event",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    # The door it came by ("returned" for mail), and the event's own id there: told twice, it is stored once.
    Column("provider", String(20), nullable=False),
    Column("event_id", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("message_id", ForeignKey("message.id", ondelete="SET NULL"), index=True),
    Column("happened_at", MOMENT, nullable=False),
    Column("received_at", MOMENT, nullable=False, server_default=func.now()),
    Column("applied_at", MOMENT),
    # Not to be applied earlier: the address of its message could not be opened.
    Column("not_before", MOMENT),
    # Words and codes without any address.
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    # Enhanced status code (RFC 3463), and what kind of bounce it is: a kind of soft bounce, "gone", "ours", "other".
    Column("status", String(12)),
    Column("cause", String(12)),
    # The company that serves the recipient's mailbox, if many share it.
    Column("mail_provider", String(12)),
    # As it arrived, encrypted, as long as an admin may have to look at it.
    Column("sealed", LargeBinary),
    Column("quarantined_at", MOMENT),
    # Why it could not be read; null again once it was dropped.
    Column("quarantine_reason", String(40)),
    UniqueConstraint("provider", "event_id"),
    Index("ix_delivery_event_open", "id", postgresql_where=text("applied_at is null")),
    Index(
        "ix_delivery_event_reply",
        "id",
        postgresql_where=text("applied_at is null and kind = 'replied' and sealed is not null"),
    ),
    Index("ix_delivery_event_kind", "kind", "received_at"),
    Index("ix_delivery_event_quarantine", "id", postgresql_where=text("quarantine_reason is not null")),
)


reply_mail = Table(
    "reply_mail",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    # Of the message that was replied to; its erasure deletes what waits here.
    Column("signature_id", BigInteger, nullable=False, index=True),
    # The message that carries it: once the mail server took that, the row goes.
    Column("mail_id", BigInteger),
    # What was written, or where the last email to an erased signer goes, under the petition's key.
    Column("sealed", LargeBinary, nullable=False),
    Column("received_at", MOMENT, nullable=False),
)
