"""My signatures: type the address, and links to every signature of it are mailed there. Always the same answer."""

from flask import Blueprint, Response, current_app, redirect, request, url_for

from campaign.errors import InvalidInputError, NetworkBusyError
from campaign.networks.rules import HORIZON, minute_of, moment_of
from campaign.signatures import requests
from campaign.views import forms
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.headers import keep_private
from campaign.views.language import gettext as _
from campaign.views.public.check_inbox import arrival
from campaign.views.rendering import link, page, switch_to

pages = Blueprint("mine", __name__)


@pages.get("/mine")
@allow(Access.PUBLIC)
def show() -> Response:
    """The form."""
    return keep_private(page("mine.html", problems=forms.NO_PROBLEMS, email=""))


def _form(problems: forms.Problems, *, status: int) -> Response:
    return keep_private(page("mine.html", status=status, problems=problems, email=forms.typed("email")))


@pages.post("/mine")
@pages.post("/resend", endpoint="resend")
@allow(Access.PUBLIC)
def ask() -> Response:
    """Ask for the mail; the same work and the same answer whether or not we know the address."""
    switch_to(url_for("mine.show"))
    try:
        due = requests.request_mine(runtime(), forms.typed("email"), network=request.remote_addr or "")
    except InvalidInputError as error:
        return _form(forms.worded(error.problems), status=422)
    except NetworkBusyError:
        return _form(forms.Problems({"email": _(forms.NETWORK_BUSY)}), status=429)
    at = {} if due is None else {"at": minute_of(due)}
    return current_app.make_response(redirect(link("mine.sent", **at), 303))


@pages.get("/mine/sent")
@pages.get("/resend", endpoint="resent")
@allow(Access.PUBLIC)
def sent() -> Response:
    """What happens next; can be reloaded."""
    return keep_private(
        page(
            "message.html",
            sign="mail",
            heading=_("Check your inbox"),
            sentences=[
                _("If a petition was signed with this address, we’ll email you links to each signature."),
                _when(request.args.get("at", 0, type=int)),
            ],
            back="",
            back_label="",
        )
    )


def _when(minute: int) -> str:
    now = minute_of(runtime().clock())
    if not now < minute <= now + HORIZON:
        return _("Nothing after a few minutes? Check your spam folder. We send at most three emails a day.")
    time, wait = arrival(moment_of(minute))
    return _(
        "Many people near you are asking for such emails right now. Yours will come at about %(time)s, in %(wait)s.",
        time=time.striptags(),
        wait=wait,
    )
