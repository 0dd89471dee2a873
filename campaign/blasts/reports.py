"""Reports of blasts: the equation of the ledger, reasons, rate and finish time, all from the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from campaign.blasts import progress, queries, returns, text_failures
from campaign.blasts.merge_tags import merged_line, shared_values
from campaign.blasts.returns import Returns
from campaign.blasts.rules import Blast, BlastStage
from campaign.database.connection import Transaction
from campaign.errors import NotFoundError
from campaign.petitions import petitions
from campaign.petitions.petitions import Opened
from campaign.runtime import Runtime
from campaign.states import OPEN_STATES, Lane, MessageState

NEVER = 3e9
"""Seconds: a century is as good as never, and a date beyond the calendar is an error."""


@dataclass(frozen=True)
class Report:
    """How a blast went, or goes."""

    blast: Blast
    stage: BlastStage
    subject: str
    """In the reader's language if it is written in it, with its merge tags filled in."""
    states: Mapping[MessageState, int]
    rate: float = 0.0
    """Accepted per second over the last minute."""
    reasons: tuple[tuple[str, str, int], ...] = ()
    first_at: datetime | None = None
    last_at: datetime | None = None
    finish_at: datetime | None = None
    """When it is done at the present rate, but for what is deferred."""
    deferred: int = 0
    """Of the open messages those that were tried and are tried again later."""
    first_retry_at: datetime | None = None
    returns: Returns | None = None
    """What came back after it was accepted; None before the blast began."""
    failed_locales: tuple[str, ...] = ()
    """Languages of which no mail can be made, if it paused for that."""

    @property
    def planned(self) -> int:
        """All messages of the blast: accepted + rejected + suppressed + cancelled + uncertain + open."""
        return sum(self.states.values())

    @property
    def is_discarded(self) -> bool:
        """True for a draft that was cancelled before its sending began: there is nothing to report of it."""
        return self.stage is BlastStage.CANCELLED and self.blast.started_at is None

    @property
    def open(self) -> int:
        """Messages with something still to come."""
        return sum(self.states.get(state, 0) for state in OPEN_STATES)


def report(runtime: Runtime, blast_id: int, petition_id: int, locale: str = "") -> Report:
    """The equation of P6 with reasons, rate and finish time, all from the rows.

    Args:
        runtime: the runtime.
        blast_id: which blast.
        petition_id: of this petition.
        locale: the language to name it in; the petition's own if not given.

    Raises:
        NotFoundError: it is not a blast of this petition.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> Report:
        blast = queries.by_id(tx, blast_id)
        if blast is None or blast.petition_id != petition_id:
            raise NotFoundError("there is no such update")
        [brief] = _brief(runtime, tx, [blast], locale)
        return _whole(tx, brief, now)

    return runtime.store.transact(work)


def reports(runtime: Runtime, petition_id: int, locale: str = "") -> list[Report]:
    """All blasts of a petition, newest first: stage and equation, for a list."""
    return runtime.store.transact(lambda tx: _brief(runtime, tx, queries.of_petition(tx, petition_id), locale))


def subjects(runtime: Runtime, blast_ids: Sequence[int], locale: str = "") -> dict[int, str]:
    """Subjects of blasts by id, each in the language if it is written in it; without those that have none."""

    def work(tx: Transaction) -> dict[int, str]:
        found = [blast for blast_id in blast_ids if (blast := queries.by_id(tx, blast_id)) is not None]
        return {brief.blast.id: brief.subject for blast in found for brief in _brief(runtime, tx, [blast], locale)}

    return {blast_id: subject for blast_id, subject in runtime.store.transact(work).items() if subject}


def _brief(runtime: Runtime, tx: Transaction, blasts: list[Blast], locale: str) -> list[Report]:
    if not blasts:
        return []
    states = progress.states(tx, [blast.id for blast in blasts])
    opened = petitions.by_id(runtime, tx, blasts[0].petition_id)
    return [
        Report(
            blast=blast,
            stage=blast.stage(open_rows=_open(states.get(blast.id, {}))),
            subject=_subject(runtime, opened, blast, queries.texts(tx, blast.id), locale),
            states=states.get(blast.id, {}),
        )
        for blast in blasts
    ]


def _open(states: Mapping[MessageState, int]) -> int:
    return sum(states.get(state, 0) for state in OPEN_STATES)


def _subject(
    runtime: Runtime, opened: Opened, blast: Blast, texts: Mapping[str, tuple[str, str, str]], locale: str
) -> str:
    shown = next((code for code in (locale, opened.petition.default_locale, *texts) if code in texts), None)
    if shown is None:
        return ""
    return merged_line(texts[shown][0], shared_values(runtime, opened, blast, shown, name=""))


def _whole(tx: Transaction, brief: Report, now: datetime) -> Report:
    begun = brief.blast.started_at
    if begun is None:
        return brief
    rate = progress.newest(tx, Lane.BULK, now=now).by_blast.get(brief.blast.id, 0.0)
    later = progress.deferred(tx, now=now).get(brief.blast.id, progress.NONE_DEFERRED)
    due = brief.open - later.messages
    return replace(
        brief,
        rate=rate,
        failed_locales=tuple(text_failures.of_blast(tx, brief.blast.id)),
        reasons=tuple(queries.reasons(tx, brief.blast.id, now=now)),
        first_at=queries.first_accepted_at(tx, brief.blast.id, since=begun),
        last_at=queries.last_accepted_at(tx, brief.blast.id, since=begun),
        returns=returns.of_blast(tx, brief.blast.id, brief.blast.petition_id, since=begun),
        finish_at=now + timedelta(seconds=min(due / rate, NEVER)) if rate and due > 0 else None,
        deferred=min(later.messages, brief.open),
        first_retry_at=later.first_at,
    )


def petition_of(runtime: Runtime, blast_id: int) -> int:
    """The petition of a blast, for accounts that may see every one.

    Raises:
        NotFoundError: there is no such blast.
    """
    found = runtime.store.transact(lambda tx: queries.by_id(tx, blast_id))
    if found is None:
        raise NotFoundError("there is no such update")
    return found.petition_id
