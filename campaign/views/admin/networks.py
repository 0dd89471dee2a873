"""Networks, for admins: which are under the shield, how many there answer, and the button that lifts it."""

from flask import Blueprint, Response

from campaign.errors import ConflictError
from campaign.operations import networks
from campaign.variables import ROOT
from campaign.views import visitor
from campaign.views.access import Access, allow
from campaign.views.admin.monitor import Notice
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.rendering import page

pages = Blueprint("admin_networks", __name__, template_folder=str(ROOT / "templates"))


@pages.get("/admin/networks")
@allow(Access.ADMIN)
def index() -> Response:
    """Networks under the shield, and those where people wait."""
    lifted = Notice("good", "tick", _("The shield is lifted. It comes back if the next emails stay unanswered too."))
    return _page(notice=lifted if visitor.done() == "lifted" else None)


def _page(*, notice: Notice | None = None, status: int = 200) -> Response:
    found, limits = networks.listed(runtime()), runtime().networks.limits
    # While Redis is away the page says so; what a button led to is not known.
    said = None if found is None else notice
    return page("admin/networks.html", status=status, notice=said, networks=found, limits=limits)


@pages.post("/admin/networks/<label>/lift")
@allow(Access.ADMIN)
def lift(label: str) -> Response:
    """Take the shield from a network."""
    try:
        networks.lift(runtime(), label, by=visitor.account())
    except ConflictError:
        return _page(notice=Notice("warn", "info", _("This network is not under the shield.")), status=409)
    return visitor.see_other("admin_networks.index", done="lifted")
