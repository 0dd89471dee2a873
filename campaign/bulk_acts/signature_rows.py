"""Acts on the signatures of a petition: which are meant, and what is done to some of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from campaign.bulk_acts import queries
from campaign.bulk_acts.rules import BulkAct, Kind, Scope
from campaign.database.connection import Transaction
from campaign.errors import NotFoundError
from campaign.petitions import queries as petition_queries
from campaign.signatures import many, selections
from campaign.signatures.many import Left, Marks, Outcome
from campaign.signatures.selections import LATELY, Filter, Kinds, Within
from campaign.states import SignatureState


def as_fields(wanted: Filter) -> dict[str, Any]:
    """A filter as an act stores it."""
    return {"state": wanted.code or "", "country": wanted.country or ""}


def _filter(fields: Mapping[str, Any]) -> Filter:
    return Filter.of(fields.get("state", ""), fields.get("country", ""))


def next_rows(tx: Transaction, act: BulkAct, limit: int) -> Sequence[int]:
    """The next signatures by id that a filter means."""
    return selections.ids(
        tx,
        act.petition_id or 0,
        _filter(act.scope.matching or {}),
        since=act.as_of - LATELY,
        limit=limit,
        after=act.cursor_id,
        within=Within(act.upper_id, act.as_of),
    )


def kinds(tx: Transaction, petition_id: int, scope: Scope, within: Within) -> list[Kinds]:
    """What a scope means, by kind of signature; of an undo all are taken as the act left them."""
    if scope.undone is not None:
        earlier = queries.by_id(tx, scope.undone)
        if earlier is None or earlier.petition_id != petition_id:
            raise NotFoundError("there is no such act on many rows")
        number, is_removal = queries.count_changed(tx, scope.undone), earlier.kind is Kind.REMOVE
        state = SignatureState.REMOVED if is_removal else SignatureState.CONFIRMED
        return [Kinds(state, is_shown=False, is_hidden=not is_removal, is_erased=False, number=number)]
    if scope.ids is not None:
        return selections.kinds_of(tx, petition_id, list(scope.ids))
    wanted = _filter(scope.matching or {})
    return selections.kinds(tx, petition_id, wanted, within, since=within.as_of - LATELY)


def expectation(kind: Kind, found: Sequence[Kinds], *, is_discreet: bool) -> tuple[int, Counter[str]]:
    """What an act would do now: how many signatures it changes, and why it leaves the others.

    Whether a removed one finds its place taken is seen only when it is brought back.
    """
    changing, left = 0, Counter[str]()
    for one in found:
        reason = _why_left(kind, one, is_discreet=is_discreet)
        if reason is None:
            changing += one.number
        else:
            left[reason] += one.number
    return changing, left


def _why_left(kind: Kind, one: Kinds, *, is_discreet: bool) -> Left | None:
    if kind is Kind.REMOVE:
        return many.REFUSED.get(one.state)
    if kind is Kind.RESTORE:
        return None if one.state is SignatureState.REMOVED else Left.NOT_REMOVED
    if kind is Kind.HIDE_NAMES:
        return many.why_not_hidden(is_shown=one.is_shown, is_erased=one.is_erased)
    if is_discreet:
        return Left.DISCREET
    return many.why_not_shown(is_shown=one.is_shown, is_hidden=one.is_hidden, is_erased=one.is_erased)


def is_discreet(tx: Transaction, petition_id: int) -> bool:
    """True if a petition shows no name."""
    stored = petition_queries.by_id(tx, petition_id)
    return stored is not None and stored.petition.discreet


def change(tx: Transaction, act: BulkAct, ids: Sequence[int], marks: Marks | None, now: datetime) -> Outcome:
    """Do what the act asks for to some signatures."""
    petition_id = act.petition_id or 0
    if act.kind is Kind.HIDE_NAMES:
        return many.hide_names(tx, petition_id, ids, now=now)
    if act.kind is Kind.REMOVE:
        return many.remove(tx, petition_id, ids, reason=act.reason, now=now)
    if act.kind is Kind.RESTORE:
        return many.restore(tx, petition_id, ids, marks=marks)
    return many.show_names(tx, petition_id, ids, is_discreet=is_discreet(tx, petition_id), marks=marks)


def newest_id(tx: Transaction, petition_id: int) -> int:
    """The largest id that may be meant."""
    return selections.newest_id(tx, petition_id)
