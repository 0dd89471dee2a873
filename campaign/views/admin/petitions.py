"""All petitions, for admins: state, count, organisers; publish and close. The rest is done at the desk."""

from flask import Blueprint, Response, request

from campaign.accounts import accounts
from campaign.errors import ConflictError
from campaign.petitions import petitions
from campaign.petitions.rules import nearest
from campaign.states import PETITION_MOVES, PetitionState
from campaign.variables import ROOT
from campaign.views import visitor
from campaign.views.access import Access, allow
from campaign.views.admin.monitor import Notice
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.language import language
from campaign.views.rendering import page

pages = Blueprint("admin_petitions", __name__, template_folder=str(ROOT / "templates"))


@pages.get("/admin/petitions")
@allow(Access.ADMIN)
def index() -> Response:
    """The list, the newest first."""
    words = {"published": _("The petition is open for signing."), "closed": _("The petition is closed.")}
    text = words.get(visitor.done())
    return _list(notice=None if text is None else Notice("good", "tick", text))


def _list(*, notice: Notice | None, status: int = 200) -> Response:
    wanted = request.args.get("state", "")
    states = [PetitionState(wanted)] if wanted in set(PetitionState) else list(PetitionState)
    return page(
        "admin/petitions.html",
        status=status,
        notice=notice,
        petitions=[stored for stored in petitions.list_all(runtime()) if stored.petition.state in states],
        title_of=lambda stored: nearest(stored.texts, language(), stored.petition.default_locale).title,
        organisers=accounts.organisers(runtime()),
        states=list(PetitionState),
        state=wanted if wanted in set(PetitionState) else "",
        moves=PETITION_MOVES,
    )


@pages.post("/admin/petitions/<slug>/publish")
@allow(Access.ADMIN)
def publish(slug: str) -> Response:
    """Open a petition for signing."""
    try:
        petitions.publish(runtime(), slug, by=visitor.account().id)
    except ConflictError:
        return _list(notice=_too_late(), status=409)
    return visitor.see_other("admin_petitions.index", done="published", state=request.args.get("state"))


@pages.post("/admin/petitions/<slug>/close")
@allow(Access.ADMIN)
def close(slug: str) -> Response:
    """End the signing."""
    try:
        petitions.close(runtime(), slug, by=visitor.account().id)
    except ConflictError:
        return _list(notice=_too_late(), status=409)
    return visitor.see_other("admin_petitions.index", done="closed", state=request.args.get("state"))


def _too_late() -> Notice:
    return Notice("warn", "info", _("The petition has changed in the meantime. That is no longer possible."))
