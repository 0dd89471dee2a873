"""Begin, watch and stop acts on many rows. What they do to the rows is in signature_rows.py and mail_rows.py."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from campaign.accounts.accounts import Account
from campaign.bulk_acts import mail_rows, queries, running, signature_rows
from campaign.bulk_acts.rules import MAX_IDS, MAX_REASON, OF_PETITION, BulkAct, Kind, Scope
from campaign.database.connection import LARGEST_ID, Transaction
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.runtime import Runtime
from campaign.signatures.removal import REASONS
from campaign.signatures.selections import Within
from campaign.states import ACTS, BulkActState

PAGE: Final = 50

_ADDRESS = re.compile(r"\S@\S+\.\S")
"""What looks like an email address; the audit log holds none."""


@dataclass(frozen=True)
class Preview:
    """What an act would do now, in true numbers."""

    kind: Kind
    scope: Scope
    within: Within
    """Rows of later are not meant, also if the act is begun later."""
    expected: int
    """Rows that are meant."""
    changing: int
    """Rows that it would change."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Rows that it would leave as they are, by reason (:class:`campaign.signatures.many.Left`)."""


@dataclass(frozen=True)
class Log:
    """A page of acts, the newest first; ``following`` is ``before`` of the next page."""

    acts: tuple[BulkAct, ...]
    following: int | None


def preview(
    runtime: Runtime, kind: Kind, scope: Scope, *, petition_id: int | None = None, within: Within | None = None
) -> Preview:
    """Look what an act would do; nothing is changed.

    Args:
        runtime: the runtime.
        kind: what is to be done.
        scope: to which rows.
        petition_id: the petition, for acts on signatures.
        within: what was meant at an earlier look; the present moment, if not given.

    Raises:
        NotFoundError: the act that is to be undone is not of this petition.
    """
    _check(kind, scope, petition_id)
    now = runtime.clock()
    return runtime.store.transact(
        lambda tx: _preview(tx, kind, scope, petition_id, _within(tx, petition_id, kind, within, now))
    )


def _check(kind: Kind, scope: Scope, petition_id: int | None) -> None:
    if (kind in OF_PETITION) != (petition_id is not None):
        raise NotFoundError("there is no such act on many rows here")
    if scope.ids is not None and len(scope.ids) > MAX_IDS:
        raise InvalidInputError({"ids": "too_many"})


def _within(tx: Transaction, petition_id: int | None, kind: Kind, asked: Within | None, now: datetime) -> Within:
    if asked is not None:
        return replace(asked, as_of=min(asked.as_of, now))
    if petition_id is not None:
        return Within(signature_rows.newest_id(tx, petition_id), now)
    return Within(mail_rows.NEWEST[kind.partition(".")[0]](tx), now)


def _preview(tx: Transaction, kind: Kind, scope: Scope, petition_id: int | None, within: Within) -> Preview:
    if petition_id is not None:
        found = signature_rows.kinds(tx, petition_id, scope, within)
        is_discreet = signature_rows.is_discreet(tx, petition_id)
        changing, left = signature_rows.expectation(kind, found, is_discreet=is_discreet)
        return Preview(kind, scope, within, changing + left.total(), changing, left)
    if scope.ids is None:
        number = mail_rows.count(tx, kind, scope, within)
        return Preview(kind, scope, within, number, number)
    number, changing = len(scope.ids), mail_rows.count_allowed(tx, kind, scope.ids, within.as_of)
    return Preview(kind, scope, within, number, changing, {str(mail_rows.LEFT[kind]): number - changing})


def begin(
    runtime: Runtime,
    kind: Kind,
    scope: Scope,
    *,
    reason: str,
    by: Account,
    request_key: str,
    petition_id: int | None = None,
    within: Within | None = None,
) -> int:
    """Begin an act; a worker carries it out. Returns its id.

    Args:
        runtime: the runtime.
        kind: what is to be done.
        scope: to which rows.
        reason: why, for the audit log; for a removal one of :data:`campaign.signatures.removal.REASONS`.
        by: who asks for it.
        request_key: from :func:`campaign.security.request_keys.new_request_key`; pressing twice is one act.
        petition_id: the petition, for acts on signatures.
        within: of the preview, so that nothing is meant that its numbers left out.

    Raises:
        NotFoundError: the act that is to be undone is not of this petition.
        InvalidInputError: the reason is missing, too long, or holds an email address.
        ConflictError: nothing is meant, or the act can't be undone.
    """
    _check(kind, scope, petition_id)
    said, now = _checked(kind, reason), runtime.clock()

    def work(tx: Transaction) -> int:
        place = _within(tx, petition_id, kind, within, now)
        found = _preview(tx, kind, scope, petition_id, place)
        _check_undo(tx, found, now)
        act_id = queries.add(
            tx,
            kind=kind,
            petition_id=petition_id,
            account_id=by.id,
            scope=scope,
            upper_id=place.upper_id,
            as_of=place.as_of,
            expected=found.expected,
            reason=said,
            request_key=request_key,
            now=now,
        )
        stored = _found(tx, act_id, petition_id)
        if (stored.account_id, stored.kind) != (by.id, kind):
            raise ConflictError("this form was sent for another act")
        if not stored.expected:
            raise ConflictError("no row is meant")
        tx.nudge(ACTS)
        return act_id

    return runtime.store.transact(work)


def _checked(kind: Kind, reason: str) -> str:
    if kind is Kind.REMOVE:
        if reason not in REASONS:
            raise InvalidInputError({"reason": "unknown" if reason else "missing"})
        return reason
    said = " ".join(reason.split())
    if not said or len(said) > MAX_REASON:
        raise InvalidInputError({"why": "too_long" if said else "missing"})
    if _ADDRESS.search(said):
        raise InvalidInputError({"why": "looks_like_email"})
    return said


def _check_undo(tx: Transaction, found: Preview, now: datetime) -> None:
    if found.scope.undone is None:
        return
    earlier = queries.by_id(tx, found.scope.undone)
    if earlier is None or earlier.undo_kind(now) is not found.kind:
        raise ConflictError("this can't be undone, or not any longer")


def _found(tx: Transaction, act_id: int, petition_id: int | None, *, lock: bool = False) -> BulkAct:
    act = queries.by_id(tx, act_id, lock=lock)
    if act is None or (petition_id is not None and act.petition_id != petition_id):
        raise NotFoundError("there is no such act on many rows")
    return act


def find(runtime: Runtime, act_id: int, *, petition_id: int | None = None) -> BulkAct:
    """One act.

    Raises:
        NotFoundError: there is none, or it is of another petition than the one given.
    """
    return runtime.store.transact(lambda tx: _found(tx, act_id, petition_id))


def newest(runtime: Runtime, *, petition_id: int | None = None, before: int | None = None, limit: int = PAGE) -> Log:
    """Acts, the newest first: of a petition, or of all."""
    place = LARGEST_ID if before is None else before
    found = runtime.store.transact(
        lambda tx: queries.newest(tx, petition_id=petition_id, before=place, limit=limit + 1)
    )
    shown = tuple(found[:limit])
    return Log(shown, shown[-1].id if len(found) > limit else None)


def stop(runtime: Runtime, act_id: int, *, by: Account, petition_id: int | None = None) -> None:
    """Stop an act: what was done stays, nothing more is done. One that has ended stays as it is.

    Raises:
        NotFoundError: there is none, or it is of another petition than the one given.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        act = _found(tx, act_id, petition_id, lock=True)
        if act.is_open:
            left = max(act.expected, act.looked_at) - act.done
            running.end(tx, act, BulkActState.STOPPED, number=act.done, left=left, now=now, by=by.id)

    runtime.store.transact(work)
