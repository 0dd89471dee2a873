"""SQL of events: store once, hand out to be applied, and what people look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from campaign.database.connection import Transaction, array_of
from campaign.outbox import counted
from campaign.outbox.counted import MessageOutcome
from campaign.states import LOST_KINDS, CameBack, EventKind, MessageState


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event about to be stored, without any address in clear."""

    event_id: str
    kind: str
    message_id: int | None
    happened_at: datetime
    status: str | None
    code: int | None
    text: str
    sealed: bytes | None = field(repr=False)
    problem: str | None


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """An event that was not applied yet, with its message as it is now."""

    id: int
    kind: EventKind
    message_id: int
    happened_at: datetime
    received_at: datetime
    status: str | None
    code: int | None
    text: str
    state: MessageState
    blast_id: int | None


def insert(tx: Transaction, provider: str, events: Sequence[NewEvent], *, now: datetime) -> int:
    """Store events that are not known yet; returns how many. Those of messages that do not exist are left out."""
    if not events:
        return 0
    return tx.execute(
        text("""
        insert into delivery_event (provider, event_id, kind, message_id, happened_at, received_at, status, detail,
            sealed, quarantined_at, quarantine_reason, applied_at)
        select :provider, o.event_id, o.kind, m.id, o.happened_at, :now, o.status,
            jsonb_strip_nulls(jsonb_build_object('code', o.code, 'text', nullif(o.words, ''))), o.sealed,
            case when o.problem is not null then cast(:now as timestamptz) end, o.problem,
            case when o.problem is not null then cast(:now as timestamptz) end
        from unnest(cast(:ids as text[]), cast(:kinds as text[]), cast(:messages as bigint[]),
            cast(:moments as timestamptz[]), cast(:statuses as text[]), cast(:codes as int[]), cast(:words as text[]),
            cast(:sealed as bytea[]), cast(:problems as text[]))
            as o(event_id, kind, message_id, happened_at, status, code, words, sealed, problem)
        left join message m on m.id = o.message_id
        where m.id is not null or o.problem is not null
        on conflict (provider, event_id) do nothing"""),
        provider=provider,
        ids=[event.event_id for event in events],
        kinds=[event.kind for event in events],
        messages=[event.message_id for event in events],
        moments=[event.happened_at for event in events],
        statuses=[event.status for event in events],
        codes=[event.code for event in events],
        words=[event.text for event in events],
        sealed=array_of(event.sealed for event in events),
        problems=[event.problem for event in events],
        now=now,
    ).rowcount


def take_open(tx: Transaction, *, now: datetime, limit: int) -> list[OpenEvent]:
    """Events to apply, in the order they came.

    Left out are replies, events that another worker is applying, and those that are to be tried again later.
    """
    rows = tx.execute(
        text("""
        with taken as (
            select id from delivery_event
            where applied_at is null and (kind <> 'replied' or sealed is null)
                and (not_before is null or not_before <= :now)
            order by id limit :limit for update skip locked)
        select e.id, e.kind, e.message_id, e.happened_at, e.received_at, e.status, e.detail, m.state, m.blast_id
        from taken join delivery_event e on e.id = taken.id join message m on m.id = e.message_id
        order by e.id"""),
        now=now,
        limit=limit,
    )
    return [
        OpenEvent(
            row.id,
            EventKind(row.kind),
            row.message_id,
            row.happened_at,
            row.received_at,
            row.status,
            row.detail.get("code"),
            row.detail.get("text", ""),
            MessageState(row.state),
            row.blast_id,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Applied:
    """What was learned as an event was applied."""

    cause: str | None
    """What kind of bounce it is, if it is one."""
    mail_provider: str | None
    """Of the recipient: one of :data:`campaign.accounts.mail_providers.PROVIDERS`; None if the address is erased."""


def applied(tx: Transaction, events: Mapping[int, Applied], *, now: datetime) -> None:
    """Note that events were applied."""
    tx.execute(
        text("""
        update delivery_event e set applied_at = :now, cause = o.cause, mail_provider = o.mail_provider
        from unnest(cast(:ids as bigint[]), cast(:causes as text[]), cast(:providers as text[]))
            as o(id, cause, mail_provider)
        where e.id = o.id"""),
        ids=list(events),
        causes=[event.cause for event in events.values()],
        providers=[event.mail_provider for event in events.values()],
        now=now,
    )


def postpone(tx: Transaction, event_ids: Sequence[int], *, until: datetime) -> None:
    """Leave events open, to be applied at a later moment."""
    tx.execute(
        text("update delivery_event set not_before = :until where id = any(:ids)"), ids=list(event_ids), until=until
    )


def raise_came_back(tx: Transaction, known: Mapping[int, CameBack]) -> int:
    """Record what is known of messages since they were accepted; what is known already and stronger stays."""
    rows = tx.execute(
        text("""
        update message m set came_back = o.came_back
        from unnest(cast(:ids as bigint[]), cast(:known as came_back[])) as o(id, came_back)
        where m.id = o.id and (m.came_back is null or m.came_back < o.came_back)
        returning m.kind, m.lane,
            case when m.came_back in ('bounced', 'complained') then cast(m.came_back as text) end as outcome"""),
        ids=list(known),
        known=[str(one) for one in known.values()],
    )
    return counted.count_rows(tx, rows)


def settle_uncertain(tx: Transaction, message_ids: Sequence[int], *, now: datetime) -> int:
    """Take uncertain messages as accepted: something that came back proves that the server had them (F14)."""
    rows = tx.execute(
        text("""
        update message set state = 'accepted', owner_id = null, reason = 'evidence', settled_at = :now
        where id = any(:ids) and state = 'uncertain'
        returning kind, lane"""),
        ids=list(message_ids),
        now=now,
    )
    return counted.count_rows(tx, rows, MessageOutcome.ACCEPTED)


def uncertain_with_evidence(tx: Transaction, *, limit: int) -> list[int]:
    """Messages that became uncertain after what proves them accepted had been told."""
    rows = tx.execute(
        text("""
        select m.id from message m
        where m.state = 'uncertain' and m.came_back is not null order by m.settled_at limit :limit"""),
        limit=limit,
    )
    return list(rows.scalars())


def moved_since(tx: Transaction, message_ids: Sequence[int]) -> set[int]:
    """Those of the messages whose signature got another address after they were planned."""
    rows = tx.execute(
        text("""
        select distinct m.id from message m join address_change c on c.signature_id = m.signature_id
        where m.id = any(:ids) and greatest(c.confirmed_at, c.undone_at) > m.planned_at"""),
        ids=list(message_ids),
    )
    return set(rows.scalars())


def counts_of(tx: Transaction, message_ids: Sequence[int]) -> dict[int, int]:
    """How many events there are of each of the messages."""
    if not message_ids:
        return {}
    rows = tx.execute(
        text("select message_id, count(*) as n from delivery_event where message_id = any(:ids) group by message_id"),
        ids=list(set(message_ids)),
    )
    return {row.message_id: row.n for row in rows}


def quarantined(tx: Transaction) -> int:
    """How much is in quarantine."""
    return int(tx.execute(text("select count(*) from delivery_event where quarantine_reason is not null")).scalar_one())


def quarantined_octets(tx: Transaction) -> int:
    """How many octets are sealed in quarantine."""
    return int(
        tx.execute(
            text(
                "select coalesce(sum(octet_length(sealed)), 0) from delivery_event where quarantine_reason is not null"
            )
        ).scalar_one()
    )


def numbers(tx: Transaction, *, since: datetime) -> dict[EventKind, int]:
    """How many events of each kind came since a moment."""
    rows = tx.execute(
        text("select kind, count(*) as n from delivery_event where received_at >= :since group by kind"), since=since
    )
    return {EventKind(row.kind): row.n for row in rows}


def problems(tx: Transaction) -> dict[str, int]:
    """How much waits in quarantine for each reason, the most frequent first."""
    rows = tx.execute(
        text("""
        select quarantine_reason as problem, count(*) as n from delivery_event
        where quarantine_reason is not null group by 1 order by 2 desc, 1""")
    )
    return {row.problem: row.n for row in rows}


def with_problem(tx: Transaction, problem: str, *, after: int, upto: int, limit: int) -> list[int]:
    """What waits in quarantine with one problem, by id: beyond ``after``, ``upto`` at most."""
    rows = tx.execute(
        text("""
        select id from delivery_event where quarantine_reason = :problem and id > :after and id <= :upto
        order by id limit :limit"""),
        problem=problem,
        after=after,
        upto=upto,
        limit=limit,
    )
    return list(rows.scalars())


def count_quarantined(tx: Transaction, event_ids: Sequence[int]) -> int:
    """How many of some items are in quarantine."""
    found = text("select count(*) from delivery_event where id = any(:ids) and quarantine_reason is not null")
    return int(tx.execute(found, ids=list(event_ids)).scalar_one())


def count_problem(tx: Transaction, problem: str, *, upto: int) -> int:
    """How much waits in quarantine with one problem."""
    rows = tx.execute(
        text("select count(*) from delivery_event where quarantine_reason = :problem and id <= :upto"),
        problem=problem,
        upto=upto,
    )
    return int(rows.scalar_one())


def newest_id(tx: Transaction) -> int:
    """The largest id of an event; 0 if there is none."""
    return int(tx.execute(text("select coalesce(max(id), 0) from delivery_event")).scalar_one())


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as people look at it."""

    id: int
    provider: str
    event_id: str
    kind: EventKind
    message_id: int | None
    happened_at: datetime
    received_at: datetime
    applied_at: datetime | None
    status: str | None
    cause: str | None
    code: int | None
    text: str
    problem: str | None
    sealed: bytes | None = field(repr=False)


_SELECT = """
    select id, provider, event_id, kind, message_id, happened_at, received_at, applied_at, status, cause,
        cast(detail ->> 'code' as int) as code, coalesce(detail ->> 'text', '') as text, quarantine_reason as problem,
        sealed
    from delivery_event"""


def _stored(row: Row[Any]) -> StoredEvent:
    values = row._asdict()
    sealed = values["sealed"]
    return StoredEvent(**values | {"kind": EventKind(values["kind"]), "sealed": sealed and bytes(sealed)})


def newest(tx: Transaction, *, kind: EventKind | None, before: int | None, limit: int) -> list[StoredEvent]:
    """Events, the newest first; older than the one with the id ``before``."""
    rows = tx.execute(
        text(f"{_SELECT} where id < :before {'and kind = :kind' if kind else ''} order by id desc limit :limit"),
        before=before if before is not None else 2**63 - 1,
        limit=limit,
        **({"kind": str(kind)} if kind else {}),
    )
    return [_stored(row) for row in rows]


def in_quarantine(tx: Transaction, *, before: int | None, limit: int) -> list[StoredEvent]:
    """What waits in quarantine, the newest first."""
    rows = tx.execute(
        text(f"{_SELECT} where quarantine_reason is not null and id < :before order by id desc limit :limit"),
        before=before if before is not None else 2**63 - 1,
        limit=limit,
    )
    return [_stored(row) for row in rows]


def quarantined_one(tx: Transaction, event_id: int, *, lock: bool = False) -> StoredEvent | None:
    """One item of the quarantine; None if it is not there, or was dropped."""
    row = tx.execute(
        text(f"{_SELECT} where id = :id and quarantine_reason is not null {'for update' if lock else ''}"), id=event_id
    ).one_or_none()
    return None if row is None else _stored(row)


def drop(tx: Transaction, event_ids: Sequence[int]) -> list[int]:
    """Take items out of quarantine and delete what was kept of them; that they came stays on record.

    Returns:
        Those that were in quarantine.
    """
    rows = tx.execute(
        text("""
        update delivery_event set quarantine_reason = null, sealed = null
        where id = any(:ids) and quarantine_reason is not null returning id"""),
        ids=list(event_ids),
    )
    return list(rows.scalars())


def purge(tx: Transaction, *, before: datetime, quarantined_before: datetime) -> int:
    """Delete events of the past: what they meant is on their messages and in the suppressions, with the evidence.

    Evidence for a suppression stays.
    """
    drop_old = text("""
        update delivery_event set quarantine_reason = null, sealed = null
        where quarantine_reason is not null and quarantined_at < :before""")
    tx.execute(drop_old, before=quarantined_before)
    return tx.execute(
        text("""
        delete from delivery_event
        where kind = any(cast(:kinds as text[])) and received_at < :before and applied_at is not null
            and quarantine_reason is null"""),
        kinds=[str(kind) for kind in EventKind if kind not in KEPT],
        before=before,
    ).rowcount


KEPT = LOST_KINDS | {EventKind.UNSUBSCRIBED}
"""Events that are evidence for what was done to an address, or reasons in the report of an update: not purged."""
