"""Update blasts."""

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
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from campaign.database.tables.ground import MOMENT, created_at, metadata

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
    created_at(),
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


# Texts of which no mail could be made: none is tried again for each recipient.
text_failure = Table(
    "text_failure",
    metadata,
    Column("blast_id", ForeignKey("blast.id", ondelete="CASCADE"), primary_key=True),
    Column("locale", String(2), primary_key=True),
    Column("version", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("failed_at", MOMENT, nullable=False),
)
