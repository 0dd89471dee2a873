"""The desk: an organiser's petitions."""

from flask import Blueprint, Response

from campaign.config import ROOT
from campaign.views.access import Access, allow
from campaign.views.rendering import page

pages = Blueprint("desk", __name__, template_folder=str(ROOT / "templates"))


@pages.get("/organiser")
@allow(Access.ORGANISER)
def index() -> Response:
    """The visitor's petitions."""
    return page("desk/index.html")
