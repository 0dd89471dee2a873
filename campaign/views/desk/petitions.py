"""The desk's first page, and writing down a new petition."""

import re
import secrets
import unicodedata

from flask import Blueprint, Response

from campaign.accounts import kept_forms
from campaign.errors import InvalidInputError
from campaign.i18n import LANGUAGE_NAMES
from campaign.petitions import editing, petitions
from campaign.petitions.rules import MAX_TITLE, Draft
from campaign.settings import LANGUAGES
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.desk import forms as desk_forms
from campaign.views.language import language
from campaign.views.rendering import page

pages = Blueprint("desk", __name__, template_folder=str(ROOT / "templates"))

FIELDS = ("title", "addressed_to", "summary", "body", "author", "on_behalf_of", "sender_name", "slug", "locale")


@pages.get("/organiser")
@allow(Access.ORGANISER)
def index() -> Response:
    """The visitor's petitions with count, goal, state and next update."""
    found = editing.list_of(runtime(), visitor.account(), language())
    kept = kept_forms.newest(runtime(), visitor.account().id)
    return page("desk/index.html", petitions=found, kept=kept is not None)


@pages.get("/organiser/new")
@allow(Access.ORGANISER)
def new() -> Response:
    """The form for a new petition."""
    return _form(dict.fromkeys(FIELDS, "") | {"locale": language()})


def _form(form: dict[str, str], problems: forms.Problems = forms.NO_PROBLEMS) -> Response:
    return page(
        "desk/new.html",
        status=422 if problems else 200,
        form=form,
        problems=problems,
        title_limit=MAX_TITLE,
        languages_offered=list(LANGUAGE_NAMES.items()),
    )


@pages.post("/organiser/new")
@allow(Access.ORGANISER, keeps=True)
def create() -> Response:
    """Write a petition down as a draft; its writer organises it."""
    form = {name: forms.typed(name) for name in FIELDS}
    locale = form["locale"] if form["locale"] in LANGUAGES else language()
    slug = form["slug"].strip().lower() or slug_of(form["title"])
    draft = Draft(title=form["title"], addressed_to=form["addressed_to"], summary=form["summary"], body=form["body"])
    whole = petitions.NewPetition(
        slug=slug,
        author=form["author"],
        on_behalf_of=form["on_behalf_of"],
        sender_name=form["sender_name"],
        default_locale=locale,
    )
    try:
        petitions.create(runtime(), whole, {locale: draft}, owner_id=visitor.account().id)
    except InvalidInputError as error:
        return _form(form, desk_forms.worded(error.problems))
    return visitor.see_other("desk_overview.show", slug=slug, done="created")


def slug_of(title: str) -> str:
    """An address for a title: its Latin letters and digits; for other scripts a short random one."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-")
    return made if len(made) >= 3 else f"petition-{secrets.token_hex(3)}"
