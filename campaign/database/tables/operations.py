"""The installation, its periodic jobs and what the monitor reads."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from campaign.database.tables.ground import MOMENT, created_at, lane_name, metadata

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
    # When this database came to know retention keys; a release before it, which may still run then, does not.
    Column("retention_keys_since", MOMENT, nullable=False, server_default=func.now()),
    # The rule of what one mailbox is under which blind indexes are made, and the pass that made old ones anew for it.
    Column("keyed_rule", String(10)),
    Column("keyed_done", BigInteger),
    Column("keyed_end", BigInteger),
    created_at(),
    CheckConstraint("id = 1", name="single_row"),
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
    # Since when it was sent to the workers and none has begun it; null once one has.
    Column("waiting_since", MOMENT),
    # Since when each of its runs has failed, and the last error in words; null after a run that ended well.
    Column("failing_since", MOMENT),
    Column("error", Text),
)


write_check = Table(
    "write_check",
    metadata,
    # When a process last wrote: a database that only answers questions is not one that works.
    Column("host", String(253), primary_key=True),
    Column("pid", Integer, primary_key=True, autoincrement=False),
    Column("checked_at", MOMENT, nullable=False),
)


relay = Table(
    "relay",
    metadata,
    # What a mail server offered at its last session. Its name is host:port, so that another setting is another row.
    Column("name", String(300), primary_key=True),
    Column("smtputf8", Boolean, nullable=False),
    Column("seen_at", MOMENT, nullable=False),
)


relay_limit = Table(
    "relay_limit",
    metadata,
    # What a relay limits, as its replies taught us: messages in a session, connections, mails a second.
    Column("relay", String(300), primary_key=True),
    Column("kind", String(12), primary_key=True),
    Column("value", Double, nullable=False),
    # Seconds, from the last sign, for which nothing is sent.
    Column("pause", Double, nullable=False, server_default="0"),
    Column("words", Text, nullable=False),
    Column("since", MOMENT, nullable=False),
    Column("at", MOMENT, nullable=False),
)


relay_connection = Table(
    "relay_connection",
    metadata,
    # How many connections each sending process has open to a relay.
    Column("relay", String(300), primary_key=True),
    Column("holder", BigInteger, primary_key=True, autoincrement=False),
    Column("lane", lane_name, nullable=False),
    Column("open", SmallInteger, nullable=False),
    Column("seen_at", MOMENT, nullable=False),
    # When urgent mail last asked for a connection in vain.
    Column("wanted_at", MOMENT),
)


lane_minute = Table(
    "lane_minute",
    metadata,
    # What a lane did, minute by minute: the monitor draws an hour without counting the ledger anew at each look.
    Column("lane", lane_name, primary_key=True),
    Column("minute", MOMENT, primary_key=True),
    Column("accepted", Integer, nullable=False),
)


counter = Table(
    "counter",
    metadata,
    # What /metrics counts, over all processes and restarts (database/counters.py): words of ours and numbers only.
    Column("name", String(60), primary_key=True),
    # The values of the labels, with tabs between them.
    Column("labels", String(200), primary_key=True),
    # One sum is spread over some rows, so that transactions do not wait for each other.
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("value", Double, nullable=False),
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
    # When the service of COUNTERSIGN_ALERT_URL last heard of it.
    Column("hook_told_at", MOMENT),
    Column("reason", Text, nullable=False, server_default=""),
    # The blast that paused by itself, if it is about one.
    Column("blast_id", ForeignKey("blast.id", ondelete="CASCADE")),
    UniqueConstraint("cause", "lane", "blast_id", postgresql_nulls_not_distinct=True),
)
