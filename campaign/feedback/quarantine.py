"""What came back as admins look at it: events, and the quarantine of what could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from campaign.accounts import audit
from campaign.accounts.accounts import Account
from campaign.database import jobs as database_jobs
from campaign.database.connection import Transaction
from campaign.errors import NotFoundError
from campaign.feedback import queries, returned
from campaign.feedback.events import Event, is_beginning, store, unsealed
from campaign.feedback.hooks import HOOKS
from campaign.feedback.queries import StoredEvent
from campaign.mail.verp import Names
from campaign.runtime import Runtime
from campaign.states import EventKind

PAGE: Final = 50

REMEMBERED: Final = timedelta(days=30)
"""How long events are kept that are no evidence for a suppression; told again later, they change nothing."""

QUARANTINED: Final = timedelta(days=30)
"""How long something waits in quarantine."""

LATELY: Final = timedelta(hours=24)

READER: Final = "feedback.read_mailbox"
"""The job that fetches returned mail."""

PROBLEMS: Final = ("too_large", "headers", "parts", "unreadable", "unsigned", "reply")
"""Why something waits: it is beyond a limit of size, headers or parts; it has no known format; it is not to a return
address of ours; or a reader wrote back."""

SHOWN: Final = 20_000
"""Characters of an item that a page shows."""


@dataclass(frozen=True)
class Overview:
    """What came back lately, and a page of the newest events."""

    lately: Mapping[EventKind, int]
    """Number of events in :data:`LATELY`."""
    waiting: int
    """Items in quarantine."""
    mailbox: str
    """The last words of the job that reads the return mailbox; empty if there is none to read."""
    events: tuple[StoredEvent, ...]
    following: int | None
    """``before`` of the next page; None on the last."""


@dataclass(frozen=True)
class Quarantine:
    """A page of what waits for an admin, the newest first."""

    shown: tuple[StoredEvent, ...]
    following: int | None
    problems: Mapping[str, int]
    """How many items wait for each reason."""


@dataclass(frozen=True)
class Item:
    """One item, opened for the length of a page."""

    event: StoredEvent
    text: str = field(repr=False)
    is_cut: bool
    is_beginning: bool
    """True if no more than its beginning was kept, so that it can't be read again."""


def overview(runtime: Runtime, *, kind: EventKind | None = None, before: int | None = None) -> Overview:
    """The newest events, of one kind or of all, and what came back lately."""
    now = runtime.clock()

    def work(tx: Transaction) -> Overview:
        found = queries.newest(tx, kind=kind, before=before, limit=PAGE + 1)
        shown = tuple(found[:PAGE])
        [job] = database_jobs.jobs(tx, [READER]) or [None]
        return Overview(
            lately=queries.numbers(tx, since=now - LATELY),
            waiting=queries.quarantined(tx),
            mailbox=(job.outcome or "") if job is not None and runtime.settings.return_mailbox_url else "",
            events=shown,
            following=shown[-1].id if len(found) > PAGE else None,
        )

    return runtime.store.transact(work)


def waiting(runtime: Runtime, *, before: int | None = None) -> Quarantine:
    """What waits for an admin."""

    def work(tx: Transaction) -> Quarantine:
        found = queries.in_quarantine(tx, before=before, limit=PAGE + 1)
        shown = tuple(found[:PAGE])
        return Quarantine(shown, shown[-1].id if len(found) > PAGE else None, queries.problems(tx))

    return runtime.store.transact(work)


def look(runtime: Runtime, event_id: int, *, by: Account) -> Item:
    """Open one item. It holds what others wrote, addresses too: the look is in the audit log.

    Raises:
        NotFoundError: it is not in quarantine, or was dropped meanwhile.
        DecryptionError: it belongs to another installation.
    """

    def work(tx: Transaction) -> StoredEvent:
        found = queries.quarantined_one(tx, event_id)
        if found is None or found.sealed is None:
            raise NotFoundError("this is not in quarantine")
        _audit(tx, "feedback.look", event_id, by, {})
        return found

    event = runtime.store.transact(work)
    raw = unsealed(runtime, event.provider, event.event_id, event.sealed or b"")
    text = raw.decode("utf-8", "replace")
    return Item(event, text[:SHOWN], is_cut=len(text) > SHOWN, is_beginning=is_beginning(raw))


def drop(runtime: Runtime, event_id: int, *, by: Account) -> None:
    """Delete what was kept of one item; that it came stays on record.

    Raises:
        NotFoundError: it is not in quarantine.
    """

    def work(tx: Transaction) -> None:
        if not queries.drop(tx, [event_id]):
            raise NotFoundError("this is not in quarantine")
        _audit(tx, "feedback.drop", event_id, by, {})

    runtime.store.transact(work)


def read_again(runtime: Runtime, event_id: int, *, by: Account) -> bool:
    """Read an item once more, after an upgrade that may know its format; True if it was read, and will be applied.

    Raises:
        NotFoundError: it is not in quarantine.
        DecryptionError: it belongs to another installation.
    """
    event = runtime.store.transact(lambda tx: queries.quarantined_one(tx, event_id))
    if event is None or event.sealed is None:
        raise NotFoundError("this is not in quarantine")
    if event.problem == "reply":
        # Where a reply came to is not known any longer, and reports count at return addresses alone.
        return False
    raw = unsealed(runtime, event.provider, event.event_id, event.sealed)
    if is_beginning(raw):
        # Half of a report may read as another one.
        return False
    found = _read(runtime, event, raw)
    if not found or any(one.problem for one in found):
        return False
    store(runtime, event.provider, found)
    drop(runtime, event_id, by=by)
    return True


def _read(runtime: Runtime, event: StoredEvent, raw: bytes) -> list[Event]:
    """What an item tells, by the reader of the door it came by; its proof was checked when it came."""
    if event.provider in HOOKS:
        return HOOKS[event.provider].read(raw, Names.by(runtime), runtime.clock())
    found = returned.read(raw, Names.by(runtime), now=runtime.clock(), signed=event.message_id).event
    return [] if found is None else [found]


def purge(runtime: Runtime) -> int:
    """Delete events of the past that are no evidence for anything; what waited in quarantine goes first."""
    now = runtime.clock()
    return runtime.store.transact(
        lambda tx: queries.purge(tx, before=now - REMEMBERED, quarantined_before=now - QUARANTINED)
    )


def _audit(tx: Transaction, action: str, event_id: int | None, by: Account, detail: dict[str, object]) -> None:
    audit.add(tx, action=action, subject="delivery_event", subject_id=event_id, account_id=by.id, detail=detail)
