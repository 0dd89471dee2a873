"""The text of a petition, language by language, with a live preview."""

from flask import Blueprint, Response, abort, current_app

from campaign.errors import InvalidInputError
from campaign.i18n import LANGUAGE_NAMES
from campaign.petitions import markdown, petitions
from campaign.petitions.markdown import MAX_BODY
from campaign.petitions.rules import MAX_TITLE, Draft, TextVersion
from campaign.settings import LANGUAGES
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.desk import forms as desk_forms
from campaign.views.desk import frame
from campaign.views.language import language

pages = Blueprint("desk_text", __name__, template_folder=str(ROOT / "templates"))


@pages.get("/organiser/p/<slug>/text")
@allow(Access.ORGANISER)
def show(slug: str) -> Response:
    """The newest text in one language, ready to be changed."""
    texts = petitions.by_slug(runtime(), slug, fresh=True).texts
    present = texts.get(_locale(slug))
    draft = Draft("", "", "") if present is None else _draft_of(present)
    return _editor(slug, draft)


def _draft_of(text: TextVersion) -> Draft:
    return Draft(
        title=text.title,
        addressed_to=text.addressed_to,
        summary=text.summary,
        body=text.body_markdown,
        byline=text.byline,
    )


def _locale(slug: str) -> str:
    """The language asked for; else the visitor's, if the petition has it; else the petition's own."""
    wanted = forms.asked("text")
    if wanted in LANGUAGES:
        return wanted
    opened = petitions.by_slug(runtime(), slug)
    return language() if language() in opened.texts else opened.petition.default_locale


def _editor(
    slug: str, draft: Draft, *, problems: forms.Problems = forms.NO_PROBLEMS, looking: bool = False
) -> Response:
    locale = _locale(slug)
    opened = petitions.by_slug(runtime(), slug, fresh=True)
    present = opened.texts.get(locale)
    return frame.desk_page(
        "text.html",
        slug,
        "text",
        status=422 if problems else 200,
        draft=draft,
        problems=problems,
        locale=locale,
        preview=markdown.to_html(draft.body[:MAX_BODY]),
        looking=looking,
        title_limit=MAX_TITLE,
        version=present.version if present else 0,
        present=present,
        done=frame.notice(visitor.done()),
        tabs=[(code, LANGUAGE_NAMES[code], opened.texts.get(code)) for code in LANGUAGES],
    )


@pages.post("/organiser/p/<slug>/text")
@allow(Access.ORGANISER, keeps=True)
def save(slug: str) -> Response:
    """Save the text as its next version; or, without JavaScript, show how it will look."""
    locale = _locale(slug)
    draft = Draft(
        title=forms.typed("title"),
        addressed_to=forms.typed("addressed_to"),
        summary=forms.typed("summary"),
        body=forms.typed("body"),
        byline=forms.typed("byline"),
    )
    if forms.typed("action") == "preview":
        return _editor(slug, draft, looking=True)
    try:
        petitions.edit_text(runtime(), slug, locale, draft, by=visitor.account().id)
    except InvalidInputError as error:
        return _editor(slug, draft, problems=desk_forms.worded(error.problems))
    return visitor.see_other("desk_text.show", slug=slug, text=locale, done="saved")


@pages.post("/organiser/preview")
@allow(Access.ORGANISER)
def preview() -> Response:
    """Markdown as safe HTML, for the live preview; stores nothing."""
    body = forms.typed("body")
    if len(body) > MAX_BODY:
        abort(413)
    return current_app.response_class(markdown.to_html(body), mimetype="text/html")
