"""The own page of a petition in discreet mode: its link leads here first, and a code from a fresh email opens it."""

from flask import Blueprint, Response, current_app, redirect, request

from campaign.errors import InvalidInputError, PageLockedError
from campaign.signatures import own_codes, own_links
from campaign.views import forms
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.headers import without_referrer
from campaign.views.language import speak
from campaign.views.rendering import link, page, shelter

pages = Blueprint("own_code", __name__)


def locked(error: PageLockedError) -> Response:
    """What a link of an earlier email shows instead of the own page: nothing that is stored."""
    speak(error.locale)
    return _page((request.view_args or {})["token"], status=200 if request.method in {"GET", "HEAD"} else 403)


def _page(
    token: str, *, status: int = 200, asked: bool = False, problems: forms.Problems = forms.NO_PROBLEMS
) -> Response:
    shelter()
    return without_referrer(
        page(
            "locked.html",
            status=status,
            token=token,
            asked=asked,
            problems=problems,
            code=forms.typed("code"),
            minutes=int(own_links.LIFE.total_seconds() // 60),
        )
    )


@pages.post("/me/<token>/code")
@allow(Access.TOKEN)
def ask(token: str) -> Response:
    """Email a code; the answer is the same whether or not the allowance permits it now."""
    own_codes.ask(runtime(), token)
    return without_referrer(current_app.make_response(redirect(link("own_code.show", token=token), 303)))


@pages.get("/me/<token>/code")
@allow(Access.TOKEN)
def show(token: str) -> Response:
    """The field for the code; can be reloaded."""
    return _page(token, asked=True)


@pages.post("/me/<token>/open")
@allow(Access.TOKEN)
def enter(token: str) -> Response:
    """Lead to the own page, by a link that works for some minutes."""
    try:
        opened = own_codes.open_page(runtime(), token, forms.typed("code"))
    except InvalidInputError as error:
        return _page(token, status=422, asked=True, problems=forms.worded(error.problems))
    return without_referrer(current_app.make_response(redirect(link("preferences.own", token=opened), 303)))
