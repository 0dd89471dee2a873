"""Hand-over: packs with all signatures, made in the background, for whom the petition is addressed to."""

from collections.abc import Mapping
from typing import Final

from flask import Blueprint, Response, current_app

from campaign.errors import ConflictError, InvalidInputError
from campaign.handover import packs
from campaign.handover.queries import Pack, PackState
from campaign.handover.rules import LIFE, MAX_REASON
from campaign.i18n import LANGUAGE_NAMES
from campaign.petitions import petitions
from campaign.security.request_keys import is_request_key, new_request_key
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.desk import frame
from campaign.views.language import gettext as _
from campaign.views.language import language, lazy

pages = Blueprint("desk_handover", __name__, template_folder=str(ROOT / "templates"))

_PACK = "<int(max=2147483647):pack_id>"

PROBLEMS: Final[Mapping[str, str]] = {
    "tries": lazy("It couldn’t be made: the program that makes it was stopped several times. Ask an administrator."),
    "counting_off": lazy("It couldn’t be made: counting is switched off. Ask again once signatures are counted."),
    "counting": lazy("It couldn’t be made: signatures were still being counted. Ask again later."),
    "erased": lazy("It couldn’t be made: the data of this petition’s signers was erased."),
    "not_set": lazy("It couldn’t be made: a document failed. Ask an administrator to look at the log of the workers."),
}
"""Why a pack could not be made, by its code."""

IN_WORK: Final = frozenset({PackState.WAITING, PackState.MAKING})


@pages.get("/organiser/p/<slug>/hand-over")
@allow(Access.ORGANISER)
def show(slug: str) -> Response:
    """The packs that are there, and the form to ask for one."""
    return _page(slug)


def _page(slug: str, *, status: int = 200, problems: forms.Problems = forms.NO_PROBLEMS) -> Response:
    found = packs.of_petition(runtime(), visitor.petition_id())
    addressee = petitions.by_slug(runtime(), slug).text_for(language()).addressed_to
    return frame.desk_page(
        "hand_over.html",
        slug,
        "hand_over",
        status=422 if problems else status,
        problems=problems,
        packs=found,
        addressee=addressee,
        status_conflict=status == 409,
        is_in_work=any(pack.state in IN_WORK for pack in found),
        words=problem_words,
        is_fresh=visitor.is_fresh(),
        minutes=visitor.fresh_minutes(),
        days=LIFE.days,
        typed_reason=forms.typed("reason"),
        chosen=forms.typed("language") or language(),
        offered=list(LANGUAGE_NAMES.items()),
        request_key=new_request_key(),
        done=_notice(visitor.done()),
    )


def problem_words(pack: Pack) -> str:
    """Why a pack could not be made."""
    return _(PROBLEMS.get(pack.problem or "", PROBLEMS["not_set"]))


def _notice(done: str) -> str:
    return {
        "asked": _("The pack is being made. You can leave this page."),
        "deleted": _("The pack is deleted. Copies that were downloaded are not."),
    }.get(done, "")


@pages.post("/organiser/p/<slug>/hand-over")
@allow(Access.ORGANISER, keeps=True)
def ask(slug: str) -> Response:
    """Ask for a pack."""
    if not visitor.is_fresh():
        return visitor.sign_in_anew()
    key = forms.typed("request_key")
    try:
        packs.ask(
            runtime(),
            visitor.petition_id(),
            by=visitor.account(),
            reason=forms.typed("reason"),
            locale=forms.typed("language"),
            request_key=key if is_request_key(key) else new_request_key(),
        )
    except InvalidInputError as error:
        return _page(slug, problems=_worded(error.problems))
    except ConflictError:
        return _page(slug, status=409)
    return visitor.see_other("desk_handover.show", slug=slug, done="asked")


def _worded(problems: Mapping[str, str]) -> forms.Problems:
    said = {
        "missing": _("Enter for whom or what the pack is."),
        "too_long": _("Shorten it to %(limit)s characters or fewer.", limit=MAX_REASON),
    }
    words = {name: said[code] for name, code in problems.items() if name == "reason"}
    if "language" in problems:
        words["language"] = _("Choose a language from the list.")
    return forms.Problems(words)


@pages.post(f"/organiser/p/<slug>/hand-over/{_PACK}/download")
@allow(Access.ORGANISER)
def download(slug: str, pack_id: int) -> Response:
    """A pack as a file. A form is sent, for the download is written into the audit log."""
    if not visitor.is_fresh():
        return visitor.sign_in_anew()
    pack, pieces = packs.download(runtime(), visitor.petition_id(), pack_id, by=visitor.account())
    response = current_app.response_class(pieces, mimetype="application/zip")
    response.headers["Content-Length"] = str(pack.size)
    day = (pack.ready_at or pack.asked_at).date().isoformat()
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}-{day}.zip"'
    return response


@pages.post(f"/organiser/p/<slug>/hand-over/{_PACK}/delete")
@allow(Access.ORGANISER)
def delete(slug: str, pack_id: int) -> Response:
    """Delete a pack, or take back that it was asked for."""
    packs.delete(runtime(), visitor.petition_id(), pack_id, by=visitor.account())
    return visitor.see_other("desk_handover.show", slug=slug, done="deleted")
