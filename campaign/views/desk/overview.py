"""The overview of one petition: how it does, its milestones, and the buttons that open and close it."""

from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, current_app

from campaign import i18n
from campaign.blasts import milestones
from campaign.blasts import reports as blast_reports
from campaign.blasts.rules import BlastStage
from campaign.errors import InvalidInputError
from campaign.petitions import petitions
from campaign.signatures import funnel, statistics
from campaign.signatures.statistics import Bucket, Span
from campaign.ttl_cache import TTLCache
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.charts import Chart, chart
from campaign.views.current import runtime
from campaign.views.desk import frame, hold_words
from campaign.views.desk.previews import previewer
from campaign.views.language import language

pages = Blueprint("desk_overview", __name__, template_folder=str(ROOT / "templates"))

NUMBERS = "statistics"
"""Key in Flask's ``extensions``."""

REMEMBERED = 15.0
"""Seconds for which the numbers of a span are kept: over a million signatures they cost a second."""

MAX_NUMBERS = 512

AHEAD = frozenset({BlastStage.SCHEDULED, BlastStage.SENDING, BlastStage.FREEZING, BlastStage.PAUSED, BlastStage.HELD})


@pages.record
def _remember(state: object) -> None:
    """Give the application its cache of numbers."""
    state.app.extensions[NUMBERS] = TTLCache(REMEMBERED, max_entries=MAX_NUMBERS)  # type: ignore[attr-defined]  # Flask's state


@pages.get("/organiser/p/<slug>")
@allow(Access.ORGANISER)
def show(slug: str) -> Response:
    """Count, sign-ups, funnel, milestones and what goes out next."""
    petition_id, zone = visitor.petition_id(), frame.zone()
    span = Span(forms.asked("span")) if forms.asked("span") in set(Span) else Span.HOURS
    cache: TTLCache = current_app.extensions[NUMBERS]
    numbers = cache.get(
        (petition_id, span, zone), lambda: statistics.statistics(runtime(), petition_id, span, zone=zone)
    )
    ahead = [found for found in blast_reports.reports(runtime(), petition_id, language()) if found.stage in AHEAD]
    return frame.desk_page(
        "overview.html",
        slug,
        "overview",
        hold=hold_words.of_site(ahead),
        span=span,
        spans=list(Span),
        chart=drawn(numbers.buckets, span),
        funnel=numbers.funnel,
        providers=funnel.by_provider(runtime(), petition_id),
        milestones=milestones.list_of(runtime(), petition_id),
        ahead=ahead,
        done=frame.notice(visitor.done()),
        retention=runtime().settings.retention_days,
        address=f"{runtime().settings.base_url}/p/{slug}",
    )


def drawn(buckets: tuple[Bucket, ...], span: Span) -> Chart:
    """The chart of a span, its buckets named in the visitor's language and time zone."""
    zone, locale = ZoneInfo(frame.zone()), language()

    def label(bucket: Bucket) -> str:
        if span is Span.HOURS:
            return i18n.format_hour(bucket.begin, locale, zone=zone)
        return i18n.format_day(bucket.begin, locale, zone=zone)

    return chart([(label(bucket), bucket.asked, bucket.confirmed) for bucket in buckets])


@pages.post("/organiser/p/<slug>/state")
@allow(Access.ORGANISER)
def move(slug: str) -> Response:
    """Publish, close or open again."""
    moves = {"live": petitions.publish, "closed": petitions.close}
    wanted = forms.typed("to")
    if wanted not in moves:
        abort(400)
    moves[wanted](runtime(), slug, by=visitor.account().id)
    return visitor.see_other("desk_overview.show", slug=slug, done=wanted)


ANSWERS = {
    "approve": (milestones.approve, "approved"),
    "decline": (milestones.decline, "declined"),
    "take_back": (milestones.take_back, "taken-back"),
}
"""What each answer to a milestone does, and what the page says after it."""


@pages.post("/organiser/p/<slug>/milestones/<int(max=2147483647):threshold>")
@allow(Access.ORGANISER)
def answer(slug: str, threshold: int) -> Response:
    """Say yes or no to the announcement of a milestone, or take a yes back."""
    said = forms.typed("answer")
    if said not in ANSWERS:
        abort(400)
    act, done = ANSWERS[said]
    if said == "approve" and (blast_id := _unsendable(threshold)) is not None:
        # Its check-list says what is wrong.
        return visitor.see_other("desk_update.show", slug=slug, blast_id=blast_id)
    act(runtime(), visitor.petition_id(), threshold, by=visitor.account())
    return visitor.see_other("desk_overview.show", slug=slug, done=done)


def _unsendable(threshold: int) -> int | None:
    """The announcement of a milestone, if no mail can be made of it."""
    found = milestones.list_of(runtime(), visitor.petition_id())
    blast_id = next((one.blast_id for one in found if one.threshold == threshold), None)
    if blast_id is None:
        return None
    try:
        previewer().check_blast(blast_id, visitor.petition_id())
    except InvalidInputError:
        return blast_id
    return None
