"""The way from a discreet email to an update: the address of the page in between tells nothing."""

from flask import Blueprint, Response, current_app, redirect

from campaign.blasts import pages as blast_pages
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.headers import without_referrer
from campaign.views.rendering import link, page, shelter

pages = Blueprint("news", __name__)


@pages.get("/n/<token>")
@allow(Access.TOKEN)
def show(token: str) -> Response:
    """One button; names nothing, because this address stays in the history."""
    blast_pages.behind(runtime(), token)
    shelter()
    return without_referrer(page("news.html", token=token))


@pages.post("/n/<token>")
@allow(Access.TOKEN)
def follow(token: str) -> Response:
    """Lead to the public page of the update, or of the petition."""
    slug, update_id = blast_pages.behind(runtime(), token)
    if update_id is None:
        target = link("public.petition", slug=slug)
    else:
        target = link("updates.read", slug=slug, update_id=update_id)
    return without_referrer(current_app.make_response(redirect(target, 303)))
