"""One update: checked, scheduled, sent, paused, and the report of what became of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort

from campaign import i18n
from campaign.accounts.accounts import Account
from campaign.blasts import blasts, milestones
from campaign.blasts import reports as blast_reports
from campaign.blasts.reports import Report
from campaign.blasts.rules import UNDO, BlastKind, BlastStage, Scheduled
from campaign.delivery import proof
from campaign.delivery.proof import Level
from campaign.errors import InvalidInputError, NotFoundError
from campaign.i18n import LANGUAGE_NAMES, zone_names
from campaign.runtime import Runtime
from campaign.states import CameBack, MessageState
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.desk import forms as desk_forms
from campaign.views.desk import frame, hold_words, outcome_bar, words
from campaign.views.desk.previews import previewer
from campaign.views.language import gettext as _
from campaign.views.language import language

pages = Blueprint("desk_update", __name__, template_folder=str(ROOT / "templates"))

_BLAST = "<int(max=2147483647):blast_id>"
FURTHEST = timedelta(days=731)
BEFORE = frozenset({BlastStage.DRAFT, BlastStage.WAITING, BlastStage.SCHEDULED, BlastStage.HELD})
MOVING = frozenset({BlastStage.FREEZING, BlastStage.SENDING})


@dataclass(frozen=True)
class When:
    """The form of date, time and zone as typed."""

    date: str = ""
    time: str = ""
    zone: str = ""
    second: bool = False


@pages.get(f"/organiser/p/<slug>/updates/{_BLAST}")
@allow(Access.ORGANISER)
def show(slug: str, blast_id: int) -> Response:
    """Before it starts: the check-list and the ways to send it. Afterwards: the report."""
    return _show(slug, blast_id)


def _show(
    slug: str, blast_id: int, *, when: When | None = None, problems: forms.Problems = forms.NO_PROBLEMS
) -> Response:
    petition_id = visitor.petition_id()
    report = blast_reports.report(runtime(), blast_id, petition_id, language())
    if report.stage not in BEFORE:
        return _report(slug, report)
    # The page of a scheduled update loads itself anew: it does not ask the mail servers each time.
    asks_relays = report.stage is not BlastStage.SCHEDULED
    findings = proof.check(runtime(), previewer(), blast_id, petition_id, asks_relays=asks_relays)
    return frame.desk_page(
        "update.html",
        slug,
        "updates",
        status=422 if problems else 200,
        report=report,
        blast=report.blast,
        stage=str(report.stage),
        problems=problems,
        text_problems=_text_problems(findings, problems),
        when=when or _usual(report),
        zones=zone_names(),
        counts=blasts.audience_counts(runtime(), petition_id, report.blast.audience),
        findings=findings,
        stopped=any(found.level is Level.STOP for found in findings),
        texts=blasts.get(runtime(), blast_id, petition_id)[1],
        undo=int(UNDO.total_seconds()),
        soon=_is_soon(report),
        clock=frame.clock(report.blast.send_at),
        today=_today(),
        done=frame.notice(visitor.done()),
    )


def _text_problems(findings: Iterable[proof.Finding], problems: forms.Problems) -> list[str]:
    """What is wrong with the texts, in sentences: what a button was refused for, else what the check-list found."""
    refused = [sentence for field, sentence in problems.items() if field not in OF_THE_MOMENT]
    found = [finding.detail["problems"] for finding in findings if finding.code == "texts"]
    return refused or [sentence for codes in found for sentence in desk_forms.worded(codes).values()]  # type: ignore[arg-type]


OF_THE_MOMENT = frozenset({"send_at", "time_zone"})
"""The problems that are shown beside the form of date and time."""


def _usual(report: Report) -> When:
    """The form as it is first shown: the present schedule, else tomorrow at nine."""
    blast = report.blast
    zone = blast.time_zone if blast.send_at else frame.zone()
    moment = blast.send_at or runtime().clock() + timedelta(days=1)
    local = moment.astimezone(ZoneInfo(zone))
    return When(local.date().isoformat(), f"{local:%H:%M}" if blast.send_at else "09:00", zone)


def _is_soon(report: Report) -> bool:
    send_at = report.blast.send_at
    return report.stage is BlastStage.SCHEDULED and send_at is not None and send_at <= runtime().clock() + UNDO


def _today() -> str:
    return runtime().clock().astimezone(ZoneInfo(frame.zone())).date().isoformat()


def _came_back(report: Report) -> list[tuple[str, int]]:
    """What is known of the accepted emails, in words; empty if nothing is."""
    found = report.returns
    if found is None or found.is_empty:
        return []
    accepted = report.states.get(MessageState.ACCEPTED, 0)
    lines = [(words.said(words.CAME_BACK, known), found.known.get(known, 0)) for known in CameBack]
    unknown = max(0, accepted - sum(found.known.values()))
    return [
        *((label, n) for label, n in lines if n),
        (_("No report: most providers report only failures"), unknown),
    ]


def _report(slug: str, report: Report) -> Response:
    if report.is_discarded:
        return _discarded(slug, report)
    hold = hold_words.of_site([report])
    reasons = [
        (words.said(words.EQUATION, state), *words.why(reason), number) for state, reason, number in report.reasons
    ]
    return frame.desk_page(
        "update_report.html",
        slug,
        "updates",
        report=report,
        blast=report.blast,
        stage=str(report.stage),
        outcomes=outcome_bar.parts(report),
        hold=hold,
        reasons=reasons,
        came_back=_came_back(report),
        failures=[LANGUAGE_NAMES[locale] for locale in report.failed_locales],
        moving=report.stage in MOVING,
        rate_words=_rate(report.rate),
        missing=_missing(report),
        finish="" if hold else frame.clock(report.finish_at),
        first_retry=frame.clock(report.first_retry_at),
        done=frame.notice(visitor.done()),
    )


def _discarded(slug: str, report: Report) -> Response:
    """A draft that was discarded: its text, for there is nothing to report."""
    return frame.desk_page(
        "update_discarded.html",
        slug,
        "updates",
        report=report,
        blast=report.blast,
        texts=blasts.get(runtime(), report.blast.id, report.blast.petition_id)[1],
    )


def _missing(report: Report) -> int:
    if not report.states.keys() & {MessageState.REJECTED, MessageState.CANCELLED}:
        return 0
    return blasts.missing(runtime(), report.blast.id)


def _rate(per_second: float) -> str:
    """A rate as people say it: whole mails a second, or one decimal below ten."""
    return i18n.format_rate(per_second, language())


@pages.post(f"/organiser/p/<slug>/updates/{_BLAST}/schedule")
@allow(Access.ORGANISER)
def schedule(slug: str, blast_id: int) -> Response:
    """First say what the chosen moment means, with a button that says it too; then, pressed, schedule."""
    _only_updates(blast_id)
    when = When(
        forms.typed("date").strip(),
        forms.typed("time").strip(),
        forms.typed("zone"),
        second=forms.typed("occurrence") == "second",
    )
    try:
        local = _parsed(when)
        planned = blasts.plan_moment(local, when.zone, second=when.second)
        _check_moment(planned)
        if forms.typed("sure") == "yes":
            previewer().check_blast(blast_id, visitor.petition_id())
            blasts.schedule(
                runtime(),
                blast_id,
                visitor.petition_id(),
                local=local,
                zone=when.zone,
                by=visitor.account(),
                second=when.second,
            )
            return visitor.see_other("desk_update.show", slug=slug, blast_id=blast_id, done="scheduled")
    except InvalidInputError as error:
        return _show(slug, blast_id, when=when, problems=desk_forms.worded(error.problems))
    return _moment(slug, blast_id, when, planned, local)


def _parsed(when: When) -> datetime:
    if not when.date or not when.time:
        raise InvalidInputError({"send_at": "missing"})
    try:
        local = datetime.strptime(f"{when.date} {when.time[:5]}", "%Y-%m-%d %H:%M")  # noqa: DTZ007 - the zone is asked for beside it
    except ValueError:
        raise InvalidInputError({"send_at": "not_a_date"}) from None
    # At the ends of the calendar there is no such moment in every zone.
    if abs(local.year - runtime().clock().year) > FURTHEST.days // 365 + 1:
        raise InvalidInputError({"send_at": "past" if local.year < runtime().clock().year else "too_far"})
    return local


def _check_moment(planned: Scheduled) -> None:
    now = runtime().clock()
    if planned.moment <= now:
        raise InvalidInputError({"send_at": "past"})
    if planned.moment > now + FURTHEST:
        raise InvalidInputError({"send_at": "too_far"})


def _moment(slug: str, blast_id: int, when: When, planned: Scheduled, local: datetime) -> Response:
    report = blast_reports.report(runtime(), blast_id, visitor.petition_id(), language())
    both = [
        (name, blasts.plan_moment(local, when.zone, second=name == "second").moment) for name in ("first", "second")
    ]
    return frame.desk_page(
        "update_moment.html",
        slug,
        "updates",
        report=report,
        blast=report.blast,
        when=when,
        planned=planned,
        change=str(planned.change),
        typed_time=f"{local:%H:%M}",
        both=both,
        in_zone=frame.in_words(planned.moment, zone_name=when.zone),
        clock=i18n.format_moment(planned.moment, language(), zone=ZoneInfo(when.zone)),
        eligible=blasts.audience_counts(runtime(), visitor.petition_id(), report.blast.audience)["eligible"],
    )


def _only_updates(blast_id: int) -> None:
    """Announcements of milestones have buttons of their own, which keep their decision in step (P8)."""
    blast, _texts = blasts.get(runtime(), blast_id, visitor.petition_id())
    if blast.kind is not BlastKind.UPDATE:
        raise NotFoundError("there is no such update")


@pages.post(f"/organiser/p/<slug>/updates/{_BLAST}/send")
@allow(Access.ORGANISER)
def send(slug: str, blast_id: int) -> Response:
    """Send it now, after the time to think again. Pressing twice changes nothing (F29)."""
    _only_updates(blast_id)
    try:
        previewer().check_blast(blast_id, visitor.petition_id())
        blasts.send_now(runtime(), blast_id, visitor.petition_id(), by=visitor.account())
    except InvalidInputError as error:
        return _show(slug, blast_id, problems=desk_forms.worded(error.problems))
    return visitor.see_other("desk_update.show", slug=slug, blast_id=blast_id)


def _unschedule(runtime: Runtime, blast_id: int, petition_id: int, *, by: Account) -> None:
    blast, _texts = blasts.get(runtime, blast_id, petition_id)
    if blast.kind is BlastKind.MILESTONE:
        milestones.take_back(runtime, petition_id, blast.threshold or 0, by=by)
    else:
        blasts.unschedule(runtime, blast_id, petition_id, by=by)


PRESSES: dict[str, tuple[Callable[..., object], str]] = {
    "unschedule": (_unschedule, "draft"),
    "pause": (blasts.pause, "paused"),
    "resume": (blasts.resume, "resumed"),
    "cancel": (blasts.cancel, "cancelled"),
    "again": (blasts.send_missing, "again"),
    "test": (blasts.send_test, "tested"),
}
"""What each button of an update does, and what the page says afterwards."""


@pages.post(f"/organiser/p/<slug>/updates/{_BLAST}/press")
@allow(Access.ORGANISER)
def press(slug: str, blast_id: int) -> Response:
    """Do what a button says: unschedule, pause, resume, cancel, send again, or send a test."""
    blasts.get(runtime(), blast_id, visitor.petition_id())
    button = forms.typed("button")
    if button not in PRESSES:
        abort(400)
    act, done = PRESSES[button]
    if button == "test":
        try:
            previewer().check_blast(blast_id, visitor.petition_id())
        except InvalidInputError as error:
            return _show(slug, blast_id, problems=desk_forms.worded(error.problems))
    act(runtime(), blast_id, visitor.petition_id(), by=visitor.account())
    return visitor.see_other("desk_update.show", slug=slug, blast_id=blast_id, done=done)
