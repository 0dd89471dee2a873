"""Messages as the monitor shows them one by one. Ids, states and reasons; no address and no name."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from campaign.database.connection import Transaction
from campaign.states import Lane, MessageKind, MessageState


@dataclass(frozen=True)
class StoredMessage:
    """One row of the ledger."""

    id: int
    kind: MessageKind
    lane: Lane
    state: MessageState
    planned_at: datetime
    due_at: datetime
    settled_at: datetime | None
    lease_until: datetime | None
    attempts: int
    losses: int
    phase: str | None
    reply_code: int | None
    enhanced: str | None
    reason: str | None
    signature_id: int | None
    account_id: int | None
    petition_id: int | None
    petition: str | None
    blast_id: int | None
    owner_id: int | None


_SELECT = """
    select m.id, m.kind, m.lane, m.state, m.planned_at, m.due_at, m.settled_at, m.lease_until, m.attempts, m.losses,
        m.phase, m.reply_code, m.enhanced, m.reason, m.signature_id, m.account_id, m.petition_id, p.slug as petition,
        m.blast_id, m.owner_id
    from message m left join petition p on p.id = m.petition_id"""


def _message(row: Row[Any]) -> StoredMessage:
    values = {
        "kind": MessageKind(row.kind),
        "lane": Lane(row.lane),
        "state": MessageState(row.state),
    }
    return StoredMessage(**(row._asdict() | values))


def by_id(tx: Transaction, message_id: int) -> StoredMessage | None:
    """One message."""
    row = tx.execute(text(f"{_SELECT} where m.id = :id"), id=message_id).one_or_none()
    return None if row is None else _message(row)


def by_ids(tx: Transaction, message_ids: Sequence[int]) -> list[StoredMessage]:
    """Messages in the order of their ids."""
    rows = tx.execute(text(f"{_SELECT} where m.id = any(:ids) order by m.id"), ids=list(message_ids))
    return [_message(row) for row in rows]


def planned(
    tx: Transaction, lane: Lane, *, after: tuple[datetime, int] | None, limit: int, now: datetime, later: bool
) -> list[StoredMessage]:
    """Planned messages of a lane in the order in which they go, by ix_message_due.

    Args:
        tx: the open transaction.
        lane: which lane.
        after: the due time and id of the last one seen.
        limit: how many.
        now: the present moment.
        later: those that are due later, instead of those that are due.
    """
    rows = tx.execute(
        text(f"""
        {_SELECT}
        where m.lane = :lane and m.state = 'planned' and m.due_at {">" if later else "<="} :now
            and (m.due_at, m.id) > (cast(:at as timestamptz), :id)
        order by m.due_at, m.id limit :limit"""),
        lane=str(lane),
        now=now,
        limit=limit,
        at=after[0] if after else "-infinity",
        id=after[1] if after else 0,
    )
    return [_message(row) for row in rows]


def ended(
    tx: Transaction, state: MessageState, *, before: tuple[datetime, int] | None, limit: int
) -> list[StoredMessage]:
    """Uncertain or rejected messages, the newest first, by ix_message_trouble."""
    rows = tx.execute(
        text(f"""
        {_SELECT}
        where m.state = {"'uncertain'" if state is MessageState.UNCERTAIN else "'rejected'"}
            and m.settled_at <= cast(:at as timestamptz)
            and (m.settled_at, m.id) < (cast(:at as timestamptz), :id)
        order by m.settled_at desc, m.id desc limit :limit"""),
        limit=limit,
        at=before[0] if before else "infinity",
        id=before[1] if before else 0,
    )
    return [_message(row) for row in rows]


@dataclass(frozen=True)
class Attempt:
    """One attempt that did not end in acceptance."""

    at: datetime
    result: str
    phase: str
    reply_code: int | None
    enhanced: str | None
    answer: str | None
    worker_id: int | None


def attempts(tx: Transaction, message_id: int) -> list[Attempt]:
    """What was tried for a message, the oldest first."""
    rows = tx.execute(
        text("""
        select at, result, phase, reply_code, enhanced, answer, worker_id from attempt
        where message_id = :id order by id limit 100"""),
        id=message_id,
    )
    return [Attempt(**row._asdict()) for row in rows]


@dataclass(frozen=True)
class Event:
    """What the provider, or a bounce, told of a message later."""

    happened_at: datetime
    provider: str
    kind: str
    applied_at: datetime | None
    status: str | None
    cause: str | None
    text: str


def events(tx: Transaction, message_id: int) -> list[Event]:
    """What was told of a message, the oldest first."""
    rows = tx.execute(
        text("""
        select happened_at, provider, kind, applied_at, status, cause, coalesce(detail ->> 'text', '') as text
        from delivery_event
        where message_id = :id order by happened_at, id limit 100"""),
        id=message_id,
    )
    return [Event(**row._asdict()) for row in rows]
