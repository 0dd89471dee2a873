"""Messages that did not get through, by cause, and the moves that an admin may make with them.

Groups are found by ix_message_trouble (state, settled_at) and, what is deferred, by ix_message_due (lane, due_at, id).
Each move names in its WHERE clause the states it may start from: a worker or another person may have been quicker.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.operations.health import FailureGroup
from campaign.operations.rules import Action, sources
from campaign.outbox import counted
from campaign.outbox.counted import MessageOutcome
from campaign.states import Lane, MessageKind

TROUBLES = 50

_CAUSE = r"regexp_replace({}, '\y(?=\w*[0-9])\w{{6,}}\y', '…', 'g')"
"""Ids and times in a server's words are shortened, so that equal causes meet."""

_STATES = {
    "uncertain": "m.state = 'uncertain'",
    "rejected": "m.state = 'rejected' and m.settled_at > :since",
    "deferred": "m.state = 'planned' and m.due_at > :now and m.attempts > 0",
}


def groups(tx: Transaction, *, since: datetime, now: datetime, limit: int = TROUBLES) -> tuple[FailureGroup, ...]:
    """Uncertain, rejected (since a moment) and deferred messages by cause, the most frequent first."""
    rows = tx.execute(
        text(f"""
        with open_trouble as (
            select lane, kind, cast(state as text) as state, phase, reply_code, enhanced, reason, count(*) as messages,
                min(settled_at) as oldest_at
            from message where state = 'uncertain' or (state = 'rejected' and settled_at > :since)
            group by 1, 2, 3, 4, 5, 6, 7
            union all
            select m.lane, m.kind, 'deferred', m.phase, m.reply_code, m.enhanced, m.reason, count(*), min(m.planned_at)
            from unnest(enum_range(null::lane_name)) as l(lane)
            join message m on m.lane = l.lane and m.state = 'planned' and m.due_at > :now and m.attempts > 0
            group by 1, 2, 3, 4, 5, 6, 7)
        select lane, kind, state, phase, reply_code, enhanced, {_CAUSE.format("reason")} as cause,
            cast(sum(messages) as bigint) as messages, min(oldest_at) as oldest_at
        from open_trouble group by 1, 2, 3, 4, 5, 6, 7
        order by messages desc, lane, kind, state, phase, reply_code, cause limit :limit"""),
        now=now,
        since=since,
        limit=limit,
    )
    return tuple(
        FailureGroup(
            lane=Lane(row.lane),
            kind=MessageKind(row.kind),
            state=row.state,
            phase=row.phase,
            code=row.reply_code,
            enhanced=row.enhanced,
            reason=row.cause,
            messages=row.messages,
            oldest_at=row.oldest_at,
        )
        for row in rows
    )


def members(
    tx: Transaction,
    group: FailureGroup,
    *,
    since: datetime,
    now: datetime,
    after: int,
    limit: int,
    within: tuple[int, datetime] | None = None,
    lock: bool = False,
) -> list[int]:
    """The messages of a group by id, beyond ``after``.

    Args:
        tx: the open transaction.
        group: the cause.
        since: rejected messages from this moment on.
        now: the present moment; deferred ones are due later.
        after: only greater ids.
        limit: how many at most.
        within: the largest id, and the moment after which none may have failed.
        lock: hold the rows, and leave out what others hold.
    """
    rows = tx.execute(
        text(f"""
        select m.id from message m where {_of_group(group, within)} and m.id > :after
        order by m.id limit :limit {"for update of m skip locked" if lock else ""}"""),
        **_values_of(group, within, since=since, now=now),
        after=after,
        limit=limit,
    )
    return list(rows.scalars())


def _of_group(group: FailureGroup, within: tuple[int, datetime] | None) -> str:
    bounds = " and m.id <= :upto" if within else ""
    bounds += " and m.settled_at <= :until" if within and group.state != "deferred" else ""
    return f"""{_STATES[group.state]}{bounds} and m.lane = :lane and m.kind = :kind
            and m.phase is not distinct from cast(:phase as text)
            and m.reply_code is not distinct from cast(:code as smallint)
            and m.enhanced is not distinct from cast(:enhanced as text)
            and {_CAUSE.format("m.reason")} is not distinct from cast(:cause as text)"""


def _values_of(
    group: FailureGroup, within: tuple[int, datetime] | None, *, since: datetime, now: datetime
) -> dict[str, object]:
    values: dict[str, object] = {
        "lane": str(group.lane),
        "kind": str(group.kind),
        "phase": group.phase,
        "code": group.code,
        "enhanced": group.enhanced,
        "cause": group.reason,
    }
    values |= {"since": since} if group.state == "rejected" else {}
    values |= {"now": now} if group.state == "deferred" else {}
    if within is not None:
        values |= {"upto": within[0]} | ({"until": within[1]} if group.state != "deferred" else {})
    return values


def _from(press: Action) -> list[str]:
    return [str(state) for state in sorted(sources(press))]


def retry(tx: Transaction, message_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Plan messages once more, with all their attempts before them, and hurry those that wait for a later one.

    Those of a cancelled blast stay as they are: nothing of it is sent.

    Returns:
        The messages that changed.
    """
    rows = tx.execute(
        text("""
        update message m set due_at = :now, state = 'planned', settled_at = null, owner_id = null,
            attempts = case when m.state = 'planned' then m.attempts else 0 end,
            reason = case when m.state = 'planned' then m.reason else 'sent_again' end,
            phase = case when m.state = 'planned' then m.phase end,
            reply_code = case when m.state = 'planned' then m.reply_code end,
            enhanced = case when m.state = 'planned' then m.enhanced end
        where m.id = any(:ids)
            and (m.state = any(cast(:states as message_state[])) or (m.state = 'planned' and m.due_at > :now))
            and not exists (select 1 from blast b where b.id = m.blast_id and b.cancelled_at is not null)
        returning m.id"""),
        ids=list(message_ids),
        states=_from(Action.RETRY),
        now=now,
    )
    return list(rows.scalars())


def accept(tx: Transaction, message_ids: Sequence[int], *, now: datetime) -> list[int]:
    """Take messages as arrived; the moment they went out stays, so that no rate jumps. Returns those that changed."""
    rows = tx.execute(
        text("""
        update message set state = 'accepted', owner_id = null, reason = 'accepted_by_person',
            settled_at = coalesce(settled_at, :now)
        where id = any(:ids) and state = any(cast(:states as message_state[]))
        returning id, kind, lane"""),
        ids=list(message_ids),
        states=_from(Action.ACCEPT),
        now=now,
    ).all()
    counted.count_rows(tx, rows, MessageOutcome.ACCEPTED)
    return [row.id for row in rows]


def cancel(tx: Transaction, message_ids: Sequence[int], *, now: datetime) -> list[int]:
    """End messages that were not handed over, or are uncertain. Returns those that changed."""
    rows = tx.execute(
        text("""
        update message set state = 'cancelled', owner_id = null, settled_at = :now, reason = 'cancelled_by_person'
        where id = any(:ids) and state = any(cast(:states as message_state[]))
        returning id, kind, lane"""),
        ids=list(message_ids),
        states=_from(Action.CANCEL),
        now=now,
    ).all()
    counted.count_rows(tx, rows, MessageOutcome.CANCELLED)
    return [row.id for row in rows]


def newest_id(tx: Transaction) -> int:
    """The largest id of a message; 0 if there is none."""
    return int(tx.execute(text("select coalesce(max(id), 0) from message")).scalar_one())


def count_members(
    tx: Transaction, group: FailureGroup, *, since: datetime, now: datetime, within: tuple[int, datetime]
) -> int:
    """How many messages :func:`members` finds."""
    return int(
        tx.execute(
            text(f"select count(*) from message m where {_of_group(group, within)}"),
            **_values_of(group, within, since=since, now=now),
        ).scalar_one()
    )
