"""The signatures of a petition: the list, exact search, hide, remove and bring back, and the CSV file."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, current_app

from campaign.accounts import countries
from campaign.bulk_acts import bulk_acts
from campaign.bulk_acts.rules import Kind
from campaign.errors import InvalidInputError
from campaign.signatures import exports, lists, removal
from campaign.signatures.lists import Line
from campaign.signatures.removal import REASONS
from campaign.signatures.selections import CAP, Filter
from campaign.states import SignatureState
from campaign.variables import ROOT
from campaign.views import acts, forms, visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.desk import forms as desk_forms
from campaign.views.desk import frame
from campaign.views.desk import words as desk_words
from campaign.views.language import asked_for, language
from campaign.views.language import gettext as _
from campaign.views.rendering import number

pages = Blueprint("desk_signatures", __name__, template_folder=str(ROOT / "templates"))

ACTS = (Kind.REMOVE, Kind.RESTORE, Kind.HIDE_NAMES, Kind.SHOW_NAMES)
"""The acts below the list, in this order."""

RECENT = 5
"""Acts shown below the list."""

_ROW = "<int(max=9223372036854775807):signature_id>"


def _id(name: str) -> int | None:
    typed = forms.asked(name)
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 19 else None


@pages.get("/organiser/p/<slug>/signatures")
@allow(Access.ORGANISER)
def show(slug: str) -> Response:
    """A page of the list; filters and place stand in the address, names and addresses never do."""
    wanted = Filter.of(forms.asked("state"), forms.asked("country"))
    found = lists.page(runtime(), visitor.petition_id(), wanted, before=_id("before"), after=_id("after"))
    return _page(slug, wanted, found.lines, older=found.older_than, newer=found.newer_than)


def _page(
    slug: str,
    wanted: Filter,
    lines: tuple[Line, ...],
    *,
    older: int | None = None,
    newer: int | None = None,
    email: str = "",
    searched: bool = False,
    problems: forms.Problems = forms.NO_PROBLEMS,
) -> Response:
    petition_id = visitor.petition_id()
    counts = lists.counts(runtime(), petition_id, wanted)
    codes = lists.countries(runtime(), petition_id)
    named = sorted(((code, countries.name(code, language())) for code in codes), key=lambda pair: pair[1])
    return frame.desk_page(
        "signatures.html",
        slug,
        "signatures",
        status=422 if problems else 200,
        lines=lines,
        wanted=wanted,
        older=older,
        newer=newer,
        email=email,
        searched=searched,
        problems=problems,
        countries=named,
        states=[(str(state), _(desk_words.SIGNATURE_STATES[state])) for state in SignatureState],
        totals=_Totals(_counted(counts.total), {str(state): _counted(n) for state, n in counts.states.items()}),
        matching=0 if searched else counts.matching,
        cap=CAP,
        matching_words=_counted(counts.matching),
        selected="" if searched else forms.asked("selected"),
        place=_Place(_id("before"), _id("after")),
        acts=[(str(kind), _(acts.TITLES[kind])) for kind in ACTS],
        done_acts=bulk_acts.newest(runtime(), petition_id=petition_id, limit=RECENT).acts,
        act_words=lambda kind: _(acts.TITLES[kind]),
        act_state=lambda state: _(acts.STATES[state]),
        lang_asked=asked_for(),
        filters={"state": wanted.code, "country": wanted.country},
        done=frame.notice(visitor.done()),
    )


@dataclass(frozen=True)
class _Totals:
    """How many signatures there are, in words."""

    total: str
    states: Mapping[str, str]


@dataclass(frozen=True)
class _Place:
    """Which page of the list it is."""

    before: int | None
    after: int | None


def _counted(many: int) -> str:
    """A number; beyond the cap it is not counted further."""
    return number(many) if many <= CAP else _("more than %(number)s", number=number(CAP))


@pages.post("/organiser/p/<slug>/signatures")
@allow(Access.ORGANISER)
def search(slug: str) -> Response:
    """Find the signatures of one address. A form is sent, so that the address is in no history and no log."""
    email = forms.typed("email")
    try:
        lines = lists.search(runtime(), visitor.petition_id(), email)
    except InvalidInputError as error:
        return _page(slug, Filter(), (), email=email, searched=True, problems=desk_forms.worded(error.problems))
    return _page(slug, Filter(), lines, email=email, searched=True)


@pages.get(f"/organiser/p/<slug>/signatures/{_ROW}")
@allow(Access.ORGANISER)
def one(slug: str, signature_id: int) -> Response:
    """One signature with everything that can be done to it."""
    return _one(slug, signature_id)


def _one(slug: str, signature_id: int, problems: forms.Problems = forms.NO_PROBLEMS) -> Response:
    line = lists.one(runtime(), visitor.petition_id(), signature_id)
    return frame.desk_page(
        "signature.html",
        slug,
        "signatures",
        status=422 if problems else 200,
        line=line,
        problems=problems,
        reasons=[(code, _(desk_words.REMOVALS[code])) for code in REASONS],
        done=frame.notice(visitor.done()),
    )


@pages.post(f"/organiser/p/<slug>/signatures/{_ROW}/hide")
@allow(Access.ORGANISER)
def hide(slug: str, signature_id: int) -> Response:
    """Take a name off the petition's page."""
    removal.hide_name(runtime(), visitor.petition_id(), signature_id, by=visitor.account())
    return visitor.see_other("desk_signatures.one", slug=slug, signature_id=signature_id, done="hidden")


@pages.post(f"/organiser/p/<slug>/signatures/{_ROW}/remove")
@allow(Access.ORGANISER)
def remove(slug: str, signature_id: int) -> Response:
    """Take a signature out, with a reason."""
    try:
        removal.remove(
            runtime(), visitor.petition_id(), signature_id, reason=forms.typed("reason"), by=visitor.account()
        )
    except InvalidInputError as error:
        return _one(slug, signature_id, desk_forms.worded(error.problems))
    return visitor.see_other("desk_signatures.one", slug=slug, signature_id=signature_id, done="removed")


@pages.post(f"/organiser/p/<slug>/signatures/{_ROW}/restore")
@allow(Access.ORGANISER)
def restore(slug: str, signature_id: int) -> Response:
    """Bring a removed signature back."""
    removal.restore(runtime(), visitor.petition_id(), signature_id, by=visitor.account())
    return visitor.see_other("desk_signatures.one", slug=slug, signature_id=signature_id, done="restored")


@pages.post("/organiser/p/<slug>/signatures.csv")
@allow(Access.ORGANISER)
def export(slug: str) -> Response:
    """Every confirmed signature as a file, streamed. A form is sent, for the export is written into the audit log."""
    locale = language()
    words = exports.Wording(
        heads=(_("No."), _("Name"), _("Country code"), _("Country"), _("Confirmed on"), _("Reason")),
        anonymous=_("anonymous"),
        country=lambda code: countries.name(code, locale),
    )
    pieces = exports.signatures_csv(
        runtime(), visitor.petition_id(), words, hidden=forms.typed("hidden") != "leave_out", by=visitor.account()
    )
    response = current_app.response_class(pieces, mimetype="text/csv")
    day = runtime().clock().date().isoformat()
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}-{day}.csv"'
    return response
