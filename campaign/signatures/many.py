"""What is done to many signatures at once, a bounded number in one transaction. Each row is looked at as it is now.

The rules are those of one signature (removal.py); a row that they do not allow is left as it is, with the reason.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import text

from campaign.database.connection import DuplicateError, Transaction
from campaign.outbox import plan as outbox_plan
from campaign.signatures import lists, queries, removal
from campaign.signatures.removal import NotRestoredError
from campaign.states import SignatureState


class Left(StrEnum):
    """Why a row is left as it is."""

    ALREADY = "already"
    """It is already so."""
    NOT_CONFIRMED = "not_confirmed"
    ENDED = "ended"
    """Withdrawn or expired."""
    OWN_CHOICE = "own_choice"
    """The signer chose to hide the name."""
    ERASED = "erased"
    CHANGED = "changed"
    """It was changed individually meanwhile."""
    NOT_REMOVED = "not_removed"
    SIGNED_AGAIN = "signed_again"
    MAILBOX_FULL = "mailbox_full"
    DISCREET = "discreet"
    """The petition is in discreet mode: no name is shown."""
    STATE = "state"
    """Its state does not allow it."""
    GONE = "gone"
    """There is no such row."""


Marks = Mapping[int, datetime]
"""When an earlier act changed each row: an undo passes over a row that was changed again since."""


@dataclass
class Outcome:
    """What became of some rows."""

    done: list[int] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Row:
    id: int
    state: SignatureState
    show_name: bool
    hidden_at: datetime | None
    ended_at: datetime | None
    is_erased: bool


def _locked(tx: Transaction, petition_id: int, ids: Sequence[int], outcome: Outcome) -> list[_Row]:
    rows = tx.execute(
        text("""
        select id, state, show_name, hidden_at, ended_at, name is null as is_erased from signature
        where petition_id = :petition_id and id = any(:ids) order by id for update"""),
        petition_id=petition_id,
        ids=list(ids),
    )
    found = [_Row(**(row._asdict() | {"state": SignatureState(row.state)})) for row in rows]
    if len(found) < len(ids):
        outcome.left[Left.GONE] += len(ids) - len(found)
    return found


def _is_since(marks: Marks | None, row_id: int, moment: datetime | None) -> bool:
    """True if a row was changed by another act than the one that the marks are of. Erasing keeps the day alone."""
    if marks is None:
        return False
    mark = marks[row_id]
    return moment not in {mark, mark.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)}


def hide_names(tx: Transaction, petition_id: int, ids: Sequence[int], *, now: datetime) -> Outcome:
    """Take names and reasons off the public page; the signatures still count."""
    outcome = Outcome()
    for row in _locked(tx, petition_id, ids, outcome):
        if reason := why_not_hidden(is_shown=row.show_name, is_erased=row.is_erased):
            outcome.left[reason] += 1
        else:
            outcome.done.append(row.id)
    queries.hide_names(tx, outcome.done, now=now)
    return outcome


def show_names(
    tx: Transaction, petition_id: int, ids: Sequence[int], *, is_discreet: bool, marks: Marks | None = None
) -> Outcome:
    """Show the names again that organisers hid. What signers chose themselves is never overruled.

    Args:
        tx: the open transaction.
        petition_id: of the petition.
        ids: the signatures.
        is_discreet: the petition shows no name at all.
        marks: of the act that is undone.
    """
    outcome = Outcome()
    for row in _locked(tx, petition_id, ids, outcome):
        is_hidden = row.hidden_at is not None
        reason = why_not_shown(is_shown=row.show_name, is_hidden=is_hidden, is_erased=row.is_erased)
        if is_discreet:
            outcome.left[Left.DISCREET] += 1
        elif reason is not None:
            outcome.left[reason] += 1
        elif _is_since(marks, row.id, row.hidden_at):
            outcome.left[Left.CHANGED] += 1
        else:
            outcome.done.append(row.id)
    tx.execute(
        text("update signature set show_name = true, hidden_at = null where id = any(:ids)"), ids=list(outcome.done)
    )
    return outcome


def why_not_hidden(*, is_shown: bool, is_erased: bool) -> Left | None:
    """Why a name is not hidden by an organiser; None if it is."""
    if is_shown:
        return None
    return Left.ERASED if is_erased else Left.ALREADY


def why_not_shown(*, is_shown: bool, is_hidden: bool, is_erased: bool) -> Left | None:
    """Why a name is not shown again; None if it is.

    Args:
        is_shown: the page shows it.
        is_hidden: an organiser hid it, and the signer has not chosen since.
        is_erased: there is no name.
    """
    if is_erased:
        return Left.ERASED
    if is_shown:
        return Left.ALREADY
    return None if is_hidden else Left.OWN_CHOICE


REFUSED: Mapping[SignatureState, Left] = {
    SignatureState.PENDING: Left.NOT_CONFIRMED,
    SignatureState.WITHDRAWN: Left.ENDED,
    SignatureState.EXPIRED: Left.ENDED,
    SignatureState.REMOVED: Left.ALREADY,
}
"""Why a signature in another state than confirmed can't be removed."""


def remove(tx: Transaction, petition_id: int, ids: Sequence[int], *, reason: str, now: datetime) -> Outcome:
    """Take confirmed signatures out: the counter takes them off, and nothing more is mailed to their signers."""
    outcome = Outcome()
    for row in _locked(tx, petition_id, ids, outcome):
        if row.state is SignatureState.CONFIRMED:
            outcome.done.append(row.id)
        else:
            outcome.left[REFUSED[row.state]] += 1
    tx.execute(
        text("update signature set state = 'removed', ended_at = :now, ended_reason = :reason where id = any(:ids)"),
        ids=list(outcome.done),
        reason=reason,
        now=now,
    )
    if outcome.done:
        outbox_plan.cancel_for(tx, outcome.done, reason="removed", now=now)
    return outcome


def restore(tx: Transaction, petition_id: int, ids: Sequence[int], *, marks: Marks | None = None) -> Outcome:
    """Bring removed signatures back, as far as :func:`campaign.signatures.removal.restore` would each of them."""
    outcome = Outcome()
    for row in _locked(tx, petition_id, ids, outcome):
        if row.state is not SignatureState.REMOVED:
            outcome.left[Left.NOT_REMOVED] += 1
        elif _is_since(marks, row.id, row.ended_at):
            outcome.left[Left.CHANGED] += 1
        elif reason := _restored(tx, petition_id, row.id):
            outcome.left[reason] += 1
        else:
            outcome.done.append(row.id)
    return outcome


def _restored(tx: Transaction, petition_id: int, signature_id: int) -> str | None:
    """Restore one row; returns why it can't be, or None."""
    row = queries.by_id(tx, signature_id)
    if row is None:
        return Left.GONE
    try:
        with tx.savepoint():
            lists.restore(tx, signature_id, petition_id, slot=removal.free_seat(tx, row))
    except NotRestoredError as error:
        return error.reason
    except DuplicateError:
        return Left.SIGNED_AGAIN
    return None
