"""SQL of replies: which wait, and what became of one."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import EventKind


@dataclass(frozen=True, slots=True)
class WaitingReply:
    """A reply that nothing was done about yet."""

    id: int
    provider: str
    event_id: str
    message_id: int | None
    sealed: bytes = field(repr=False)


_WAITING = "applied_at is null and kind = 'replied' and sealed is not null"


def waiting(tx: Transaction, *, limit: int) -> list[int]:
    """Replies in the order they came."""
    rows = tx.execute(text(f"select id from delivery_event where {_WAITING} order by id limit :limit"), limit=limit)
    return list(rows.scalars())


def take(tx: Transaction, event_id: int) -> WaitingReply | None:
    """One of them, locked; None if another worker has it, or had it."""
    row = tx.execute(
        text(f"""
        select id, provider, event_id, message_id, sealed from delivery_event
        where id = :id and {_WAITING} for update skip locked"""),
        id=event_id,
    ).one_or_none()
    return None if row is None else WaitingReply(**row._asdict() | {"sealed": bytes(row.sealed)})


def settle(tx: Transaction, event_id: int, *, kind: EventKind, now: datetime) -> None:
    """Note that a reply was dealt with, and delete what it said."""
    tx.execute(
        text("update delivery_event set applied_at = :now, kind = :kind, sealed = null where id = :id"),
        id=event_id,
        kind=str(kind),
        now=now,
    )


def hold(tx: Transaction, event_id: int, *, now: datetime) -> None:
    """Put a reply into quarantine."""
    tx.execute(
        text("""
        update delivery_event set applied_at = :now, quarantined_at = :now, quarantine_reason = 'reply'
        where id = :id"""),
        id=event_id,
        now=now,
    )
