"""The message table as seen by the workers: claim with a lease, submit, settle, and recover what a death left."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.outbox import counted
from campaign.outbox.claimed import Claimed, as_claimed
from campaign.outbox.lanes import RESTORED
from campaign.states import Lane

QUARANTINE = 3
"""A row that three workers died with is taken out of the traffic."""


_WANTED = """(m.signature_id is null or m.kind in ('reply_forwarded', 'reply_erased') or (s.address is not null
    and case when m.kind in ('confirmation', 'reminder') then s.state = 'pending'
        when m.kind in ('my_signatures', 'reply_where', 'reply_stopped', 'reply_hidden', 'reply_refused')
            then s.state <> 'expired'
        when m.kind = 'address_changed' then s.state in ('confirmed', 'withdrawn')
        when m.kind in ('milestone', 'update') then s.state = 'confirmed' and s.wants_updates
        else s.state = 'confirmed' end))"""
"""Consent: withdrawn, unsubscribed and erased signatures get no mail."""


_OPEN_LANE = """not exists (
        select 1 from lane l where l.name = :lane and (l.paused_at is not null or l.not_before > :now))"""

_DUE = f"""due as (
    select m.id, m.signature_id from message m
    where m.lane = :lane and m.state = 'planned' and m.due_at <= :now and m.losses = 0 and {_OPEN_LANE}
        and (m.blast_id is null or m.blast_id in (
            select b.id from blast b where b.paused_at is null and b.cancelled_at is null))
    order by m.due_at, m.id limit :limit
    for update of m skip locked)"""
_DUE_SUSPECTS = _DUE.replace("m.losses = 0", "m.losses > 0")

_PAST_RESTORE = """lane l join message m on m.lane = l.name
    where l.name = :lane and l.paused_reason = :restored and (l.not_before is null or l.not_before <= :now)
        and m.account_id is not null and m.kind = 'sign_in' and m.state = 'planned' and m.losses = 0
        and m.due_at <= :now and m.planned_at >= l.paused_at"""
"""Sign-in links that were asked for after a backup was restored: mail to accounts is rare, and has an index."""

_DUE_PAST_RESTORE = f"""due as (
    select m.id, m.signature_id from {_PAST_RESTORE}
    order by m.due_at, m.id limit :limit
    for update of m skip locked)"""

_WAITING = """recursive waiting as (
    (select m.blast_id from message m where m.state = 'planned' and m.blast_id is not null order by m.blast_id limit 1)
    union all
    select (select m.blast_id from message m where m.state = 'planned' and m.blast_id > w.blast_id
        order by m.blast_id limit 1)
    from waiting w where w.blast_id is not null)"""
"""The blasts that have planned messages: one step of the index for each, however many messages it has."""

_DUE_BESIDE_HELD = f"""{_WAITING},
going as (
    select b.id, first.due_at from waiting w join blast b on b.id = w.blast_id
    cross join lateral (
        select m.due_at from message m where m.blast_id = b.id and m.state = 'planned'
        order by m.due_at, m.id limit 1) first
    where b.paused_at is null and b.cancelled_at is null and first.due_at <= :now and {_OPEN_LANE}
    order by first.due_at),
due as (
    select m.id, m.signature_id from going cross join lateral (
        select m.id, m.signature_id from message m
        where m.blast_id = going.id and m.state = 'planned' and m.due_at <= :now and m.losses = 0
        order by m.due_at, m.id limit :limit
        for update of m skip locked) m
    limit :limit)"""


def _is_any_held(tx: Transaction) -> bool:
    """True if a blast that is paused or cancelled still has planned messages."""
    return bool(
        tx.execute(
            text(f"""
            with {_WAITING}
            select exists (
                select 1 from waiting w join blast b on b.id = w.blast_id
                where b.paused_at is not null or b.cancelled_at is not null)""")
        ).scalar_one()
    )


def claim(
    tx: Transaction,
    lane: Lane,
    *,
    owner_id: int,
    limit: int,
    lease_until: datetime,
    now: datetime,
    suspects: bool = False,
    at_once: bool = False,
) -> list[Claimed]:
    """Take due messages of a lane, oldest first; rows that another worker is taking are skipped.

    A paused lane, an open circuit and a paused or cancelled blast yield nothing, but for sign-in links after a restore:
    without them no admin could resume the lane. ``suspects`` takes the rows that a
    worker died with instead of the others: claimed alone, a poisonous row takes no neighbour into quarantine.
    ``at_once`` looks at consent too and marks what may go as about to reach the wire, which saves a step per message
    where they are many and go within seconds; the rest is claimed, for :func:`leave_out`.

    While a blast is held, its rows stand in front and might be a million: then the others are looked up by blast.
    """
    due = _DUE_SUSPECTS if suspects else _DUE_BESIDE_HELD if lane is Lane.BULK and _is_any_held(tx) else _DUE
    values = {
        "lane": str(lane),
        "owner_id": owner_id,
        "limit": limit,
        "lease_until": lease_until,
        "now": now,
        "at_once": at_once,
    }
    claimed = _take(tx, due, values)
    if not claimed and lane is Lane.URGENT and not suspects:
        return _take(tx, _DUE_PAST_RESTORE, values | {"restored": RESTORED})
    return claimed


def _take(tx: Transaction, due: str, values: Mapping[str, object]) -> list[Claimed]:
    rows = tx.execute(
        text(f"""
        with {due}, taken as (
            update message m set owner_id = :owner_id, lease_until = :lease_until, attempts = m.attempts + 1,
                state = case when :at_once and {_WANTED} then cast('submitting' as message_state) else 'claimed' end
            from due left join signature s on s.id = due.signature_id
            where m.id = due.id
            returning m.id, m.kind, m.attempts, m.planned_at, m.state = 'submitting' as is_ready, m.petition_id,
                m.blast_id, m.account_id, m.about_id, m.signature_id, s.state as signature_state, s.locale,
                s.wants_updates, s.forget, s.requested_at, s.nonce, s.address, s.name)
        select * from taken order by id"""),
        **values,
    ).all()
    return [as_claimed(row) for row in rows]


def has_due(tx: Transaction, lane: Lane, *, now: datetime) -> bool:
    """True if a worker of this lane would find work now."""
    # Ordered, for then it reads the index; an `exists` would read the whole table while the other lane's queue is long.
    return bool(
        tx.execute(
            text(f"""
            select (select m.id from message m where m.lane = :lane and m.state = 'planned' and m.due_at <= :now
                    order by m.due_at, m.id limit 1) is not null
                and (not exists (
                    select 1 from lane l where l.name = :lane and (l.paused_at is not null or l.not_before > :now))
                    or exists (select 1 from {_PAST_RESTORE}))"""),
            lane=str(lane),
            now=now,
            restored=RESTORED,
        ).scalar_one()
    )


def begin_submitting(tx: Transaction, message_ids: Sequence[int], *, owner_id: int) -> set[int]:
    """Mark claimed messages as about to reach the wire, if consent is still given; returns those that may go.

    This is the last look: who withdrew, unsubscribed or was erased since the claim is left out here.
    """
    rows = tx.execute(
        text(f"""
        update message m set state = 'submitting'
        from message w left join signature s on s.id = w.signature_id
        where w.id = m.id and m.id = any(:ids) and m.state = 'claimed' and m.owner_id = :owner_id and {_WANTED}
            and (m.blast_id is null or exists (
                select 1 from blast b where b.id = m.blast_id and b.paused_at is null and b.cancelled_at is null))
        returning m.id"""),
        ids=list(message_ids),
        owner_id=owner_id,
    )
    return set(rows.scalars())


def leave_out(tx: Transaction, message_ids: Sequence[int], *, owner_id: int, now: datetime) -> int:
    """Settle claimed messages that :func:`begin_submitting` left out, with the reason; a paused blast only waits."""
    rows = tx.execute(
        text("""
        update message m set owner_id = null, lease_until = null, state = o.state, reason = o.reason,
            attempts = case when o.state = 'planned' then greatest(m.attempts - 1, 0) else m.attempts end,
            settled_at = case when o.state = 'planned' then null else cast(:now as timestamptz) end
        from (
            select w.id,
                cast(case when b.cancelled_at is not null then 'cancelled' when b.paused_at is not null then 'planned'
                    else 'suppressed' end as message_state) as state,
                case when b.cancelled_at is not null then 'blast_cancelled' when b.paused_at is not null then null
                    when s.address is null then 'erased'
                    when s.state = 'confirmed' and w.kind in ('confirmation', 'reminder') then 'confirmed_already'
                    when s.state = 'confirmed' then 'unsubscribed'
                    else cast(s.state as text) end as reason
            from message w left join signature s on s.id = w.signature_id left join blast b on b.id = w.blast_id
            where w.id = any(:ids)) as o
        where m.id = o.id and m.state = 'claimed' and m.owner_id = :owner_id
        returning m.kind, m.lane, nullif(cast(m.state as text), 'planned') as outcome"""),
        ids=list(message_ids),
        owner_id=owner_id,
        now=now,
    )
    return counted.count_rows(tx, rows)


LOST = "m.state = 'uncertain' and m.reason = 'worker_lost'"
"""A message called uncertain only because its worker was not heard of: that worker's own word still settles it."""


def give_back(tx: Transaction, message_ids: Sequence[int], *, owner_id: int, due_at: datetime | None = None) -> int:
    """Return claimed or submitting messages that certainly did not reach the server; the attempt does not count."""
    return tx.execute(
        text(f"""
        update message m set state = 'planned', owner_id = null, lease_until = null, settled_at = null,
            attempts = greatest(attempts - 1, 0), due_at = coalesce(:due_at, due_at)
        where m.id = any(:ids) and m.owner_id = :owner_id and (m.state in ('claimed', 'submitting') or {LOST})"""),
        ids=list(message_ids),
        owner_id=owner_id,
        due_at=due_at,
    ).rowcount


def postpone(tx: Transaction, due_at: Mapping[int, datetime], *, owner_id: int) -> int:
    """Return messages whose domain has had its share for now, each with its own moment; the attempt does not count."""
    return tx.execute(
        text(f"""
        update message m set state = 'planned', owner_id = null, lease_until = null, settled_at = null,
            attempts = greatest(m.attempts - 1, 0), due_at = o.due_at
        from unnest(cast(:ids as bigint[]), cast(:dues as timestamptz[])) as o(id, due_at)
        where m.id = o.id and m.owner_id = :owner_id and (m.state in ('claimed', 'submitting') or {LOST})"""),
        ids=list(due_at),
        dues=list(due_at.values()),
        owner_id=owner_id,
    ).rowcount


def refund(tx: Transaction, message_ids: Sequence[int]) -> int:
    """Do not count the last attempt of planned messages: what it met was not theirs."""
    return tx.execute(
        text("update message set attempts = greatest(attempts - 1, 0) where id = any(:ids) and state = 'planned'"),
        ids=list(message_ids),
    ).rowcount


@dataclass(slots=True)
class Settlement:
    """How one attempt ended. ``state`` is a final state, or ``planned`` with the moment of the next attempt."""

    message_id: int
    state: str
    reason: str | None = None
    phase: str | None = None
    reply_code: int | None = None
    enhanced: str | None = None
    due_at: datetime | None = None


def settle(tx: Transaction, settlements: Sequence[Settlement], *, owner_id: int, now: datetime) -> set[int]:
    """Record outcomes and return the messages that changed.

    Rows that someone else settled meanwhile are left alone, but for those whose lease ran out while this worker was
    slow: what it knows beats the doubt.
    """
    if not settlements:
        return set()
    alike: dict[tuple[object, ...], list[int]] = {}
    for item in settlements:
        key = (item.state, item.reason, item.phase, item.reply_code, item.enhanced, item.due_at)
        alike.setdefault(key, []).append(item.message_id)
    if len(alike) <= FEW:
        ids = {id_ for group in alike.items() for id_ in _settle_alike(tx, *group, owner_id=owner_id, now=now)}
    else:
        ids = _settle_each(tx, settlements, owner_id=owner_id, now=now)
    _log_attempts(tx, [item for item in settlements if item.message_id in ids], owner_id=owner_id, now=now)
    return ids


FEW = 8
"""Up to so many different outcomes, one statement for each is quicker than one with an array per column."""

_SETTLE = """
    where m.id = any(cast(:ids as bigint[])) and m.owner_id = :owner_id and case m.state
        when 'claimed' then true when 'submitting' then true when 'uncertain' then m.reason = 'worker_lost'
        else false end
    returning m.id"""
"""A case, so that rows are found by id: the index of leases is full of what was settled since the last vacuum.

An uncertain row that was only lost (:data:`LOST`) may be settled by its own worker's word."""


def _settle_alike(
    tx: Transaction, outcome: tuple[object, ...], message_ids: list[int], *, owner_id: int, now: datetime
) -> Iterable[int]:
    state, reason, phase, code, enhanced, due_at = outcome
    return tx.execute(
        text(f"""
        update message m set state = :state, owner_id = null, lease_until = null, reason = :reason, phase = :phase,
            reply_code = :code, enhanced = :enhanced, due_at = coalesce(cast(:due_at as timestamptz), m.due_at),
            settled_at = :settled_at
        {_SETTLE}"""),
        ids=message_ids,
        state=state,
        reason=reason,
        phase=phase,
        code=code,
        enhanced=enhanced,
        due_at=due_at,
        settled_at=None if state == "planned" else now,
        owner_id=owner_id,
    ).scalars()


def _settle_each(tx: Transaction, settlements: Sequence[Settlement], *, owner_id: int, now: datetime) -> set[int]:
    changed = tx.execute(
        text(f"""
        update message m set state = o.state, owner_id = null, lease_until = null, reason = o.reason, phase = o.phase,
            reply_code = o.reply_code, enhanced = o.enhanced, due_at = coalesce(o.due_at, m.due_at),
            settled_at = case when o.state = 'planned' then null else cast(:now as timestamptz) end
        from {_OUTCOMES} {_SETTLE.replace("where", "where m.id = o.id and", 1)}"""),
        ids=[item.message_id for item in settlements],
        states=[item.state for item in settlements],
        reasons=[item.reason for item in settlements],
        phases=[item.phase for item in settlements],
        codes=[item.reply_code for item in settlements],
        enhanced=[item.enhanced for item in settlements],
        dues=[item.due_at for item in settlements],
        owner_id=owner_id,
        now=now,
    )
    return set(changed.scalars())


_OUTCOMES = """unnest(cast(:ids as bigint[]), cast(:states as message_state[]), cast(:reasons as text[]),
    cast(:phases as text[]), cast(:codes as smallint[]), cast(:enhanced as text[]), cast(:dues as timestamptz[]))
    as o(id, state, reason, phase, reply_code, enhanced, due_at)"""


def _log_attempts(tx: Transaction, settlements: Sequence[Settlement], *, owner_id: int, now: datetime) -> None:
    # An acceptance is recorded on the message itself; the log keeps what did not go well.
    odd = [item for item in settlements if item.state != "accepted" and item.phase is not None]
    if odd:
        tx.execute(
            text("""
            insert into attempt (message_id, at, worker_id, reply_code, result, phase, enhanced, answer)
            select o.id, :now, :owner_id, o.code, o.state, o.phase, o.enhanced, o.answer
            from unnest(cast(:ids as bigint[]), cast(:states as text[]), cast(:phases as text[]),
                cast(:codes as smallint[]), cast(:enhanced as text[]), cast(:answers as text[]))
                as o(id, state, phase, code, enhanced, answer)"""),
            ids=[item.message_id for item in odd],
            states=["deferred" if item.state == "planned" else item.state for item in odd],
            phases=[item.phase for item in odd],
            codes=[item.reply_code for item in odd],
            enhanced=[item.enhanced for item in odd],
            answers=[item.reason for item in odd],
            owner_id=owner_id,
            now=now,
        )
