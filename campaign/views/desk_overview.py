"""The overview of one petition."""

from flask import Blueprint, Response

from campaign.config import ROOT
from campaign.views.access import Access, allow
from campaign.views.rendering import page

pages = Blueprint("desk_overview", __name__, template_folder=str(ROOT / "templates"))


@pages.get("/organiser/p/<slug>")
@allow(Access.ORGANISER)
def show(slug: str) -> Response:
    """How the petition stands."""
    return page("desk/overview.html", slug=slug)
