"""How far blasts are that are scheduled, held or not finished. Counted from indexes alone, however large the ledger.

The states come from ix_message_blast_state (blast_id, state), of long blasts from what a job last counted; the
rate from the newest acceptances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.blasts import queries
from campaign.blasts.rules import Blast
from campaign.database.connection import Transaction
from campaign.outbox import depth
from campaign.states import OPEN_STATES, Lane, MessageState

SHORTEST_SPAN = 10.0
"""Seconds over which a rate is measured at least, so that two mails in one second are no 2/s."""


@dataclass(frozen=True)
class BlastStatus:
    """A blast that is scheduled, held or not finished."""

    id: int
    petition: str
    kind: str
    stage: str
    planned: int
    """All its messages; open, accepted, rejected and uncertain are parts of it."""
    open: int
    accepted: int
    rejected: int
    uncertain: int
    rate: float
    """Messages accepted per second, lately."""
    send_at: datetime | None
    started_at: datetime | None
    paused_at: datetime | None
    reason: str | None
    """Why it is paused or held."""
    deferred: int = 0
    """Of the open ones those that are tried again later."""
    first_retry_at: datetime | None = None

    def finish_at(self, now: datetime) -> datetime | None:
        """When it is done at the present rate, but for what is deferred; None if nothing moves."""
        due = self.open - self.deferred
        if due <= 0 or self.rate <= 0 or self.paused_at is not None:
            return None
        return now + timedelta(seconds=min(due / self.rate, 3e9))


def rate_of(accepted: int, first_at: datetime | None, now: datetime, *, window: float = 60.0) -> float:
    """Messages per second from what was accepted within a window that ends now.

    A flow that began within the window is measured from its beginning, so that the first finish time is not far off.

    Args:
        accepted: messages accepted in the window.
        first_at: the first of them.
        now: the present moment.
        window: seconds.
    """
    if not accepted or first_at is None:
        return 0.0
    span = min(max((now - first_at).total_seconds(), SHORTEST_SPAN), window)
    return accepted / span


MINUTE = timedelta(seconds=60)

NEWEST = 20_000
"""Acceptances looked at: all of the last minute up to 333 a second; of a faster flow the newest, which say as much."""


@dataclass(frozen=True)
class Newest:
    """The newest acceptances of a lane within a minute."""

    is_cut: bool
    """True if there are more in the minute than were looked at."""
    rate: float
    by_blast: Mapping[int, float]
    """Acceptances per second of each blast."""


def newest(tx: Transaction, lane: Lane, *, now: datetime) -> Newest:
    """Look at the newest acceptances of a lane, by ix_message_settled backwards."""
    rows = tx.execute(
        text("""
        with newest as (
            select blast_id, settled_at from message
            where lane = :lane and state = 'accepted' and settled_at > :since and settled_at <= :now
            order by lane desc, settled_at desc limit :limit)
        select blast_id, count(*) as messages, min(settled_at) as first_at from newest group by blast_id"""),
        lane=str(lane),
        since=now - MINUTE,
        now=now,
        limit=NEWEST,
    ).all()
    total = sum(row.messages for row in rows)
    if total < NEWEST:
        by_blast = {row.blast_id: rate_of(row.messages, row.first_at, now) for row in rows if row.blast_id is not None}
        return Newest(False, rate_of(total, min((row.first_at for row in rows), default=None), now), by_blast)
    span = max((now - min(row.first_at for row in rows)).total_seconds(), 1.0)
    return Newest(True, total / span, {row.blast_id: row.messages / span for row in rows if row.blast_id is not None})


def unfinished(tx: Transaction, *, now: datetime) -> tuple[BlastStatus, ...]:
    """Blasts with something still to come, those that run first."""
    found = queries.unfinished(tx)
    if not found:
        return ()
    ids = [blast.id for blast in found]
    by_state = depth.remembered_blasts(tx, ids, now=now)
    by_state |= states(tx, [blast_id for blast_id in ids if blast_id not in by_state])
    by_blast = newest(tx, Lane.BULK, now=now).by_blast
    later = deferred(tx, now=now)
    slugs = _slugs(tx, [blast.petition_id for blast in found])
    looks = [
        _look(
            blast,
            slugs[blast.petition_id],
            by_state.get(blast.id, {}),
            by_blast.get(blast.id, 0.0),
            later.get(blast.id, NONE_DEFERRED),
        )
        for blast in found
    ]
    return tuple(sorted(looks, key=lambda look: look.started_at is None))


def _look(blast: Blast, slug: str, states: Mapping[MessageState, int], rate: float, later: "Deferred") -> BlastStatus:
    still = sum(states.get(state, 0) for state in OPEN_STATES)
    return BlastStatus(
        id=blast.id,
        petition=slug,
        kind=str(blast.kind),
        stage=str(blast.stage(open_rows=still)),
        planned=sum(states.values()),
        open=still,
        accepted=states.get(MessageState.ACCEPTED, 0),
        rejected=states.get(MessageState.REJECTED, 0),
        uncertain=states.get(MessageState.UNCERTAIN, 0),
        rate=rate,
        send_at=blast.send_at,
        started_at=blast.started_at,
        paused_at=blast.paused_at,
        reason=blast.paused_reason,
        deferred=min(later.messages, still),
        first_retry_at=later.first_at,
    )


MOST_DEFERRED = 20_000
"""Deferred messages that are looked at, those that are due first; more change nothing that is said of a blast."""


@dataclass(frozen=True)
class Deferred:
    """Messages of a blast that were tried and are tried again later."""

    messages: int
    first_at: datetime | None


NONE_DEFERRED = Deferred(0, None)


def deferred(tx: Transaction, *, now: datetime) -> dict[int, Deferred]:
    """What is deferred, by blast, from the beginning of the later part of ix_message_due."""
    rows = tx.execute(
        text("""
        select blast_id, count(*) as messages, min(due_at) as first_at from (
            select blast_id, due_at, attempts from message
            where lane = 'bulk' and state = 'planned' and due_at > :now order by due_at, id limit :limit) as later
        where blast_id is not null and attempts > 0 group by blast_id"""),
        now=now,
        limit=MOST_DEFERRED,
    )
    return {row.blast_id: Deferred(row.messages, row.first_at) for row in rows}


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
