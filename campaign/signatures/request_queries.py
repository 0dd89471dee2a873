"""Requests that the web wrote down: insert one, read one by its address, take a batch, record the decisions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Row, text
from sqlalchemy.exc import DBAPIError

from campaign.database.connection import DuplicateError, Store, Transaction, array_of
from campaign.database.counters import SIGN_UPS
from campaign.states import REQUESTS, RequestKind, RequestState

T = TypeVar("T")

REF: Final = 16
"""Bytes of the random reference of a request."""

KEEP: Final = timedelta(days=1)
"""How long a decided request is kept for the page that shows it."""


class BatchFailedError(Exception):
    """Raised when the database refuses a batch for a reason that another try of the same statements may not mend."""


def transact(store: Store, work: Callable[[Transaction], T]) -> T:
    """Run a unit of work as :meth:`Store.transact` does, and name what the database refuses.

    Raises:
        BatchFailedError: a constraint, or the database, refuses a row; everything was rolled back.
        StoreUnavailableError: the database does not answer.
    """
    try:
        return store.transact(work)
    except (DuplicateError, DBAPIError) as error:
        raise BatchFailedError(type(error).__name__) from error


@dataclass(frozen=True)
class NewRequest:
    """A request to be; what was typed is sealed already."""

    ref: bytes = field(repr=False)
    kind: RequestKind
    petition_id: int | None
    sealed: bytes = field(repr=False)
    address_index: bytes | None = field(repr=False)
    person_index: bytes | None = field(repr=False)
    mailbox: bytes = field(repr=False)
    network: bytes | None = field(repr=False)
    """The label of the network, if the request waits for a place of it, or is for a sign-in link."""
    requested_at: datetime
    due_at: datetime
    ticket: int | None
    """Its number in the line of its network."""


@dataclass(frozen=True)
class Request(NewRequest):
    """A request as stored."""

    id: int
    state: RequestState
    reason: str | None
    signature_id: int | None
    """The pending signature that the request led to."""


_COLUMNS = """r.id, r.ref, r.kind, r.state, r.petition_id, r.sealed, r.address_index, r.person_index, r.mailbox,
    r.network, r.requested_at, r.due_at, r.ticket, r.reason, r.signature_id"""


def _request(row: Row[Any]) -> Request:
    return Request(**(row._asdict() | {"kind": RequestKind(row.kind), "state": RequestState(row.state)}))


def add(store: Store, new: NewRequest) -> None:
    """Store a request, together with others that arrive meanwhile, and wake the urgent lane after the commit.

    Raises:
        StoreUnavailableError: the database does not answer.
    """
    store.transact_in_group(add_many, new)


def add_many(tx: Transaction, requests: Sequence[NewRequest]) -> None:
    """Store requests, in one statement; one that is stored already is left as it is."""
    values = {name: [getattr(new, name) for new in requests] for name in _INSERTED}
    kinds = tx.execute(
        _INSERT, **{name: array_of(rows) if _INSERTED[name] == "bytea" else rows for name, rows in values.items()}
    ).scalars()
    if number := sum(kind == RequestKind.SIGNATURE for kind in kinds):
        tx.counts.count(SIGN_UPS, "requested", "", number=number)
    tx.nudge(REQUESTS)


_INSERTED: Final = {
    "ref": "bytea",
    "kind": "request_kind",
    "petition_id": "int",
    "sealed": "bytea",
    "address_index": "bytea",
    "person_index": "bytea",
    "mailbox": "bytea",
    "network": "bytea",
    "requested_at": "timestamptz",
    "due_at": "timestamptz",
    "ticket": "int",
}
"""The columns of a new request and their types."""

_INSERT: Final = text(f"""
    insert into sign_up_request ({", ".join(_INSERTED)})
    select * from unnest({", ".join(f"cast(:{name} as {type_}[])" for name, type_ in _INSERTED.items())})
    on conflict (ref) do nothing
    returning kind""")


def by_ref(tx: Transaction, ref: bytes) -> Request | None:
    """The request behind the address of a page; None once it is deleted."""
    row = tx.execute(text(f"select {_COLUMNS} from sign_up_request r where r.ref = :ref"), ref=ref).one_or_none()
    return None if row is None else _request(row)


def by_refs(tx: Transaction, refs: Sequence[bytes]) -> dict[bytes, Request]:
    """Requests by reference, those that are still there."""
    rows = tx.execute(
        text(f"select {_COLUMNS} from sign_up_request r where r.ref = any(cast(:refs as bytea[]))"),
        refs=array_of(refs),
    )
    return {bytes(row.ref): _request(row) for row in rows}


def is_waiting(tx: Transaction, *, now: datetime) -> bool:
    """True if a request is due and not decided yet."""
    return bool(
        tx.execute(
            text("select exists (select 1 from sign_up_request where state = 'asked' and due_at <= :now)"), now=now
        ).scalar_one()
    )


@dataclass(frozen=True)
class Waiting:
    """Requests that are not decided yet."""

    due: int
    oldest_at: datetime | None
    """Since when the first of them has been due."""
    held: int
    """Due later, for their networks have no place free."""
    last_at: datetime | None
    """When the last of these is due."""


def waiting(tx: Transaction, *, now: datetime) -> Waiting:
    """How many requests are not decided yet."""
    row = tx.execute(
        text("""
        select count(*) filter (where due_at <= :now) as due, min(due_at) filter (where due_at <= :now) as oldest_at,
            count(*) filter (where due_at > :now) as held, max(due_at) filter (where due_at > :now) as last_at
        from sign_up_request where state = 'asked'"""),
        now=now,
    ).one()
    return Waiting(**row._asdict())


def release(tx: Transaction, network: bytes, *, before: int, now: datetime) -> int:
    """Let the first of the line of a network be decided now; returns how many.

    Args:
        tx: the open transaction.
        network: its label.
        before: the number in the line that must still wait.
        now: the present moment.
    """
    released = tx.execute(
        text("""
        update sign_up_request set due_at = :now
        where state = 'asked' and network = :network and ticket is not null and ticket < :before and due_at > :now"""),
        network=network,
        before=before,
        now=now,
    ).rowcount
    if released:
        tx.nudge(REQUESTS)
    return released


def refs_of(tx: Transaction, signature_id: int) -> tuple[bytes, ...]:
    """The references of the sign-ups that led to a signature, those that are still there."""
    found = tx.execute(
        text("""
        select r.ref from signature s join sign_up_request r
            on r.petition_id = s.petition_id and r.address_index = s.address_index and r.state <> 'asked'
        where s.id = :id and s.address_index is not null and r.signature_id = s.id"""),
        id=signature_id,
    )
    return tuple(bytes(ref) for ref in found.scalars())


def take(tx: Transaction, *, limit: int, now: datetime, only: int | None = None) -> list[Request]:
    """Undecided requests in the order in which they are due, locked until the transaction ends.

    Args:
        tx: the open transaction.
        limit: how many at most.
        now: the present moment.
        only: the id of a single request; all of them if not given.
    """
    rows = tx.execute(
        text(f"""
        select {_COLUMNS} from sign_up_request r
        where r.state = 'asked' and r.due_at <= :now and (cast(:only as bigint) is null or r.id = :only)
        order by r.due_at, r.id limit :limit for update skip locked"""),
        limit=limit,
        now=now,
        only=only,
    )
    return [_request(row) for row in rows]


@dataclass(frozen=True)
class Decision:
    """What became of a request; a refused one has a reason, an admitted sign-up a signature."""

    id: int
    reason: str | None = None
    signature_id: int | None = None
    outcome: str = ""
    """What an admitted sign-up led to, in a word, for /metrics."""


def decide(tx: Transaction, decisions: Sequence[Decision], *, now: datetime) -> None:
    """Record decisions. The label of the network has served its purpose and is removed."""
    rows = tx.execute(
        text("""
        update sign_up_request r set decided_at = coalesce(r.decided_at, :now), reason = d.reason,
            network = null, ticket = null, signature_id = d.signature_id,
            state = cast(case when d.reason is null then 'admitted' else 'refused' end as request_state)
        from unnest(cast(:ids as bigint[]), cast(:reasons as text[]), cast(:signatures as bigint[]),
            cast(:outcomes as text[])) as d(id, reason, signature_id, outcome)
        where r.id = d.id and (r.state = 'asked' or r.signature_id is null)
        returning r.kind, r.reason, d.outcome"""),
        now=now,
        ids=[decision.id for decision in decisions],
        reasons=[decision.reason for decision in decisions],
        signatures=[decision.signature_id for decision in decisions],
        outcomes=[decision.outcome for decision in decisions],
    )
    for row in rows:
        if row.kind == RequestKind.SIGNATURE:
            words = ("admitted", row.outcome) if row.reason is None else ("refused", row.reason)
            tx.counts.count(SIGN_UPS, *words)


def delete_of(tx: Transaction, signature_ids: Sequence[int]) -> None:
    """Delete the decided requests of the mailboxes of signatures that are about to be erased."""
    tx.execute(
        text("""
        delete from sign_up_request r using signature s
        where s.id = any(:ids) and s.address_index is not null and r.state <> 'asked'
            and r.petition_id = s.petition_id and r.address_index = s.address_index"""),
        ids=list(signature_ids),
    )


def purge(tx: Transaction, *, now: datetime) -> int:
    """Delete requests that were decided longer ago than :data:`KEEP`; returns how many."""
    return tx.execute(
        text("delete from sign_up_request where state <> 'asked' and decided_at < :before"), before=now - KEEP
    ).rowcount
