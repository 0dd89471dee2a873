"""The pages of a changed address: agreed to from the new mailbox, undone from the old one. GET changes nothing."""

from flask import Blueprint, Response, url_for

from campaign.signatures import moving
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.headers import without_referrer
from campaign.views.language import gettext as _
from campaign.views.language import speak
from campaign.views.public.petition import shelter_for
from campaign.views.rendering import link, page, switch_to

pages = Blueprint("moving", __name__)


@pages.get("/move/<token>")
@allow(Access.TOKEN)
def show(token: str) -> Response:
    """Ask the new mailbox."""
    found = moving.look_up(runtime(), token)
    speak(found.locale)
    shelter_for(found.slug)
    return without_referrer(
        page(
            "move.html",
            moving=found,
            heading=_("Use this email address for your signature?"),
            sentences=[
                _("All email about this signature goes to this address from now on, and links in earlier emails end."),
                _("Press the button only if you entered this email address yourself."),
            ],
            button=_("Use this email address"),
            here=link("moving.show", token=token),
        )
    )


@pages.post("/move/<token>")
@allow(Access.TOKEN)
def move(token: str) -> Response:
    """Change the address; pressing again changes nothing and says the same."""
    moved = moving.confirm(runtime(), token)
    speak(moved.locale)
    shelter_for(moved.slug)
    switch_to(url_for("public.home"))
    return _done(
        _("Your signature now uses this email address"),
        [
            _("We’re emailing the previous address about it. Your signature counts as it did."),
            _("To see or change your signature, ask for a new link."),
        ],
    )


@pages.get("/move-back/<token>")
@allow(Access.TOKEN)
def show_back(token: str) -> Response:
    """Ask the old mailbox."""
    found = moving.look_up(runtime(), token, back=True)
    speak(found.locale)
    shelter_for(found.slug)
    return without_referrer(
        page(
            "move.html",
            moving=found,
            heading=_("Undo the change of email address?"),
            sentences=[
                _("Your signature uses this address again, and no link that was emailed elsewhere opens it."),
            ],
            button=_("Undo the change"),
            here=link("moving.show_back", token=token),
        )
    )


@pages.post("/move-back/<token>")
@allow(Access.TOKEN)
def move_back(token: str) -> Response:
    """Undo a change of address."""
    undone = moving.undo(runtime(), token)
    speak(undone.locale)
    shelter_for(undone.slug)
    switch_to(url_for("public.home"))
    return _done(
        _("The change is undone"),
        [
            _("Your signature uses your email address again."),
            _("To see or change your signature, ask for a new link."),
        ],
    )


def _done(heading: str, sentences: list[str]) -> Response:
    return without_referrer(
        page(
            "message.html",
            sign="tick",
            heading=heading,
            sentences=sentences,
            back=link("mine.show"),
            back_label=_("My signatures"),
        )
    )
