"""Leases that ran out: what dead workers held, and what became of it."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.outbox import counted
from campaign.outbox.counted import MessageOutcome
from campaign.outbox.ledger import LOST, QUARANTINE

SPACED = 15
"""Seconds until a message is tried again that two workers died with, so that the two have no other cause in common."""

_LOSSES = "(m.losses + cast(:all or m.id = any(:at_work) as int))"
_IS_POISON = f"{_LOSSES} >= {QUARANTINE} and {_LOSSES} > m.losses"

_DEATH = f"""attempts = greatest(m.attempts - 1, 0), losses = {_LOSSES},
    state = case when {_IS_POISON} then cast('rejected' as message_state) else 'planned' end,
    due_at = case when {_LOSSES} = 2 and m.losses = 1
        then cast(:now as timestamptz) + interval '{SPACED} seconds' else m.due_at end,
    settled_at = case when {_IS_POISON} then cast(:now as timestamptz) end"""
"""A worker died with the row, which the server certainly does not have; the third death quarantines it as poison.

It counts only against what the worker was at work on, of all that it held, if that is known.
"""

_COUNTED = f"m.kind, m.lane, case when m.state = 'rejected' then '{MessageOutcome.POISON}' end as outcome"


def recover_claimed(tx: Transaction, *, now: datetime) -> int:
    """Plan claimed messages again whose lease ran out; at the third death the row is rejected as poison."""
    rows = tx.execute(
        text(f"""
        update message m set owner_id = null, lease_until = null, {_DEATH},
            reason = case when {_IS_POISON} then 'poison' else 'lease_expired' end
        where m.state = 'claimed' and m.lease_until < :now
        returning {_COUNTED}"""),
        all=True,
        at_work=[],
        now=now,
    )
    return counted.count_rows(tx, rows)


def lose_submitting(tx: Transaction, *, now: datetime) -> int:
    """Call messages uncertain whose worker vanished while they were about to reach the wire; it stays noted as owner.

    Its journal is on another host, or lost. Should the worker, or its journal, turn up again, that settles them.
    """
    rows = tx.execute(
        text("""
        update message set state = 'uncertain', lease_until = null, reason = 'worker_lost', settled_at = :now
        where state = 'submitting' and lease_until < :now
        returning kind, lane"""),
        now=now,
    )
    return counted.count_rows(tx, rows, MessageOutcome.UNCERTAIN)


def held_by(tx: Transaction, owner_id: int) -> dict[int, str]:
    """What a worker holds, or held when it was lost: state by message id; locked."""
    rows = tx.execute(
        text(f"""
        select m.id, m.state from message m
        where m.owner_id = :owner_id and (m.state in ('claimed', 'submitting') or {LOST}) for update"""),
        owner_id=owner_id,
    )
    return {row.id: row.state for row in rows}


def resolve(
    tx: Transaction, owner_id: int, states: Mapping[int, str], *, at_work: Collection[int] | None, now: datetime
) -> int:
    """Settle what a dead worker left, by the evidence: ``accepted``, ``uncertain`` or ``planned`` per message.

    Its death counts against the planned ones that are ``at_work``; against all of them if that is None.
    """
    planned = [message_id for message_id, state in states.items() if state == "planned"]
    again = tx.execute(
        text(f"""
        update message m set owner_id = null, lease_until = null, {_DEATH},
            reason = case when {_IS_POISON} then 'poison' else 'worker_died' end
        where m.id = any(:ids) and m.owner_id = :owner_id and (m.state in ('claimed', 'submitting') or {LOST})
        returning {_COUNTED}"""),
        ids=planned,
        all=at_work is None,
        at_work=list(at_work or ()),
        owner_id=owner_id,
        now=now,
    )
    settled = {message_id: state for message_id, state in states.items() if state != "planned"}
    ended = tx.execute(
        text(f"""
        update message m set state = o.state, owner_id = null, lease_until = null, reason = 'worker_died',
            phase = 'dot', settled_at = :now
        from unnest(cast(:ids as bigint[]), cast(:states as message_state[])) as o(id, state)
        where m.id = o.id and m.owner_id = :owner_id and (m.state in ('claimed', 'submitting') or {LOST})
        returning m.kind, m.lane, cast(m.state as text) as outcome"""),
        ids=list(settled),
        states=list(settled.values()),
        owner_id=owner_id,
        now=now,
    )
    return counted.count_rows(tx, again) + counted.count_rows(tx, ended)
