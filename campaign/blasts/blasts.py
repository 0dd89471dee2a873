"""Blasts: organisers' updates and milestone announcements, from draft to report."""

from collections.abc import Mapping
from datetime import datetime

from campaign.accounts import audit
from campaign.accounts.accounts import Account
from campaign.blasts import audience as blast_audience
from campaign.blasts import progress, queries, resend, text_failures
from campaign.blasts.rules import (
    FIRST_SLICE,
    UNDO,
    Audience,
    Blast,
    BlastKind,
    BlastStage,
    BlastText,
    Scheduled,
    moment_of,
)
from campaign.blasts.running import cancel_slice
from campaign.blasts.text_checks import check_texts
from campaign.database.connection import Transaction
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.outbox import depth
from campaign.outbox import plan as outbox_plan
from campaign.petitions.markdown import to_html
from campaign.runtime import Runtime
from campaign.smtp.replies import GONE_CODES
from campaign.states import OPEN_STATES, Lane, MessageKind


def save_draft(
    runtime: Runtime,
    petition_id: int,
    texts: Mapping[str, BlastText],
    *,
    by: Account,
    request_key: str,
    audience: Audience | None = None,
) -> int:
    """Save an update as a draft, or change one that has not started; returns the blast's id.

    Args:
        runtime: the runtime.
        petition_id: the petition, from :func:`campaign.accounts.may_organise`.
        texts: by language; recipients of other languages get the nearest.
        by: who writes.
        request_key: from :func:`campaign.security.request_keys.new_request_key`: pressing twice, or an API retry, is
            one blast (F29).
        audience: whom it is for; everybody who wants updates, if not given.

    Raises:
        InvalidInputError: a text can't be sent; the problem names the place.
        ConflictError: the blast has started: its texts are frozen (F30).
    """
    check_texts(texts)

    def work(tx: Transaction) -> int:
        blast_id = queries.add(
            tx, petition_id=petition_id, kind=BlastKind.UPDATE, request_key=request_key, created_by=by.id
        )
        _save(tx, blast_id, petition_id, texts, audience)
        return blast_id

    return runtime.store.transact(work)


def edit(
    runtime: Runtime, blast_id: int, petition_id: int, texts: Mapping[str, BlastText], *, audience: Audience
) -> None:
    """Change the texts and the audience of a blast that has not started.

    Raises:
        NotFoundError: it is not a blast of this petition.
        InvalidInputError: a text can't be sent.
        ConflictError: the blast has started.
    """
    check_texts(texts)
    runtime.store.transact(lambda tx: _save(tx, blast_id, petition_id, texts, audience))


def _save(
    tx: Transaction, blast_id: int, petition_id: int, texts: Mapping[str, BlastText], audience: Audience | None
) -> None:
    blast = _of_petition(tx, blast_id, petition_id, lock=True)
    if blast.started_at is not None or blast.cancelled_at is not None:
        raise ConflictError("this update has started; its text can't be changed any more")
    saved = {
        locale: (written.subject.strip(), written.body_markdown.replace("\r\n", "\n"), to_html(written.body_markdown))
        for locale, written in texts.items()
    }
    queries.save_texts(tx, blast_id, saved)
    if audience is not None:
        queries.save_audience(tx, blast_id, audience)


def _of_petition(tx: Transaction, blast_id: int, petition_id: int, *, lock: bool = False) -> Blast:
    blast = queries.by_id(tx, blast_id, lock=lock)
    if blast is None or blast.petition_id != petition_id:
        raise NotFoundError("there is no such update")
    return blast


def get(runtime: Runtime, blast_id: int, petition_id: int) -> tuple[Blast, dict[str, BlastText]]:
    """A blast of a petition with its texts by language.

    Raises:
        NotFoundError: it is not a blast of this petition.
    """

    def work(tx: Transaction) -> tuple[Blast, dict[str, BlastText]]:
        blast = _of_petition(tx, blast_id, petition_id)
        return blast, _clear(queries.texts(tx, blast_id))

    return runtime.store.transact(work)


def _clear(texts: Mapping[str, tuple[str, str, str]]) -> dict[str, BlastText]:
    return {locale: BlastText(subject, markdown) for locale, (subject, markdown, _) in texts.items()}


def audience_counts(runtime: Runtime, petition_id: int, audience: Audience) -> dict[str, int]:
    """How many people would get a blast now (``eligible``), and why others would not.

    Keys: eligible, suppressed (bounced or complained), outside (of the chosen countries or languages), no_updates,
    erased, pending, ended.
    """
    now = runtime.clock()
    return runtime.store.transact(lambda tx: blast_audience.audience_counts(tx, petition_id, audience, now=now))


def plan_moment(local: datetime, zone: str, *, second: bool = False) -> Scheduled:
    """The moment of a local time, with what a clock change does to it.

    Raises:
        InvalidInputError: ``{"time_zone": "unknown"}``.
    """
    try:
        return moment_of(local, zone, second=second)
    except ValueError:
        raise InvalidInputError({"time_zone": "unknown"}) from None


def schedule(
    runtime: Runtime, blast_id: int, petition_id: int, *, local: datetime, zone: str, by: Account, second: bool = False
) -> Scheduled:
    """Schedule a blast at a local date and time; scheduling again moves it.

    Raises:
        NotFoundError: it is not a blast of this petition.
        InvalidInputError: unknown zone, a moment in the past (``{"send_at": "past"}``), or a text is missing or can't
            be sent.
        ConflictError: it has started or was cancelled.
    """
    planned = plan_moment(local, zone, second=second)
    if planned.moment <= runtime.clock():
        raise InvalidInputError({"send_at": "past"})
    _schedule(runtime, blast_id, petition_id, planned.moment, zone=zone, by=by)
    return planned


def send_now(runtime: Runtime, blast_id: int, petition_id: int, *, by: Account) -> datetime:
    """Schedule a blast for now, after the time to think again; returns the moment. Pressing twice changes nothing.

    Raises:
        NotFoundError: it is not a blast of this petition.
        InvalidInputError: a text is missing or can't be sent.
        ConflictError: it has started or was cancelled.
    """
    blast, _ = get(runtime, blast_id, petition_id)
    now = runtime.clock()
    if blast.send_at is not None and blast.paused_at is None and blast.send_at <= now + UNDO:
        return blast.send_at
    _schedule(runtime, blast_id, petition_id, now + UNDO, zone=by.time_zone, by=by)
    return now + UNDO


def _schedule(
    runtime: Runtime, blast_id: int, petition_id: int, moment: datetime, *, zone: str, by: Account | None
) -> None:
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        blast = _of_petition(tx, blast_id, petition_id, lock=True)
        if blast.kind is BlastKind.UPDATE:
            # Also what an older release has saved.
            check_texts(_clear(queries.texts(tx, blast_id)))
        done = queries.schedule(
            tx,
            blast_id,
            send_at=moment,
            time_zone=zone,
            max_lateness=runtime.settings.max_lateness,
            epoch=runtime.epoch,
            now=now,
            by=by.id if by else None,
        )
        if not done:
            raise ConflictError("this update has started or was cancelled")
        _audit(tx, "blast.schedule", blast, by, {"send_at": moment.isoformat()})

    runtime.store.transact(work)


def _audit(tx: Transaction, action: str, blast: Blast, by: Account | None, detail: Mapping[str, object]) -> None:
    audit.add(
        tx,
        action=action,
        subject="blast",
        subject_id=blast.id,
        petition_id=blast.petition_id,
        account_id=by.id if by else None,
        actor="system" if by else "cli",
        detail=detail,
    )


def _press(runtime: Runtime, blast_id: int, petition_id: int, *, action: str, by: Account | None, refused: str) -> None:
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        blast = _of_petition(tx, blast_id, petition_id, lock=True)
        done = {
            "blast.unschedule": lambda: queries.unschedule(tx, blast_id),
            "blast.pause": lambda: (
                blast.started_at is not None and queries.hold(tx, blast_id, reason="organiser", now=now)
            ),
            "blast.resume": lambda: queries.resume(tx, blast_id),
            "blast.cancel": lambda: queries.cancel(tx, blast_id, now=now),
        }[action]()
        if not done:
            raise ConflictError(refused)
        depth.forget_blast(tx, blast_id)
        if action == "blast.resume":
            text_failures.forget(tx, blast_id)
            tx.nudge(Lane.BULK)
        _audit(tx, action, blast, by, {})

    runtime.store.transact(work)


def unschedule(runtime: Runtime, blast_id: int, petition_id: int, *, by: Account) -> None:
    """Take a scheduled blast back to the drafts ("undo").

    Raises:
        NotFoundError: it is not a blast of this petition.
        ConflictError: it has started.
    """
    _press(runtime, blast_id, petition_id, action="blast.unschedule", by=by, refused="this update has started")


def pause(runtime: Runtime, blast_id: int, petition_id: int, *, by: Account | None) -> None:
    """Hold a running blast: workers claim no more of it, within seconds.

    Raises:
        NotFoundError: it is not a blast of this petition.
        ConflictError: it is not running.
    """
    _press(runtime, blast_id, petition_id, action="blast.pause", by=by, refused="this update is not being sent")


def resume(runtime: Runtime, blast_id: int, petition_id: int, *, by: Account | None) -> None:
    """Let a paused blast go on where it stood.

    Raises:
        NotFoundError: it is not a blast of this petition.
        ConflictError: it is not paused.
    """
    _press(runtime, blast_id, petition_id, action="blast.resume", by=by, refused="this update is not paused")


def cancel(runtime: Runtime, blast_id: int, petition_id: int, *, by: Account | None) -> None:
    """End a blast for good; what was not handed over is cancelled, and the rows say so.

    A first slice of the rows at once, the others by the periodic job within seconds: none of them is claimed.

    Raises:
        NotFoundError: it is not a blast of this petition.
        ConflictError: it was cancelled before.
    """
    _press(runtime, blast_id, petition_id, action="blast.cancel", by=by, refused="this update was cancelled already")
    cancel_slice(runtime, blast_id)


def missing(runtime: Runtime, blast_id: int) -> int:
    """How many people did not get a blast and could still get it: see :func:`send_missing`."""
    return runtime.store.transact(lambda tx: resend.count(tx, blast_id, gone=GONE_CODES))


def send_missing(runtime: Runtime, blast_id: int, petition_id: int, *, by: Account | None) -> int:
    """Send a blast to those who did not get it: refused, expired or cancelled with it; returns how many are planned.

    Never to whom it was accepted for, or may have been (uncertain is left to an admin); nor to anyone who withdrew,
    unsubscribed or is suppressed. A cancelled blast is resumed. Pressing twice changes nothing more.

    Raises:
        NotFoundError: it is not a blast of this petition.
        ConflictError: it has not started.
    """
    now = runtime.clock()

    def begin(tx: Transaction) -> None:
        blast = _of_petition(tx, blast_id, petition_id, lock=True)
        if blast.started_at is None:
            raise ConflictError("this update has not started")
        states = progress.states(tx, [blast_id]).get(blast_id, {})
        still = sum(states.get(state, 0) for state in OPEN_STATES)
        if blast.stage(open_rows=still) in {BlastStage.FINISHED, BlastStage.CANCELLED}:
            resend.reopen(tx, blast_id)
        depth.forget_blast(tx, blast_id)
        _audit(tx, "blast.send_missing", blast, by, {"messages": resend.count(tx, blast_id, gone=GONE_CODES)})

    def work(tx: Transaction) -> int:
        tx.nudge(Lane.BULK)
        return resend.plan(tx, blast_id, gone=GONE_CODES, limit=FIRST_SLICE, now=now)

    runtime.store.transact(begin)
    total = done = runtime.store.transact(work)
    while done == FIRST_SLICE:
        done = runtime.store.transact(work)
        total += done
    return total


def send_test(runtime: Runtime, blast_id: int, petition_id: int, *, by: Account) -> None:
    """Mail a blast to its writer, in the writer's language, marked as a test.

    Raises:
        NotFoundError: it is not a blast of this petition.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        blast = _of_petition(tx, blast_id, petition_id)
        plan = outbox_plan.Plan(
            kind=MessageKind.TEST,
            lane=Lane.URGENT,
            due_at=now,
            account_id=by.id,
            petition_id=blast.petition_id,
            about_id=blast_id,
        )
        outbox_plan.add(tx, plan)

    runtime.store.transact(work)
