"""Messages one by one, for the monitor and the command line. Ids, states and reasons; no address and no name."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from campaign.database.connection import Transaction
from campaign.domain.troubles import Press, presses
from campaign.errors import InvalidInputError, NotFoundError
from campaign.outbox import messages as outbox_messages
from campaign.outbox.messages import Attempt, Event, StoredMessage
from campaign.runtime import Runtime
from campaign.states import Lane, MessageState

LARGEST_ID = 2**63 - 1


class Show(StrEnum):
    """Lists of messages that a person asks for."""

    WAITING = "waiting"
    """Due now; the next to go first."""
    LATER = "later"
    """Due later: scheduled or deferred; the next to go first."""
    UNCERTAIN = "uncertain"
    """Nobody knows whether the mail server took them; the newest first."""
    REJECTED = "rejected"
    """Refused, or given up; the newest first."""


@dataclass(frozen=True)
class MessageLook:
    """One message with its history and what may be done with it."""

    message: StoredMessage
    attempts: tuple[Attempt, ...]
    events: tuple[Event, ...]
    presses: tuple[Press, ...]


@dataclass(frozen=True)
class Listing:
    """A page of messages; ``following`` is the cursor of the next page, None on the last."""

    messages: tuple[StoredMessage, ...]
    following: str | None


def find(runtime: Runtime, message_id: int) -> MessageLook:
    """One message by its id.

    Raises:
        NotFoundError: there is none.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> MessageLook:
        found = outbox_messages.by_id(tx, message_id) if 0 < message_id <= LARGEST_ID else None
        if found is None:
            raise NotFoundError(f"there is no message {message_id}")
        return MessageLook(
            found,
            tuple(outbox_messages.attempts(tx, found.id)),
            tuple(outbox_messages.events(tx, found.id)),
            presses_of(found, now),
        )

    return runtime.store.transact(work)


def presses_of(message: StoredMessage, now: datetime) -> tuple[Press, ...]:
    """The buttons that a message has now."""
    return presses(message.state, deferred=message.state is MessageState.PLANNED and message.due_at > now)


def by_ids(runtime: Runtime, message_ids: list[int]) -> tuple[StoredMessage, ...]:
    """Messages in the order of their ids."""
    return tuple(runtime.store.transact(lambda tx: outbox_messages.by_ids(tx, message_ids)))


def listing(
    runtime: Runtime, show: Show, *, lane: Lane = Lane.URGENT, cursor: str | None = None, limit: int = 50
) -> Listing:
    """One page of a list.

    Args:
        runtime: the runtime.
        show: which list.
        lane: for what is planned; the lists of what ended hold both lanes.
        cursor: from the page before.
        limit: messages on a page.

    Raises:
        InvalidInputError: a cursor that no page gave.
    """
    at, now = _read(cursor), runtime.clock()

    def work(tx: Transaction) -> list[StoredMessage]:
        if show in {Show.WAITING, Show.LATER}:
            return outbox_messages.planned(tx, lane, after=at, limit=limit + 1, now=now, later=show is Show.LATER)
        return outbox_messages.ended(tx, MessageState(str(show)), before=at, limit=limit + 1)

    found = runtime.store.transact(work)
    shown = tuple(found[:limit])
    return Listing(shown, _cursor(shown[-1], show) if len(found) > limit else None)


def _cursor(last: StoredMessage, show: Show) -> str:
    moment = last.due_at if show in {Show.WAITING, Show.LATER} else last.settled_at or last.due_at
    return f"{moment.isoformat()}_{last.id}"


def _read(cursor: str | None) -> tuple[datetime, int] | None:
    if not cursor:
        return None
    moment, _, number = cursor.partition("_")
    try:
        at, last = datetime.fromisoformat(moment), int(number)
    except ValueError:
        raise InvalidInputError({"cursor": "unknown"}) from None
    if at.tzinfo is None or not 0 <= last <= LARGEST_ID:
        raise InvalidInputError({"cursor": "unknown"})
    return at, last
