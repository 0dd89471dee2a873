"""Events: what came in at a door is stored once, whatever is repeated, and applied later by a task."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from campaign.database.connection import Transaction
from campaign.feedback import queries
from campaign.runtime import Runtime
from campaign.smtp.replies import scrubbed
from campaign.states import EventKind

log = logging.getLogger(__name__)

MAX_ID: Final = 200
"""Characters of an event's id at its door."""

KEPT_WHOLE: Final = 256 * 1024
"""What could not be read is kept whole up to so many octets, so that a later release can read it."""

BEGINNING: Final = 64 * 1024
"""Octets that are kept of what is larger, for a person to look at; and of a reply, whose text comes first."""

MAX_QUARANTINED: Final = 1000
"""So much waits for admins at most; what comes then is counted in the log and not kept. Half of it is for what is
proven to be about a message of ours: anyone can send the other kind."""

MAX_QUARANTINED_OCTETS: Final = 64 * 1024 * 1024
"""The same in octets of what is sealed."""

MAX_PER_MESSAGE: Final = 100
"""Events by mail that are kept of one message: its recipient knows its return address, and can send any number."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a provider, or a returned mail, tells of one message."""

    id: str
    """Unique at its door, and the same if it is told again."""
    kind: EventKind
    happened_at: datetime
    """As the door says; a moment in the future becomes the present."""
    message_id: int | None = None
    """Proven by a signature of ours; None if nothing proves which message it is about."""
    status: str | None = None
    """Enhanced status code (RFC 3463)."""
    code: int | None = None
    """SMTP reply code of the recipient's server."""
    text: str = field(default="", repr=False)
    """Its words; addresses are taken out before they are stored."""
    problem: str = ""
    """Why an admin has to look at it: a code of :data:`campaign.feedback.quarantine.PROBLEMS`."""
    raw: bytes = field(default=b"", repr=False)
    """As it arrived; kept, sealed, only with a problem, or until a reply is dealt with."""
    is_reply: bool = False
    """True if ``raw`` is a reply, for :mod:`campaign.feedback.replies`."""


def store(runtime: Runtime, provider: str, events: Sequence[Event], *, per_message: int | None = None) -> int:
    """Store what came in at a door; returns how many events were new.

    Events of messages that are not ours, or not in this database, change nothing and are not stored, but for those with
    a problem. A provider may be told that all is well once this returns.

    Args:
        runtime: the runtime.
        provider: the door, e.g. ``ses``; ``returned`` for mail.
        events: what it told; any number of them may be known already.
        per_message: of a message that has so many events already, no more are stored.

    Raises:
        StoreUnavailableError: nothing was stored; the provider should tell it again.
    """
    told = [event for event in events if event.message_id is not None or event.problem]
    if not told:
        return 0
    now = runtime.clock()
    rows = [_row(runtime, provider, event, now) for event in told]

    def work(tx: Transaction) -> int:
        kept = rows
        if per_message is not None:
            counts = queries.counts_of(tx, [row.message_id for row in rows if row.message_id is not None])
            kept = [row for row in rows if counts.get(row.message_id or 0, 0) < per_message]
        return queries.insert(tx, provider, _within_quarantine(tx, provider, kept), now=now)

    return runtime.store.transact(work)


def _within_quarantine(tx: Transaction, provider: str, rows: list[queries.NewEvent]) -> list[queries.NewEvent]:
    """The rows, except what an admin should see and finds the quarantine full."""
    if all(row.problem is None for row in rows):
        return rows
    kept, full = [], 0
    count, octets = queries.quarantined(tx), queries.quarantined_octets(tx)
    for row in rows:
        if row.problem is not None:
            share, size = (1 if row.message_id is not None else 2), len(row.sealed or b"")
            if count >= MAX_QUARANTINED // share or octets + size > MAX_QUARANTINED_OCTETS // share:
                full += 1
                continue
            count, octets = count + 1, octets + size
        kept.append(row)
    if full:
        log.warning("the quarantine is full: %d items of %s are not kept", full, provider)
    return kept


def _row(runtime: Runtime, provider: str, event: Event, now: datetime) -> queries.NewEvent:
    return queries.NewEvent(
        event_id=_id_of(event),
        kind=str(event.kind),
        message_id=event.message_id,
        happened_at=min(event.happened_at, now),
        status=event.status,
        code=event.code,
        text=scrubbed(event.text),
        sealed=_seal(runtime, provider, event) if event.problem or event.is_reply else None,
        problem=event.problem or None,
    )


def _id_of(event: Event) -> str:
    """The id of an event as it is stored: a hash of it if it is too long, or not to be written as text."""
    is_plain = event.id.isprintable() and len(event.id) <= MAX_ID
    return event.id if is_plain else hashlib.sha256(event.id.encode("utf-8", "surrogatepass")).hexdigest()


def _place(provider: str, event_id: str) -> str:
    return f"delivery_event.sealed.{provider}.{event_id}"


def _seal(runtime: Runtime, provider: str, event: Event) -> bytes:
    is_kept = len(event.raw) <= (BEGINNING if event.is_reply else KEPT_WHOLE)
    raw = event.raw if is_kept else event.raw[:BEGINNING]
    return runtime.secrets.feedback.seal(raw.decode("latin-1"), place=_place(provider, _id_of(event)))


def is_beginning(raw: bytes) -> bool:
    """True if what was kept of an item is only its beginning, which may not be read as if it were the whole."""
    return len(raw) == BEGINNING


def unsealed(runtime: Runtime, provider: str, event_id: str, sealed: bytes) -> bytes:
    """What :func:`store` sealed, as it arrived.

    Raises:
        DecryptionError: it was altered, or belongs to another installation.
    """
    return runtime.secrets.feedback.open(sealed, place=_place(provider, event_id)).encode("latin-1")
