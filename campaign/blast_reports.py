"""Reports of blasts: the equation of the ledger, reasons, rate and finish time, all from the rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from campaign.domain.blast import Blast, BlastStage
from campaign.domain.flow import rate_of
from campaign.domain.states import OPEN_STATES, MessageState
from campaign.errors import NotFoundError
from campaign.runtime import Runtime
from campaign.store import blasts as rows
from campaign.store.database import Transaction

RATE_WINDOW = timedelta(seconds=60)


@dataclass(frozen=True)
class Report:
    """How a blast went, or goes."""

    blast: Blast
    stage: BlastStage
    subject: str
    states: Mapping[MessageState, int]
    reasons: tuple[tuple[str, str, int], ...]
    rate: float
    """Accepted per second over the last minute, or since the first mail if that is more recent."""
    first_at: datetime | None
    last_at: datetime | None
    finish_at: datetime | None

    @property
    def planned(self) -> int:
        """All messages of the blast: accepted + rejected + suppressed + cancelled + uncertain + open."""
        return sum(self.states.values())

    @property
    def open(self) -> int:
        """Messages with something still to come."""
        return sum(self.states.get(state, 0) for state in OPEN_STATES)


def report(runtime: Runtime, blast_id: int, petition_id: int) -> Report:
    """The equation of P6 with reasons, rate and finish time, all from the rows.

    Raises:
        NotFoundError: it is not a blast of this petition.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> Report:
        blast = rows.by_id(tx, blast_id)
        if blast is None or blast.petition_id != petition_id:
            raise NotFoundError("there is no such update")
        return _report(tx, blast, now)

    return runtime.store.transact(work)


def reports(runtime: Runtime, petition_id: int) -> list[Report]:
    """The reports of all blasts of a petition, newest first."""
    now = runtime.clock()
    return runtime.store.transact(lambda tx: [_report(tx, blast, now) for blast in rows.of_petition(tx, petition_id)])


def running(runtime: Runtime) -> list[Report]:
    """Scheduled, held and unfinished blasts of all petitions, for the monitor."""
    now = runtime.clock()
    return runtime.store.transact(lambda tx: [_report(tx, blast, now) for blast in rows.unfinished(tx)])


def _report(tx: Transaction, blast: Blast, now: datetime) -> Report:
    states = {MessageState(state): number for state, number in rows.equation(tx, blast.id).items()}
    accepted, since = rows.accepted_since(tx, blast.id, since=now - RATE_WINDOW)
    rate = rate_of(accepted, since, now, window=RATE_WINDOW.total_seconds())
    first_at, last_at = rows.times(tx, blast.id)
    still = sum(states.get(state, 0) for state in OPEN_STATES)
    texts = rows.texts(tx, blast.id)
    return Report(
        blast=blast, stage=blast.stage(open_rows=still), subject=next(iter(texts.values()))[0] if texts else "",
        states=states, reasons=tuple(rows.reasons(tx, blast.id)), rate=rate, first_at=first_at, last_at=last_at,
        finish_at=now + timedelta(seconds=still / rate) if rate and still else None,
    )  # fmt: skip


def petition_of(runtime: Runtime, blast_id: int) -> int:
    """The petition of a blast, for whoever may work on every one.

    Raises:
        NotFoundError: there is no such blast.
    """
    found = runtime.store.transact(lambda tx: rows.by_id(tx, blast_id))
    if found is None:
        raise NotFoundError("there is no such update")
    return found.petition_id
