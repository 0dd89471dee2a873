"""Updates as their readers will see them: HTML wide and narrow, plain text, and the live preview of the editor."""

import re

from flask import Blueprint, Response, current_app, jsonify

from campaign.blasts import blasts
from campaign.blasts.rules import BlastKind, BlastText
from campaign.delivery.proof import Previewer
from campaign.errors import InvalidInputError
from campaign.i18n import LANGUAGE_NAMES
from campaign.settings import LANGUAGES
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.desk import forms as desk_forms
from campaign.views.desk import frame
from campaign.views.headers import FRAMING_POLICY, MAIL_POLICY
from campaign.views.language import language

pages = Blueprint("desk_previews", __name__, template_folder=str(ROOT / "templates"))

PREVIEWER = "previewer"
_BLAST = "<int(max=2147483647):blast_id>"


def previewer() -> Previewer:
    """The application's maker of previews; made at its first use, because it reads the mail templates."""
    kept = current_app.extensions.setdefault(PREVIEWER, Previewer(runtime()))
    assert isinstance(kept, Previewer)  # noqa: S101 - the key is used here only
    return kept


def _locale(slug: str) -> str:
    del slug
    return forms.asked("text") if forms.asked("text") in LANGUAGES else language()


@pages.get(f"/organiser/p/<slug>/updates/{_BLAST}/preview")
@allow(Access.ORGANISER)
def show(slug: str, blast_id: int) -> Response:
    """The saved update in one language, as a signer gets it."""
    locale = _locale(slug)
    blast, texts = blasts.get(runtime(), blast_id, visitor.petition_id())
    if blast.kind is BlastKind.UPDATE and not texts:
        return visitor.see_other("desk_updates.edit", slug=slug, blast_id=blast_id)
    response = frame.desk_page(
        "update_preview.html",
        slug,
        "updates",
        blast=blast,
        locale=locale,
        preview=previewer().of_blast(blast_id, visitor.petition_id(), locale),
        tabs=[(code, LANGUAGE_NAMES[code]) for code in LANGUAGES],
        sender=runtime().settings.mail_from,
    )
    response.headers["Content-Security-Policy"] = FRAMING_POLICY
    return response


@pages.get(f"/organiser/p/<slug>/updates/{_BLAST}/preview.html")
@allow(Access.ORGANISER)
def html(slug: str, blast_id: int) -> Response:
    """The HTML part for the frames of the preview: its own policy lets nothing run and nothing load."""
    made = previewer().of_blast(blast_id, visitor.petition_id(), _locale(slug))
    # Links leave the frame: a page of ours refuses to be framed.
    framed = re.sub(r"(<head[^>]*>)", r'\1<base target="_blank">', made.html, count=1, flags=re.IGNORECASE)
    response = current_app.response_class(framed, mimetype="text/html")
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    return response


@pages.post("/organiser/p/<slug>/updates/preview")
@allow(Access.ORGANISER)
def live(slug: str) -> Response:
    """The text that is being written, as JSON for the editor; stores nothing.

    Answers ``{"subject", "html"}``, or with status 422 ``{"problems": [sentence, …]}``.
    """
    locale = _locale(slug)
    # A subject is not written first by everybody, and none is needed to look at the text.
    written = BlastText(forms.typed("subject") or "–", forms.typed("body"))
    try:
        subject, body = previewer().live(written, visitor.petition_id(), locale)
    except InvalidInputError as error:
        answer = jsonify(problems=list(desk_forms.worded(error.problems).values()))
        answer.status_code = 422
        return answer
    return jsonify(subject=subject, html=body)
