"""Updates: the list, and the editor with its live preview."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Blueprint, Response

from campaign.accounts import countries
from campaign.blasts import blasts, merge_tags
from campaign.blasts import reports as blast_reports
from campaign.blasts.rules import Audience, Blast, BlastKind, BlastStage, BlastText
from campaign.blasts.text_checks import MAX_SUBJECT
from campaign.delivery import proof
from campaign.delivery.proof import Preview
from campaign.errors import ConflictError, CountersignError, InvalidInputError, NotFoundError
from campaign.i18n import LANGUAGE_NAMES
from campaign.petitions import petitions
from campaign.security.request_keys import is_request_key, new_request_key
from campaign.settings import LANGUAGES
from campaign.signatures import lists
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.desk import forms as desk_forms
from campaign.views.desk import frame, hold_words
from campaign.views.desk.previews import previewer
from campaign.views.language import gettext as _
from campaign.views.language import language, lazy

pages = Blueprint("desk_updates", __name__, template_folder=str(ROOT / "templates"))

TAG_WORDS: Mapping[str, str] = {
    "name": lazy("The reader’s name"),
    "count": lazy("The number of signatures when sending starts"),
    "goal": lazy("Current goal"),
    "petition": lazy("The petition’s title"),
    "link": lazy("The address of the petition"),
    "own page": lazy("The page that emails readers a private link, to see, change or withdraw their signature"),
    "unsubscribe": lazy("The link to unsubscribe; it is also at the end of every email"),
}
"""The meaning of each placeholder."""


@dataclass(frozen=True)
class Editing:
    """What the editor shows: the texts as typed, whom they are for, and what is wrong."""

    texts: Mapping[str, BlastText]
    audience: Audience
    request_key: str
    problems: forms.Problems = field(default_factory=forms.Problems)
    preview: Preview | None = None


@pages.get("/organiser/p/<slug>/updates")
@allow(Access.ORGANISER)
def index(slug: str) -> Response:
    """All updates and announcements, newest first."""
    reports = blast_reports.reports(runtime(), visitor.petition_id(), language())
    return frame.desk_page(
        "updates.html",
        slug,
        "updates",
        reports=reports,
        hold=hold_words.of_site(reports),
        done=frame.notice(visitor.done()),
    )


@pages.get("/organiser/p/<slug>/updates/new")
@allow(Access.ORGANISER)
def new(slug: str) -> Response:
    """The empty editor. Its form carries a key, so that pressing twice saves one update (F29)."""
    return _editor(slug, Editing({}, Audience(), new_request_key()))


@pages.post("/organiser/p/<slug>/updates/new")
@allow(Access.ORGANISER, keeps=True)
def create(slug: str) -> Response:
    """Save a new update as a draft."""
    key = forms.typed("request_key")
    # A key that is none of ours could name a blast made elsewhere.
    typed = _typed(key if is_request_key(key) else new_request_key())
    if forms.typed("action") == "preview":
        return _looked_at(slug, typed)
    try:
        previewer().check_texts(typed.texts, visitor.petition_id())
        blast_id = blasts.save_draft(
            runtime(),
            visitor.petition_id(),
            typed.texts,
            by=visitor.account(),
            request_key=typed.request_key,
            audience=typed.audience,
        )
    except InvalidInputError as error:
        return _refused(slug, typed, error)
    return visitor.see_other("desk_update.show", slug=slug, blast_id=blast_id, done="saved")


@pages.get("/organiser/p/<slug>/updates/<int(max=2147483647):blast_id>/edit")
@allow(Access.ORGANISER)
def edit(slug: str, blast_id: int) -> Response:
    """The editor with an update that has not started."""
    blast, texts = _editable(blast_id)
    return _editor(slug, Editing(texts, blast.audience, ""), blast)


@pages.post("/organiser/p/<slug>/updates/<int(max=2147483647):blast_id>/edit")
@allow(Access.ORGANISER, keeps=True)
def change(slug: str, blast_id: int) -> Response:
    """Save an update anew; a scheduled one stays scheduled."""
    blast, _texts = _editable(blast_id)
    typed = _typed("")
    if forms.typed("action") == "preview":
        return _looked_at(slug, typed, blast)
    try:
        previewer().check_texts(typed.texts, visitor.petition_id())
        blasts.edit(runtime(), blast_id, visitor.petition_id(), typed.texts, audience=typed.audience)
    except InvalidInputError as error:
        return _refused(slug, typed, error, blast)
    return visitor.see_other("desk_update.show", slug=slug, blast_id=blast_id, done="saved")


def _editable(blast_id: int) -> tuple[Blast, dict[str, BlastText]]:
    blast, texts = blasts.get(runtime(), blast_id, visitor.petition_id())
    if blast.kind is not BlastKind.UPDATE:
        raise NotFoundError("announcements of milestones are not written by hand")
    if blast.stage(open_rows=1) not in {BlastStage.DRAFT, BlastStage.SCHEDULED, BlastStage.HELD}:
        raise ConflictError("this update has started; its text can't be changed any more")
    return blast, texts


def _typed(request_key: str) -> Editing:
    """The form as it was typed; a language with neither subject nor text is not written in."""
    texts = {}
    for locale in LANGUAGES:
        subject, body = forms.typed(f"{locale}-subject"), forms.typed(f"{locale}-body")
        if subject.strip() or body.strip():
            texts[locale] = BlastText(subject, body)
    chosen = Audience(
        countries=tuple(code for code in forms.typed_all("countries") if code in countries.CODES),
        locales=tuple(code for code in LANGUAGES if code in forms.typed_all("locales")),
    )
    return Editing(texts, chosen, request_key)


def _refused(slug: str, typed: Editing, error: InvalidInputError, blast: Blast | None = None) -> Response:
    return _editor(
        slug, Editing(typed.texts, typed.audience, typed.request_key, desk_forms.worded(error.problems)), blast
    )


def _looked_at(slug: str, typed: Editing, blast: Blast | None = None) -> Response:
    """The editor with the mail below it, for use without JavaScript; nothing is saved."""
    locale = language() if language() in typed.texts else next(iter(typed.texts), language())
    try:
        preview = previewer().of_texts(typed.texts, visitor.petition_id(), locale)
    except InvalidInputError as error:
        return _refused(slug, typed, error, blast)
    except CountersignError:
        problems = forms.Problems({f"{locale}-body": _("The email can’t be created from this text. Is it too long?")})
        return _editor(slug, Editing(typed.texts, typed.audience, typed.request_key, problems), blast)
    return _editor(slug, Editing(typed.texts, typed.audience, typed.request_key, preview=preview), blast)


def _editor(slug: str, editing: Editing, blast: Blast | None = None) -> Response:
    default = petitions.by_slug(runtime(), slug).petition.default_locale
    codes = {*lists.countries(runtime(), visitor.petition_id()), *editing.audience.countries}
    named = sorted(((code, countries.name(code, language())) for code in codes), key=lambda pair: pair[1])
    order = sorted(LANGUAGES, key=lambda locale: (locale != default, LANGUAGES.index(locale)))
    return frame.desk_page(
        "update_edit.html",
        slug,
        "updates",
        status=422 if editing.problems else 200,
        editing=editing,
        blast=blast,
        default=default,
        languages_offered=[(code, LANGUAGE_NAMES[code]) for code in order],
        countries=named,
        tags=[(tag, _(TAG_WORDS[tag])) for tag in (*merge_tags.PER_RECIPIENT, *merge_tags.PER_BLAST)],
        subject_limit=MAX_SUBJECT,
        sample=proof.SIGNERS[language()],
    )
