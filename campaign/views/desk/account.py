"""The visitor's own account: language and time zone."""

from flask import Blueprint, Response, current_app, redirect, url_for

from campaign.accounts import accounts
from campaign.errors import InvalidInputError
from campaign.i18n import LANGUAGE_NAMES, zone_names
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.desk import forms as desk_forms
from campaign.views.rendering import page

pages = Blueprint("desk_account", __name__, template_folder=str(ROOT / "templates"))


@pages.get("/organiser/account")
@allow(Access.ORGANISER)
def show() -> Response:
    """What the account is, and what its owner may choose."""
    account = visitor.account()
    return _form(locale=account.locale, time_zone=account.time_zone)


def _form(*, locale: str, time_zone: str, problems: forms.Problems = forms.NO_PROBLEMS) -> Response:
    return page(
        "desk/account.html",
        status=422 if problems else 200,
        problems=problems,
        locale=locale,
        time_zone=time_zone,
        languages_offered=list(LANGUAGE_NAMES.items()),
        zones=[(name, name) for name in zone_names()],
        saved=visitor.done(),
    )


@pages.post("/organiser/account")
@allow(Access.ORGANISER)
def save() -> Response:
    """Store language and time zone."""
    locale, time_zone = forms.typed("locale"), forms.typed("time_zone")
    try:
        accounts.set_preferences(runtime(), visitor.account(), locale=locale, time_zone=time_zone)
    except InvalidInputError as error:
        return _form(locale=locale, time_zone=time_zone, problems=desk_forms.worded(error.problems))
    # Without ?lang: the answer is to show the language that was just chosen.
    visitor.tell(url_for("desk_account.show"), "saved")
    return current_app.make_response(redirect(url_for("desk_account.show"), 303))
