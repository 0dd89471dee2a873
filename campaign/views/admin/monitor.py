"""The monitor: is mail flowing, if not why, when will it be done, what can be pressed."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response, abort, jsonify

from campaign.accounts import accounts
from campaign.blasts import blasts
from campaign.blasts import reports as blast_reports
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.operations import lanes, monitor, throughput
from campaign.operations.diagnosis import Diagnosis, judge
from campaign.operations.health import Code, Snapshot
from campaign.operations.rules import presses
from campaign.operations.status_line import others, sentences
from campaign.states import Lane
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.admin import switch_words
from campaign.views.admin import words as admin_words
from campaign.views.charts import Sparkline, draw_sparkline
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.language import language
from campaign.views.rendering import page

pages = Blueprint("admin", __name__, template_folder=str(ROOT / "templates"))

BLAST_PRESSES: dict[str, Callable[..., None]] = {
    "pause": blasts.pause,
    "resume": blasts.resume,
    "cancel": blasts.cancel,
}
"""What can be done with a blast from here; anything else is done at the desk."""


@dataclass(frozen=True)
class Notice:
    """What became of a press; shown once, on top of the page."""

    kind: str
    sign: str
    text: str


@pages.get("/admin")
@allow(Access.ADMIN)
def index() -> Response:
    """The page; it reads only."""
    return show_monitor(notice=_done())


def _done() -> Notice | None:
    words = {
        "paused": _("Lane paused. Emails being sent now still go out; waiting ones stay."),
        "resumed": _("Lane resumed."),
        "blast-paused": _("Update paused."),
        "blast-resumed": _("Update resumed."),
        "blast-cancelled": _("Update cancelled. Emails not sent yet will never be sent."),
    }
    text = words.get(visitor.done())
    return None if text is None else Notice("good", "tick", text)


def show_monitor(*, notice: Notice | None = None, status: int = 200) -> Response:
    """The monitor with a notice on top."""
    snapshot = monitor.take(runtime())
    verdict = judge(snapshot)
    names = _names(snapshot)
    sign, mood = admin_words.LEVELS[verdict.level]
    return page(
        "admin/monitor.html",
        status=status,
        notice=notice,
        now=snapshot,
        verdict=verdict,
        sign=sign,
        mood=_(mood),
        sentences=sentences(snapshot, language(), zone=admin_words.zone(), names=names),
        others=others(snapshot, language(), zone=admin_words.zone(), names=names),
        names=names,
        subjects=_subjects(snapshot),
        sparks=_sparks(snapshot),
        helpful=_helpful(verdict),
        stopped=[(switch_words.said(switch_words.SWITCHES[one.name]), one) for one in snapshot.switches],
        action_words=_action_words(),
        badges=admin_words.BADGES,
        bulk_is_stopped=any(snapshot.stand(flow).is_stopped for flow in snapshot.lanes if flow.lane is Lane.BULK),
        presses_of=presses,
    )


def _sparks(snapshot: Snapshot) -> dict[Lane, Sparkline]:
    if not snapshot.database_ok:
        return {}
    return {lane: draw_sparkline(minutes) for lane, minutes in throughput.accepted(runtime()).items()}


def _names(snapshot: Snapshot) -> dict[int, str]:
    """The names of those who paused a lane or stopped something."""
    numbers = [(flow.paused_by or "").removeprefix("account ") for flow in snapshot.lanes]
    found = accounts.names(runtime(), {int(number) for number in numbers if number.isdecimal()})
    return found | switch_words.names_of(snapshot.switches)


def _subjects(snapshot: Snapshot) -> dict[int, str]:
    """The subjects of the updates that are shown."""
    return blast_reports.subjects(runtime(), [blast.id for blast in snapshot.blasts], language())


def _action_words() -> dict[tuple[str, str], str]:
    return {
        ("resume", ""): _("Resume"),
        ("resume", Lane.URGENT): _("Resume urgent mail"),
        ("resume", Lane.BULK): _("Resume bulk mail"),
        ("try", ""): _("Try now"),
        ("try", Lane.URGENT): _("Try urgent mail now"),
        ("try", Lane.BULK): _("Try bulk mail now"),
    }


def _helpful(verdict: Diagnosis) -> str:
    """Which press the sentence suggests; the template draws it beside the sentence, for each lane it is about."""
    return {Code.PAUSED: "resume", Code.MAIL_SERVER: "try"}.get(verdict.code, "")


@pages.get("/admin/status.json")
@allow(Access.ADMIN)
def status() -> Response:
    """The snapshot as ``countersign monitor --json`` prints it."""
    return jsonify(monitor.document(monitor.take(runtime()), language(), zone=admin_words.zone()))


def lane_named(name: str) -> Lane:
    """The lane of an address; 404 for any other word."""
    if name not in set(Lane):
        abort(404)
    return Lane(name)


@pages.post("/admin/lanes/<lane>/pause")
@allow(Access.ADMIN)
def pause_lane(lane: str) -> Response:
    """Stop claiming in a lane, with a reason for other admins."""
    which = lane_named(lane)
    try:
        lanes.pause(runtime(), which, reason=forms.typed("why"), by=visitor.account())
    except InvalidInputError as error:
        text = forms.worded(error.problems)["why"]
        return show_monitor(notice=Notice("warn", "warn", text), status=422)
    except ConflictError:
        return show_monitor(notice=Notice("warn", "info", _("The lane was paused already.")), status=409)
    return visitor.see_other("admin.index", done="paused")


@pages.post("/admin/lanes/<lane>/resume")
@allow(Access.ADMIN)
def resume_lane(lane: str) -> Response:
    """Let a lane flow, at once; also "try now" while the mail server is waited for."""
    try:
        lanes.resume(runtime(), lane_named(lane), by=visitor.account())
    except ConflictError:
        return show_monitor(notice=Notice("warn", "info", _("The lane is neither paused nor held back.")), status=409)
    return visitor.see_other("admin.index", done="resumed")


@pages.post("/admin/blasts/<int:blast_id>")
@allow(Access.ADMIN)
def press_blast(blast_id: int) -> Response:
    """Pause, resume or cancel an update."""
    press = forms.typed("press")
    if press not in BLAST_PRESSES:
        raise NotFoundError("there is no such press")
    petition_id = blast_reports.petition_of(runtime(), blast_id)
    try:
        BLAST_PRESSES[press](runtime(), blast_id, petition_id, by=visitor.account())
    except ConflictError:
        text = _("The update has changed in the meantime. That is no longer possible.")
        return show_monitor(notice=Notice("warn", "info", text), status=409)
    done = {"pause": "blast-paused", "resume": "blast-resumed", "cancel": "blast-cancelled"}[press]
    return visitor.see_other("admin.index", done=done)
