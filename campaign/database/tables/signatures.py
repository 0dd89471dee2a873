"""Signatures, the requests before them, and their count."""

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
    Sequence,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import REAL

from campaign.database.tables.ground import (
    MOMENT,
    SIGNATURE_BLOCK,
    metadata,
    request_kind,
    request_state,
    signature_state,
)

signature_ids = Sequence("signature_id_blocks", increment=SIGNATURE_BLOCK, start=1, metadata=metadata)


signature = Table(
    "signature",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("petition_id", ForeignKey("petition.id"), nullable=False),
    # Null once erased: what was agreed to then lies in consent_proof, without a tie to the signature.
    Column("text_version_id", ForeignKey("text_version.id")),
    Column("consent_id", ForeignKey("consent_text.id")),
    Column("updates_consent_id", ForeignKey("consent_text.id")),
    Column("state", signature_state, nullable=False),
    # Empty once erased.
    Column("locale", String(2), nullable=False),
    Column("country", String(2), nullable=False),
    Column("show_name", Boolean, nullable=False),
    # When an organiser hid the name; null if none did, or the signer has chosen since. Only then it may be shown again.
    Column("hidden_at", MOMENT),
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
    # The confirmed signature that a sign-up became part of instead of counting itself.
    Column("replaced_by", BigInteger),
    # The sign-up whose form a confirmed signature shows, if it is not its own.
    Column("form_id", BigInteger),
    # Keyed hashes of the mailbox and the person of an erased signature that counts; a later sign-up takes its place.
    Column("mailbox_mark", LargeBinary),
    Column("person_mark", LargeBinary),
    # The signer wants name, address and reason removed once the thank-you is settled; the blind indexes stay.
    Column("forget", Boolean, nullable=False, server_default="false"),
    Column("forgotten_at", MOMENT),
    # The company that serves the mailbox, if many share it (accounts/mail_providers.py); erased like the country.
    Column("mail_provider", String(12)),
    CheckConstraint("mailbox_slot in (1, 2)", name="two_per_mailbox"),
    CheckConstraint("(state = 'confirmed') <= (confirmed_at is not null)", name="confirmed_has_time"),
    # The same person once on a petition; each sign-up is a pending row of its own until one is confirmed.
    Index(
        "uq_signature_confirmed_person",
        "petition_id",
        "person_index",
        unique=True,
        postgresql_where=text("state = 'confirmed' and person_index is not null"),
    ),
    Index(
        "ix_signature_person",
        "petition_id",
        "person_index",
        "id",
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
    Index(
        "ix_signature_mailbox",
        "petition_id",
        "address_index",
        "id",
        postgresql_where=text("address_index is not null"),
    ),
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
    # Who unsubscribed after an update.
    Index(
        "ix_signature_unsubscribed",
        "petition_id",
        "updates_changed_at",
        postgresql_where=text("not wants_updates and updates_changed_at is not null"),
    ),
    # Rows lie in the order of their time: a few pages of this find the sign-ups of a day.
    Index("ix_signature_requested", "requested_at", postgresql_using="brin"),
    # Audiences and signature lists walk a petition by id.
    Index("ix_signature_petition", "petition_id", "id"),
    # The list of organisers by state and country, page by page, and its counts.
    Index("ix_signature_listed", "petition_id", "country", "state", "id"),
    Index("ix_signature_pending", "requested_at", postgresql_where=text("state = 'pending'")),
    Index("ix_signature_confirmed", "petition_id", "confirmed_at", postgresql_where=text("confirmed_at is not null")),
    Index("ix_signature_mark", "petition_id", "mailbox_mark", postgresql_where=text("mailbox_mark is not null")),
    Index("ix_signature_replaced", "replaced_by", postgresql_where=text("replaced_by is not null")),
    Index(
        "ix_signature_to_forget",
        "id",
        postgresql_where=text("forget and state <> 'pending' and address is not null"),
    ),
    # Erased by a release that left the country, the language and exact times: empty soon after the upgrade.
    Index(
        "ix_signature_half_erased",
        "id",
        postgresql_where=text("erased_at is not null and replaced_by is null and country <> ''"),
    ),
)


consent_proof = Table(
    "consent_proof",
    metadata,
    # How many erased signers agreed to a wording on a day, and how they confirmed it; nothing says who.
    Column("petition_id", ForeignKey("petition.id"), primary_key=True),
    Column("text_version_id", ForeignKey("text_version.id"), primary_key=True),
    Column("consent_id", ForeignKey("consent_text.id"), primary_key=True),
    Column("method", String(6), primary_key=True),
    Column("agreed_on", Date, primary_key=True),
    Column("number", Integer, nullable=False),
)


address_change = Table(
    "address_change",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    # No foreign key: rows of erased signatures are deleted with what they hold.
    Column("signature_id", BigInteger, nullable=False, index=True),
    Column("nonce", LargeBinary, nullable=False),
    # AES-256-GCM under the key of the petition: the new address, and the one before, once it is changed.
    Column("address", LargeBinary, nullable=False),
    Column("old_address", LargeBinary),
    Column("asked_at", MOMENT, nullable=False, index=True),
    Column("confirmed_at", MOMENT),
    Column("undone_at", MOMENT),
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
    # Keyed hash of the mailbox for the allowance; label of the network, kept only for requests that wait for it.
    Column("mailbox", LargeBinary, nullable=False),
    Column("network", LargeBinary),
    Column("requested_at", MOMENT, nullable=False),
    # When it may be decided: at once, or at the minute that its network was promised; and its number in the line there.
    Column("due_at", MOMENT, nullable=False, server_default=func.now()),
    Column("ticket", Integer),
    Column("decided_at", MOMENT),
    Column("reason", Text),
    # The pending signature that an admitted sign-up led to.
    Column("signature_id", BigInteger),
    CheckConstraint("(state = 'asked') = (decided_at is null)", name="decided_has_time"),
    # The admitting worker's list: empty but for the last moments, and for what waits for a place of its network.
    Index("ix_sign_up_request_due", "due_at", "id", postgresql_where=text("state = 'asked'")),
    Index(
        "ix_sign_up_request_line",
        "network",
        "ticket",
        postgresql_where=text("state = 'asked' and ticket is not null"),
    ),
    # Decided requests are deleted after a day, or with the signature of their mailbox.
    Index("ix_sign_up_request_decided", "decided_at", postgresql_where=text("state <> 'asked'")),
    Index(
        "ix_sign_up_request_mailbox",
        "petition_id",
        "address_index",
        postgresql_where=text("state <> 'asked' and address_index is not null"),
    ),
)


code_guess = Table(
    "code_guess",
    metadata,
    # Wrong codes under a keyed hash: of the page of a sign-up, or of a mailbox, whether or not it has signed.
    Column("key", LargeBinary, primary_key=True),
    Column("tries", SmallInteger, nullable=False),
    Column("expires_at", MOMENT, nullable=False, index=True),
)


code_try = Table(
    "code_try",
    metadata,
    # Used by releases before the table code_guess; a later migration drops it.
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


confirmation_funnel = Table(
    "confirmation_funnel",
    metadata,
    # Day of the sign-up (UTC); petition 0 is all of them. Numbers only: they stay when signatures are erased.
    Column("day", Date, primary_key=True),
    Column("petition_id", Integer, primary_key=True),
    Column("mail_provider", String(12), primary_key=True),
    Column("asked", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("opened", Integer),
    Column("confirmed", Integer, nullable=False),
    Column("median_minutes", REAL),
)
