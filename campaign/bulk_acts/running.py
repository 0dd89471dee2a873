"""Carry acts out, slice by slice: any number of workers may, and one may die at any point.

A slice is one transaction: the rows, how far the act is, and, with the last one, its entry in the audit log. So each
row is dealt with once, and after a crash the next worker begins where the last committed slice ended.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from campaign.accounts import audit
from campaign.bulk_acts import mail_rows, queries, signature_rows
from campaign.bulk_acts.rules import OF_PETITION, SLICE, UNDO, UNDONE_BY, BulkAct, Kind
from campaign.database.connection import Transaction
from campaign.runtime import Runtime
from campaign.signatures.many import Left, Marks, Outcome
from campaign.states import BulkActState

SECONDS: Final = 20.0
"""How long one run works; the next one follows within seconds."""

RESTORED: Final = 100
"""Signatures brought back in one transaction: each is looked at by itself, for its place may be taken."""

FORGOTTEN: Final = 5_000
"""Rows of old acts deleted in one transaction."""


def carry_out(runtime: Runtime, *, seconds: float = SECONDS) -> int:
    """Work on open acts, the one that waited longest first; returns how many rows were changed."""
    until, total = runtime.clock() + timedelta(seconds=seconds), 0
    while runtime.clock() < until:
        changed = do_slice(runtime)
        if changed is None:
            break
        total += changed
    return total


def do_slice(runtime: Runtime) -> int | None:
    """Do the next slice of an open act; returns how many rows it changed, None if there is nothing to do."""
    now = runtime.clock()
    act_id = runtime.store.transact(partial(queries.take_next, now=now))
    return None if act_id is None else runtime.store.transact(partial(_slice, act_id=act_id, now=now))


def _slice(tx: Transaction, *, act_id: int, now: datetime) -> int | None:
    act = queries.hold(tx, act_id)
    if act is None:
        return None
    limit = RESTORED if act.kind is Kind.RESTORE else SLICE
    ids, marks = _next(tx, act, limit)
    outcome = _changed(tx, act, ids, marks, now) if ids else Outcome()
    if act.kind in UNDONE_BY:
        queries.keep_rows(tx, act.id, outcome.done, at=now)
    done, skipped = act.done + len(outcome.done), Counter(act.skipped) + outcome.left
    is_last = len(ids) < limit
    if is_last and (missing := act.expected - done - skipped.total()) > 0:
        # They matched when the act was begun, and something else has changed them since.
        skipped[Left.CHANGED] += missing
    queries.advance(tx, act.id, cursor_id=ids[-1] if ids else act.cursor_id, done=done, skipped=skipped)
    if is_last:
        end(tx, act, BulkActState.DONE, number=done, left=skipped.total(), now=now)
    return len(outcome.done)


def _next(tx: Transaction, act: BulkAct, limit: int) -> tuple[Sequence[int], Marks | None]:
    if act.scope.undone is not None:
        marks = queries.changed_rows(tx, act.scope.undone, after=act.cursor_id, limit=limit)
        return list(marks), marks
    if act.scope.ids is not None:
        return [one for one in act.scope.ids if one > act.cursor_id][:limit], None
    if act.kind in OF_PETITION:
        return signature_rows.next_rows(tx, act, limit), None
    return mail_rows.ROWS[act.kind].next(tx, act, limit), None


def _changed(tx: Transaction, act: BulkAct, ids: Sequence[int], marks: Marks | None, now: datetime) -> Outcome:
    if act.kind in OF_PETITION:
        return signature_rows.change(tx, act, ids, marks, now)
    return mail_rows.ROWS[act.kind].change(tx, act, ids, now)


def end(
    tx: Transaction,
    act: BulkAct,
    state: BulkActState,
    *,
    number: int,
    left: int,
    now: datetime,
    by: int | None = None,
) -> None:
    """End an act, and write its one entry into the audit log.

    Args:
        tx: the transaction that holds the act.
        act: the act.
        state: done, or stopped.
        number: rows that it changed.
        left: rows that it left as they were.
        now: the present moment.
        by: who stopped it.
    """
    queries.end(tx, act.id, state=state, by=by, now=now)
    is_stopped = state is BulkActState.STOPPED
    stopped: dict[str, object] = {"stopped": True, "member": by} if is_stopped else {}
    audit.add(
        tx,
        action=str(act.kind),
        subject="bulk_act",
        subject_id=act.id,
        petition_id=act.petition_id,
        account_id=act.account_id,
        detail={"number": number, "skipped": left, "reason": act.reason} | stopped,
    )


def forget_rows(runtime: Runtime) -> int:
    """Delete which rows were changed by acts that can't be undone any longer; returns how many."""
    total, found = 0, FORGOTTEN
    while found == FORGOTTEN:
        before = runtime.clock() - UNDO
        found = runtime.store.transact(partial(queries.forget_rows, ended_before=before, limit=FORGOTTEN))
        total += found
    return total
