"""Leases that ran out: what dead workers held, and what became of it."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.outbox.ledger import LOST, QUARANTINE

_DEATH = f"""attempts = greatest(m.attempts - 1, 0), losses = m.losses + 1,
    state = case when m.losses + 1 >= {QUARANTINE} then cast('rejected' as message_state) else 'planned' end,
    settled_at = case when m.losses + 1 >= {QUARANTINE} then cast(:now as timestamptz) end"""
"""A worker died with the row, which the server certainly does not have; the third death quarantines it as poison."""


def recover_claimed(tx: Transaction, *, now: datetime) -> int:
    """Plan claimed messages again whose lease ran out; at the third death the row is rejected as poison."""
    return tx.execute(
        text(f"""
        update message m set owner_id = null, lease_until = null, {_DEATH},
            reason = case when m.losses + 1 >= {QUARANTINE} then 'poison' else 'lease_expired' end
        where m.state = 'claimed' and m.lease_until < :now"""),
        now=now,
    ).rowcount


def lose_submitting(tx: Transaction, *, now: datetime) -> int:
    """Call messages uncertain whose worker vanished while they were about to reach the wire; it stays noted as owner.

    Its journal is on another host, or lost. Should the worker, or its journal, turn up again, that settles them.
    """
    return tx.execute(
        text("""
        update message set state = 'uncertain', lease_until = null, reason = 'worker_lost', settled_at = :now
        where state = 'submitting' and lease_until < :now"""),
        now=now,
    ).rowcount


def held_by(tx: Transaction, owner_id: int) -> dict[int, str]:
    """What a worker holds, or held when it was lost: state by message id; locked."""
    rows = tx.execute(
        text(f"""
        select m.id, m.state from message m
        where m.owner_id = :owner_id and (m.state in ('claimed', 'submitting') or {LOST}) for update"""),
        owner_id=owner_id,
    )
    return {row.id: row.state for row in rows}


def resolve(tx: Transaction, owner_id: int, states: Mapping[int, str], *, now: datetime) -> int:
    """Settle what a dead worker left, by the evidence: ``accepted``, ``uncertain`` or ``planned`` per message."""
    planned = [message_id for message_id, state in states.items() if state == "planned"]
    again = tx.execute(
        text(f"""
        update message m set owner_id = null, lease_until = null, {_DEATH},
            reason = case when m.losses + 1 >= {QUARANTINE} then 'poison' else 'worker_died' end
        where m.id = any(:ids) and m.owner_id = :owner_id and (m.state in ('claimed', 'submitting') or {LOST})"""),
        ids=planned,
        owner_id=owner_id,
        now=now,
    ).rowcount
    settled = {message_id: state for message_id, state in states.items() if state != "planned"}
    ended = tx.execute(
        text(f"""
        update message m set state = o.state, owner_id = null, lease_until = null, reason = 'worker_died',
            phase = 'dot', settled_at = :now
        from unnest(cast(:ids as bigint[]), cast(:states as message_state[])) as o(id, state)
        where m.id = o.id and m.owner_id = :owner_id and (m.state in ('claimed', 'submitting') or {LOST})"""),
        ids=list(settled),
        states=list(settled.values()),
        owner_id=owner_id,
        now=now,
    ).rowcount
    return again + ended
