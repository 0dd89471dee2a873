"""Packs of signatures for a hand-over, and their encrypted pieces."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from campaign.database.tables.ground import MOMENT, metadata

pack = Table(
    "pack",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("petition_id", ForeignKey("petition.id", ondelete="CASCADE"), nullable=False),
    Column("account_id", ForeignKey("account.id", ondelete="SET NULL"), index=True),
    Column("locale", String(2), nullable=False),
    Column("reason", Text, nullable=False),
    # Of the form: sent twice, it asks once.
    Column("request_key", String(64), nullable=False),
    Column("state", String(8), nullable=False, server_default="waiting"),
    Column("asked_at", MOMENT, nullable=False),
    Column("not_before", MOMENT, nullable=False),
    Column("begun_at", MOMENT),
    Column("ready_at", MOMENT),
    Column("expires_at", MOMENT),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("total", Integer, nullable=False, server_default="0"),
    Column("count", Integer),
    Column("size", BigInteger),
    Column("fingerprint", String(64)),
    Column("pieces", Integer, nullable=False, server_default="0"),
    Column("problem", String(20)),
    CheckConstraint("state in ('waiting', 'making', 'ready', 'failed')", name="state"),
    UniqueConstraint("petition_id", "request_key"),
    # One at a time for each petition.
    Index(
        "uq_pack_in_work", "petition_id", unique=True, postgresql_where=text("state in ('waiting', 'making')")
    ),
)  # fmt: skip

pack_piece = Table(
    "pack_piece",
    metadata,
    Column("pack_id", ForeignKey("pack.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    # AES-256-GCM under the petition's key: with it the names are lost.
    Column("sealed", LargeBinary, nullable=False),
)
