"""Who asks, the goal, the milestones, the name in the From line, and where replies go."""

from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter

from flask import Blueprint, Response

from campaign.delivery import mailbox_preview
from campaign.errors import InvalidInputError
from campaign.i18n import LANGUAGE_NAMES
from campaign.petitions import editing, petitions
from campaign.petitions.editing import POLICIES
from campaign.petitions.rules import PetitionSettings
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.desk import forms as desk_forms
from campaign.views.desk import frame, words
from campaign.views.language import gettext as _
from campaign.views.mail_kinds import KINDS
from campaign.views.rendering import number

pages = Blueprint("desk_settings", __name__, template_folder=str(ROOT / "templates"))

FIELDS = (
    "author",
    "on_behalf_of",
    "sender_name",
    "default_locale",
    "goal",
    "fixed_goal",
    "ladder",
    "milestones",
    "milestone_policy",
    "discreet",
    "reply_to",
)


@pages.get("/organiser/p/<slug>/settings")
@allow(Access.ORGANISER)
def show(slug: str) -> Response:
    """What is set now."""
    now = editing.settings(runtime(), visitor.petition_id())
    form = {
        "author": now.author,
        "on_behalf_of": now.on_behalf_of,
        "sender_name": now.sender_name,
        "default_locale": now.default_locale,
        "goal": "grow" if now.fixed_goal is None else "fixed",
        "fixed_goal": "" if now.fixed_goal is None else str(now.fixed_goal),
        "ladder": "default" if now.milestones is None else "own",
        "milestones": ", ".join(map(str, now.milestones or ())),
        "milestone_policy": now.milestone_policy,
        "discreet": "on" if now.discreet else "",
        "reply_to": now.reply_to,
    }
    return _form(slug, form)


def _form(slug: str, form: Mapping[str, str], problems: forms.Problems = forms.NO_PROBLEMS) -> Response:
    opened = petitions.by_slug(runtime(), slug, fresh=True)
    return frame.desk_page(
        "settings.html",
        slug,
        "settings",
        status=422 if problems else 200,
        form=form,
        problems=problems,
        texts=[(code, name) for code, name in LANGUAGE_NAMES.items() if code in opened.texts],
        policies=[(code, _(words.POLICIES[code])) for code in POLICIES],
        ladder_words=" · ".join(map(number, editing.DEFAULT_LADDER)),
        done=frame.notice(visitor.done()),
    )


@pages.post("/organiser/p/<slug>/settings")
@allow(Access.ORGANISER, keeps=True)
def save(slug: str) -> Response:
    """Store what was set."""
    form = {name: forms.typed(name) for name in FIELDS}
    try:
        editing.save_settings(runtime(), slug, visitor.petition_id(), settings_of(form), by=visitor.account())
    except InvalidInputError as error:
        return _form(slug, form, desk_forms.worded(error.problems))
    return visitor.see_other("desk_settings.show", slug=slug, done="saved")


@pages.get("/organiser/p/<slug>/discreet")
@allow(Access.ORGANISER)
def discreet(slug: str) -> Response:
    """What a signer's mailbox would show in discreet mode."""
    rows = mailbox_preview.rows(runtime(), visitor.petition_id())
    of_kind = groupby(rows, key=attrgetter("kind"))
    groups = [(KINDS[kind], list(group)) for kind, group in of_kind]
    return frame.desk_page("discreet.html", slug, "settings", groups=groups, names=LANGUAGE_NAMES)


def settings_of(form: Mapping[str, str]) -> PetitionSettings:
    """The settings that a form says.

    Raises:
        InvalidInputError: a number is none.
    """
    problems = {}
    fixed_goal = milestones = None
    if form["goal"] == "fixed":
        try:
            fixed_goal = desk_forms.whole_number(form["fixed_goal"])
        except ValueError:
            problems["fixed_goal"] = "not_a_number"
    if form["ladder"] == "own":
        try:
            milestones = tuple(desk_forms.whole_numbers(form["milestones"]))
        except ValueError:
            problems["milestones"] = "not_a_number"
    if problems:
        raise InvalidInputError(problems)
    return PetitionSettings(
        default_locale=form["default_locale"],
        author=form["author"],
        on_behalf_of=form["on_behalf_of"],
        sender_name=form["sender_name"],
        fixed_goal=fixed_goal,
        milestones=milestones,
        milestone_policy=form["milestone_policy"],
        discreet=bool(form["discreet"]),
        reply_to=form["reply_to"],
    )
