"""Accounts, their sign-in, and the audit log."""

from sqlalchemy import (
    BigInteger,
    Column,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from campaign.database.tables.ground import MOMENT, created_at, metadata

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
    created_at(),
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
    # What the next page says was done, once: its path, a name, and a number.
    Column("note", JSONB),
    created_at(),
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
    created_at(),
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


# Forms that were sent after their session had ended, for the account that typed them.
kept_form = Table(
    "kept_form",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("path", Text, nullable=False),
    # Sealed under the key of accounts.
    Column("fields", LargeBinary, nullable=False),
    Column("kept_at", MOMENT, nullable=False),
    Index("ix_kept_form_account", "account_id", "id"),
)
