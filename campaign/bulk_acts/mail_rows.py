"""Acts of admins on messages, suppressions and the quarantine: which rows are meant, and what is done to some."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from campaign.bulk_acts.rules import BulkAct, Kind, Scope
from campaign.database.connection import Transaction
from campaign.feedback import queries as feedback_queries
from campaign.operations import failures
from campaign.operations import queries as message_queries
from campaign.operations.health import FailureGroup
from campaign.operations.rules import Action
from campaign.outbox import messages as outbox_messages
from campaign.outbox import suppressions as outbox_suppressions
from campaign.signatures.many import Left, Outcome
from campaign.signatures.selections import Within
from campaign.states import Lane, MessageKind


def as_fields(group: FailureGroup, *, since: datetime) -> dict[str, Any]:
    """A cause of failed messages as an act stores it.

    Args:
        group: the cause.
        since: rejected messages are meant from this moment on.
    """
    return group.identity() | {"since": since.isoformat()}


def _group(fields: Mapping[str, Any], now: datetime) -> FailureGroup:
    return FailureGroup(
        lane=Lane(fields["lane"]),
        kind=MessageKind(fields["kind"]),
        state=fields["state"],
        phase=fields["phase"],
        code=fields["code"],
        enhanced=fields["enhanced"],
        reason=fields["reason"],
        messages=0,
        oldest_at=now,
    )


def _since(scope: Scope) -> datetime:
    return datetime.fromisoformat((scope.matching or {})["since"])


def next_messages(tx: Transaction, act: BulkAct, limit: int) -> Sequence[int]:
    """The next messages of a cause."""
    group = _group(act.scope.matching or {}, act.as_of)
    return message_queries.members(
        tx,
        group,
        since=_since(act.scope),
        now=act.as_of,
        after=act.cursor_id,
        limit=limit,
        within=(act.upper_id, act.as_of),
    )


def count_messages(tx: Transaction, scope: Scope, within: Within) -> int:
    """How many messages a cause has."""
    group = _group(scope.matching or {}, within.as_of)
    bounds = (within.upper_id, within.as_of)
    return message_queries.count_members(tx, group, since=_since(scope), now=within.as_of, within=bounds)


_MOVES: Mapping[Kind, Callable[..., list[int]]] = {
    Kind.RETRY: message_queries.retry,
    Kind.ACCEPT: message_queries.accept,
    Kind.CANCEL: message_queries.cancel,
}


def change_messages(tx: Transaction, act: BulkAct, ids: Sequence[int], now: datetime) -> Outcome:
    """Move some messages; those whose state does not allow it, or that a worker holds, stay."""
    done = _MOVES[act.kind](tx, ids, now=now)
    if act.kind is Kind.RETRY and done:
        for lane in Lane:
            tx.nudge(lane)
    return _outcome(act.kind, done, len(ids))


def next_suppressions(tx: Transaction, act: BulkAct, limit: int) -> Sequence[int]:
    """The next suppressions in force of a cause."""
    key = str((act.scope.matching or {})["group"])
    return outbox_suppressions.members(
        tx, key, since=_since(act.scope), after=act.cursor_id, upto=act.upper_id, limit=limit
    )


def count_suppressions(tx: Transaction, scope: Scope, within: Within) -> int:
    """How many suppressions in force a cause has."""
    key = str((scope.matching or {})["group"])
    return outbox_suppressions.count_members(tx, key, since=_since(scope), upto=within.upper_id)


def lift(tx: Transaction, act: BulkAct, ids: Sequence[int], now: datetime) -> Outcome:
    """Lift some suppressions, and delete the soft bounces of their addresses, or the next one would suppress again."""
    lifted = outbox_suppressions.lift_many(tx, ids, now=now)
    outbox_suppressions.clear_soft_bounces(tx, list(lifted.values()))
    return _outcome(act.kind, list(lifted), len(ids))


def next_items(tx: Transaction, act: BulkAct, limit: int) -> Sequence[int]:
    """The next items in quarantine with one problem."""
    problem = str((act.scope.matching or {})["problem"])
    return feedback_queries.with_problem(tx, problem, after=act.cursor_id, upto=act.upper_id, limit=limit)


def count_items(tx: Transaction, scope: Scope, within: Within) -> int:
    """How many items in quarantine have a problem."""
    problem = str((scope.matching or {})["problem"])
    return feedback_queries.count_problem(tx, problem, upto=within.upper_id)


def drop(tx: Transaction, act: BulkAct, ids: Sequence[int], _now: datetime) -> Outcome:
    """Delete what was kept of some items; that they came stays on record."""
    return _outcome(act.kind, feedback_queries.drop(tx, ids), len(ids))


LEFT: Mapping[Kind, Left] = dict.fromkeys((Kind.RETRY, Kind.ACCEPT, Kind.CANCEL), Left.STATE) | dict.fromkeys(
    (Kind.LIFT, Kind.DROP), Left.CHANGED
)
"""Why a row is left."""


def _outcome(kind: Kind, done: Sequence[int], number: int) -> Outcome:
    return Outcome(list(done), Counter({str(LEFT[kind]): number - len(done)} if len(done) < number else {}))


_ACTIONS: Mapping[Kind, Action] = {Kind.RETRY: Action.RETRY, Kind.ACCEPT: Action.ACCEPT, Kind.CANCEL: Action.CANCEL}


def count_allowed(tx: Transaction, kind: Kind, ids: Sequence[int], now: datetime) -> int:
    """How many of some rows an act would change."""
    if kind is Kind.LIFT:
        return outbox_suppressions.count_in_force(tx, ids)
    if kind is Kind.DROP:
        return feedback_queries.count_quarantined(tx, ids)
    found = outbox_messages.by_ids(tx, list(ids))
    return sum(_ACTIONS[kind] in failures.presses_of(message, now) for message in found)


NEWEST: Mapping[str, Callable[[Transaction], int]] = {
    "message": message_queries.newest_id,
    "suppression": outbox_suppressions.newest_id,
    "feedback": feedback_queries.newest_id,
}
"""The largest id that may be meant, by the noun of the act."""


@dataclass(frozen=True)
class Rows:
    """How an act finds its rows by a filter, and changes some of them."""

    next: Callable[[Transaction, BulkAct, int], Sequence[int]]
    count: Callable[[Transaction, Scope, Within], int]
    change: Callable[[Transaction, BulkAct, Sequence[int], datetime], Outcome]


_MESSAGES = Rows(next_messages, count_messages, change_messages)

ROWS: Mapping[Kind, Rows] = {
    Kind.RETRY: _MESSAGES,
    Kind.ACCEPT: _MESSAGES,
    Kind.CANCEL: _MESSAGES,
    Kind.LIFT: Rows(next_suppressions, count_suppressions, lift),
    Kind.DROP: Rows(next_items, count_items, drop),
}
"""The acts of admins."""


def count(tx: Transaction, kind: Kind, scope: Scope, within: Within) -> int:
    """How many rows a filter means at a moment."""
    return ROWS[kind].count(tx, scope, within)
