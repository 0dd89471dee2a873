"""Acts on many rows: what was asked for, how far it is, and which rows it changed."""

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, String, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from campaign.database.tables.ground import MOMENT, bulk_act_state, created_at, metadata

bulk_act = Table(
    "bulk_act",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("state", bulk_act_state, nullable=False, server_default="waiting"),
    Column("petition_id", ForeignKey("petition.id")),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    # Ids, a filter, or the act that is undone. Codes and numbers only, never a name or an address.
    Column("scope", JSONB, nullable=False),
    # Rows with a greater id, or changed later than this moment, are not meant.
    Column("upper_id", BigInteger, nullable=False),
    Column("as_of", MOMENT, nullable=False),
    # The last row that was looked at: a worker begins behind it.
    Column("cursor_id", BigInteger, nullable=False, server_default="0"),
    Column("expected", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False, server_default="0"),
    # How many rows were left as they are, by reason.
    Column("skipped", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("reason", Text, nullable=False),
    # A form carries it from its first showing: pressing twice is one act.
    Column("request_key", String(64), nullable=False, unique=True),
    created_at(),
    Column("started_at", MOMENT),
    # When a worker last took it: the one that waited longest is next.
    Column("worked_at", MOMENT),
    Column("ended_at", MOMENT),
    Column("ended_by", ForeignKey("account.id")),
    # The workers' list: empty but for the acts that are not ended.
    Index("ix_bulk_act_open", "worked_at", "id", postgresql_where=text("state in ('waiting', 'running')")),
    Index("ix_bulk_act_petition", "petition_id", "id"),
    # Acts that can still be undone.
    Index("ix_bulk_act_ended", "ended_at", postgresql_where=text("ended_at is not null")),
)


bulk_act_row = Table(
    "bulk_act_row",
    metadata,
    # Which rows an act changed, and when, as long as it can be undone. No foreign key: the row may be of any table.
    Column("act_id", ForeignKey("bulk_act.id", ondelete="CASCADE"), primary_key=True),
    Column("row_id", BigInteger, primary_key=True),
    Column("at", MOMENT, nullable=False),
)
