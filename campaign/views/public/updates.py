"""Published updates, for everybody to read in the browser."""

from flask import Blueprint, Response, url_for

from campaign.blasts import pages as blast_pages
from campaign.variables import ROOT
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.language import language
from campaign.views.public.petition import shelter_for
from campaign.views.rendering import page

pages = Blueprint("updates", __name__, template_folder=str(ROOT / "templates"))


@pages.get("/p/<slug>/updates/<int(max=2147483647):update_id>")
@allow(Access.PUBLIC)
def read(slug: str, update_id: int) -> Response:
    """One update in the reader's language, without personal data."""
    shown = blast_pages.read(runtime(), slug, update_id, language())
    address = f"{runtime().settings.base_url}{url_for('updates.read', slug=slug, update_id=update_id)}"
    shelter_for(slug)
    response = page("update.html", update=shown, address=address)
    response.headers["Cache-Control"] = "public, max-age=60"
    return response
