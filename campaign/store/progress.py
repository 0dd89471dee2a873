"""How far blasts are that are scheduled, held or not finished. Counted from indexes alone, however large the ledger.

The states come from ix_message_blast_state (blast_id, state), of long blasts from what a job last counted; the
rate from the newest acceptances.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.domain.blast import Blast
from campaign.domain.flow import BlastLook
from campaign.outbox import depth
from campaign.states import OPEN_STATES, Lane, MessageState
from campaign.store import blasts, rates


def unfinished(tx: Transaction, *, now: datetime) -> tuple[BlastLook, ...]:
    """Blasts with something still to come, those that run first."""
    found = blasts.unfinished(tx)
    if not found:
        return ()
    ids = [blast.id for blast in found]
    by_state = depth.remembered_blasts(tx, ids, now=now)
    by_state |= states(tx, [blast_id for blast_id in ids if blast_id not in by_state])
    by_blast = rates.newest(tx, Lane.BULK, now=now).by_blast
    slugs = _slugs(tx, [blast.petition_id for blast in found])
    looks = [
        _look(blast, slugs[blast.petition_id], by_state.get(blast.id, {}), by_blast.get(blast.id, 0.0))
        for blast in found
    ]
    return tuple(sorted(looks, key=lambda look: look.started_at is None))


def _look(blast: Blast, slug: str, states: Mapping[MessageState, int], rate: float) -> BlastLook:
    still = sum(states.get(state, 0) for state in OPEN_STATES)
    return BlastLook(
        id=blast.id, petition=slug, kind=str(blast.kind), stage=str(blast.stage(open_rows=still)),
        planned=sum(states.values()), open=still, accepted=states.get(MessageState.ACCEPTED, 0),
        rejected=states.get(MessageState.REJECTED, 0), uncertain=states.get(MessageState.UNCERTAIN, 0), rate=rate,
        send_at=blast.send_at, started_at=blast.started_at, paused_at=blast.paused_at, reason=blast.paused_reason,
    )  # fmt: skip


def states(tx: Transaction, blast_ids: Sequence[int]) -> dict[int, dict[MessageState, int]]:
    """The messages of blasts by state: P6 says that they add up to what was planned."""
    found: dict[int, dict[MessageState, int]] = {}
    if not blast_ids:
        return found
    # Blast by blast and state by state: each is a short walk along the index, where one GROUP BY reads the table.
    rows = tx.execute(
        text("""
        select b.blast_id, s.state, m.messages
        from unnest(cast(:ids as int[])) as b(blast_id)
        cross join unnest(enum_range(null::message_state)) as s(state)
        cross join lateral (
            select count(*) as messages from message where blast_id = b.blast_id and state = s.state) as m
        where m.messages > 0"""),
        ids=list(blast_ids),
    )
    for row in rows:
        found.setdefault(row.blast_id, {})[MessageState(row.state)] = row.messages
    return found


def _slugs(tx: Transaction, petition_ids: list[int]) -> dict[int, str]:
    rows = tx.execute(text("select id, slug from petition where id = any(:ids)"), ids=petition_ids)
    return {row.id: row.slug for row in rows}
