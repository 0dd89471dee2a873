"""SQL of acts on many rows: the work list of the workers, the progress, and the rows that an act changed."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from campaign.bulk_acts.rules import BulkAct, Kind, Scope
from campaign.database.connection import Transaction
from campaign.signatures.many import Marks
from campaign.states import BulkActState

_COLUMNS = """id, kind, state, petition_id, account_id, scope, upper_id, as_of, cursor_id, expected, done, skipped,
    reason, request_key, created_at, started_at, ended_at"""


def _act(row: Row[Any]) -> BulkAct:
    values = row._asdict()
    values |= {"kind": Kind(row.kind), "state": BulkActState(row.state), "scope": Scope.of(row.scope)}
    return BulkAct(**values)


def add(
    tx: Transaction,
    *,
    kind: Kind,
    petition_id: int | None,
    account_id: int,
    scope: Scope,
    upper_id: int,
    as_of: datetime,
    expected: int,
    reason: str,
    request_key: str,
    now: datetime,
) -> int:
    """Store an act, or find the one with the same key; returns its id."""
    tx.execute(
        text("""
        insert into bulk_act (kind, petition_id, account_id, scope, upper_id, as_of, expected, reason, request_key,
            created_at)
        values (:kind, :petition_id, :account_id, cast(:scope as jsonb), :upper_id, :as_of, :expected, :reason, :key,
            :now)
        on conflict (request_key) do nothing"""),
        kind=str(kind),
        petition_id=petition_id,
        account_id=account_id,
        scope=json.dumps(scope.as_json()),
        upper_id=upper_id,
        as_of=as_of,
        expected=expected,
        reason=reason,
        key=request_key,
        now=now,
    )
    return int(tx.execute(text("select id from bulk_act where request_key = :key"), key=request_key).scalar_one())


def by_id(tx: Transaction, act_id: int, *, lock: bool = False) -> BulkAct | None:
    """One act; ``lock`` holds it until the transaction ends, and waits for the slice that is being done."""
    row = tx.execute(
        text(f"select {_COLUMNS} from bulk_act where id = :id {'for update' if lock else ''}"), id=act_id
    ).one_or_none()
    return None if row is None else _act(row)


def newest(tx: Transaction, *, petition_id: int | None, before: int, limit: int) -> list[BulkAct]:
    """Acts below an id, the newest first: of a petition, or of all."""
    rows = tx.execute(
        text(f"""
        select {_COLUMNS} from bulk_act where id < :before {"and petition_id = :petition_id" if petition_id else ""}
        order by id desc limit :limit"""),
        before=before,
        limit=limit,
        **({"petition_id": petition_id} if petition_id else {}),
    )
    return [_act(row) for row in rows]


def take_next(tx: Transaction, *, now: datetime) -> int | None:
    """Mark the open act that waited longest as running, and put it at the end of the line; returns its id.

    One that another worker is at work on is left out. An act whose slice fails does not hold up the others.
    """
    return tx.execute(
        text("""
        update bulk_act set state = 'running', worked_at = :now, started_at = coalesce(started_at, :now)
        where id = (
            select id from bulk_act where state in ('waiting', 'running')
            order by worked_at nulls first, id limit 1 for update skip locked)
        returning id"""),
        now=now,
    ).scalar_one_or_none()


def hold(tx: Transaction, act_id: int) -> BulkAct | None:
    """A running act, for this transaction alone; None if another has it, or it was stopped."""
    row = tx.execute(
        text(f"select {_COLUMNS} from bulk_act where id = :id and state = 'running' for update skip locked"), id=act_id
    ).one_or_none()
    return None if row is None else _act(row)


def advance(tx: Transaction, act_id: int, *, cursor_id: int, done: int, skipped: Mapping[str, int]) -> None:
    """Store how far an act is."""
    tx.execute(
        text("""
        update bulk_act set cursor_id = :cursor_id, done = :done, skipped = cast(:skipped as jsonb) where id = :id"""),
        id=act_id,
        cursor_id=cursor_id,
        done=done,
        skipped=json.dumps(dict(skipped)),
    )


def end(tx: Transaction, act_id: int, *, state: BulkActState, by: int | None, now: datetime) -> None:
    """End an open act."""
    tx.execute(
        text("""
        update bulk_act set state = :state, ended_at = :now, ended_by = :by
        where id = :id and state in ('waiting', 'running')"""),
        id=act_id,
        state=str(state),
        by=by,
        now=now,
    )


def keep_rows(tx: Transaction, act_id: int, row_ids: Sequence[int], *, at: datetime) -> None:
    """Note which rows an act changed, and when, so that it can be undone."""
    tx.execute(
        text("insert into bulk_act_row (act_id, row_id, at) select :act_id, unnest(cast(:ids as bigint[])), :at"),
        act_id=act_id,
        ids=list(row_ids),
        at=at,
    )


def changed_rows(tx: Transaction, act_id: int, *, after: int, limit: int) -> Marks:
    """The next rows that an act changed, by id, each with its moment."""
    rows = tx.execute(
        text("""
        select row_id, at from bulk_act_row where act_id = :act_id and row_id > :after order by row_id limit :limit"""),
        act_id=act_id,
        after=after,
        limit=limit,
    )
    return {row.row_id: row.at for row in rows}


def count_changed(tx: Transaction, act_id: int) -> int:
    """How many rows of an act can be undone."""
    return int(tx.execute(text("select count(*) from bulk_act_row where act_id = :act_id"), act_id=act_id).scalar_one())


def forget_rows(tx: Transaction, *, ended_before: datetime, limit: int) -> int:
    """Delete the rows, and the chosen ids, of acts that can't be undone any longer; returns how many rows."""
    found = list(
        tx.execute(
            text("""
            delete from bulk_act_row where (act_id, row_id) in (
                select r.act_id, r.row_id from bulk_act a join bulk_act_row r on r.act_id = a.id
                where a.ended_at < :before limit :limit)
            returning act_id"""),
            before=ended_before,
            limit=limit,
        ).scalars()
    )
    tx.execute(
        text("""
        update bulk_act set scope = '{"ids": []}'
        where ended_at < :before and jsonb_array_length(scope -> 'ids') > 0"""),
        before=ended_before,
    )
    return len(found)
