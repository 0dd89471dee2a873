"""Delivery problems: messages that did not get through, by cause; send again, mark as delivered, cancel, with audit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from campaign.accounts import audit
from campaign.accounts.accounts import Account
from campaign.database.connection import LARGEST_ID, Transaction
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.operations import queries
from campaign.operations.health import FailureGroup
from campaign.operations.rules import Action, presses
from campaign.outbox import messages as outbox_messages
from campaign.outbox.messages import Attempt, Event, StoredMessage
from campaign.runtime import Runtime
from campaign.states import Lane, MessageState

DAY = timedelta(hours=24)
SLICE = 2_000
"""Messages moved in one transaction: workers are never held up for long."""

Move = Callable[[Transaction, Sequence[int]], list[int]]


def groups(runtime: Runtime, *, window: timedelta = DAY) -> tuple[FailureGroup, ...]:
    """What did not get through, by cause, the most frequent first.

    Args:
        runtime: the runtime.
        window: how far back rejected messages are looked at; what is uncertain or deferred is always there.
    """
    now = runtime.clock()
    return runtime.store.transact(lambda tx: queries.groups(tx, since=now - window, now=now))


def group(runtime: Runtime, key: str, *, window: timedelta = DAY) -> FailureGroup:
    """One group by its key.

    Raises:
        NotFoundError: nothing of this cause is left.
    """
    for found in groups(runtime, window=window):
        if found.key == key:
            return found
    raise NotFoundError("nothing of this cause is left")


def members(
    runtime: Runtime, wanted: FailureGroup, *, window: timedelta = DAY, after: int = 0, limit: int = 50
) -> list[int]:
    """Messages of a group by id, beyond ``after``."""
    now = runtime.clock()
    return runtime.store.transact(
        lambda tx: queries.members(tx, wanted, since=now - window, now=now, after=after, limit=limit)
    )


def retry(runtime: Runtime, wanted: FailureGroup, *, by: Account | None, window: timedelta = DAY) -> int:
    """Send the messages of a group once more, as soon as their lane flows; returns how many.

    Deferred ones are tried now instead of later. Uncertain ones may arrive twice, with the same Message-ID. Consent
    and suppression are looked at anew when each is claimed.
    """
    return _press_group(runtime, wanted, Action.RETRY, by=by, window=window)


def accept(runtime: Runtime, wanted: FailureGroup, *, by: Account | None, window: timedelta = DAY) -> int:
    """Take the uncertain messages of a group as arrived; returns how many."""
    return _press_group(runtime, wanted, Action.ACCEPT, by=by, window=window)


def cancel(runtime: Runtime, wanted: FailureGroup, *, by: Account | None, window: timedelta = DAY) -> int:
    """Never send the messages of a group; returns how many."""
    return _press_group(runtime, wanted, Action.CANCEL, by=by, window=window)


PRESSES: Mapping[Action, Callable[..., int]] = {Action.RETRY: retry, Action.ACCEPT: accept, Action.CANCEL: cancel}
"""The use case behind each button of a group."""


def _moves(now: datetime) -> Mapping[Action, Move]:
    return {
        Action.RETRY: partial(queries.retry, now=now),
        Action.ACCEPT: partial(queries.accept, now=now),
        Action.CANCEL: partial(queries.cancel, now=now),
    }


def _press_group(
    runtime: Runtime, wanted: FailureGroup, press: Action, *, by: Account | None, window: timedelta
) -> int:
    now, total, after = runtime.clock(), 0, 0
    move = _moves(now)[press]

    def work(tx: Transaction) -> tuple[int, list[int]]:
        held = queries.members(tx, wanted, since=now - window, now=now, after=after, limit=SLICE, lock=True)
        changed = len(move(tx, held)) if held else 0
        if changed:
            # One entry for each slice, in the transaction of what it tells of.
            detail = wanted.identity() | {"messages": changed}
            _audit(tx, press, subject_id=None, by=by, detail=detail)
        tx.nudge(wanted.lane)
        return changed, held

    while True:
        changed, held = runtime.store.transact(work)
        total += changed
        if len(held) < SLICE:
            return total
        after = held[-1]


def press_message(runtime: Runtime, message_id: int, press: Action, *, by: Account | None) -> None:
    """Send one message again, take it as arrived, or cancel it.

    Raises:
        NotFoundError: there is no such message.
        ConflictError: its state does not allow this, e.g. a worker holds it.
    """
    move = _moves(runtime.clock())[press]

    def work(tx: Transaction) -> None:
        found = outbox_messages.by_id(tx, message_id)
        if found is None:
            raise NotFoundError(f"there is no message {message_id}")
        if not move(tx, [message_id]):
            raise ConflictError(f"message {message_id} is {found.state}: it can't be changed so")
        tx.nudge(Lane(found.lane))
        _audit(tx, press, subject_id=message_id, by=by, detail={"was": found.state}, petition_id=found.petition_id)

    runtime.store.transact(work)


def _audit(
    tx: Transaction,
    press: Action,
    *,
    subject_id: int | None,
    by: Account | None,
    detail: Mapping[str, object],
    petition_id: int | None = None,
) -> None:
    audit.add(
        tx,
        action=f"message.{press}",
        subject="message",
        subject_id=subject_id,
        petition_id=petition_id,
        account_id=by.id if by else None,
        actor="cli",
        detail=detail,
    )


class Show(StrEnum):
    """Lists of messages to choose from."""

    WAITING = "waiting"
    """Due now; the next to go first."""
    LATER = "later"
    """Due later: scheduled or deferred; the next to go first."""
    UNCERTAIN = "uncertain"
    """Uncertain messages; the newest first."""
    REJECTED = "rejected"
    """Refused, or given up; the newest first."""


@dataclass(frozen=True)
class MessageDetail:
    """One message with its history and what may be done with it."""

    message: StoredMessage
    attempts: tuple[Attempt, ...]
    events: tuple[Event, ...]
    presses: tuple[Action, ...]


@dataclass(frozen=True)
class Listing:
    """A page of messages; ``following`` is the cursor of the next page, None on the last."""

    messages: tuple[StoredMessage, ...]
    following: str | None


def find(runtime: Runtime, message_id: int) -> MessageDetail:
    """One message by its id.

    Raises:
        NotFoundError: there is none.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> MessageDetail:
        found = outbox_messages.by_id(tx, message_id) if 0 < message_id <= LARGEST_ID else None
        if found is None:
            raise NotFoundError(f"there is no message {message_id}")
        return MessageDetail(
            found,
            tuple(outbox_messages.attempts(tx, found.id)),
            tuple(outbox_messages.events(tx, found.id)),
            presses_of(found, now),
        )

    return runtime.store.transact(work)


def presses_of(message: StoredMessage, now: datetime) -> tuple[Action, ...]:
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
