"""Petitions and their texts."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY

from campaign.database.tables.ground import MOMENT, created_at, metadata, petition_state

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
    # Mail and pages opened from mail name neither the petition nor those behind it; no public names.
    Column("discreet", Boolean, nullable=False, server_default="false"),
    # Where replies of signers go: an address, sealed under the key of accounts.
    Column("reply_to", LargeBinary),
    # The cached public count, written by the counter alone.
    Column("count", Integer, nullable=False, server_default="0"),
    Column("counted_at", MOMENT),
    # The wrapped data key; destroying it erases every signer of the petition, backups included.
    Column("data_key_id", String(16)),
    Column("data_key", LargeBinary),
    Column("published_at", MOMENT),
    Column("closed_at", MOMENT),
    Column("erased_at", MOMENT),
    created_at(),
    CheckConstraint("fixed_goal > 0", name="goal_positive"),
)


membership = Table(
    "membership",
    metadata,
    Column("petition_id", ForeignKey("petition.id", ondelete="CASCADE"), primary_key=True),
    Column("account_id", ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("role", Enum("owner", "organiser", name="membership_role", metadata=metadata), nullable=False),
    created_at(),
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
    created_at(),
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
    created_at(),
)
