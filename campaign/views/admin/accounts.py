"""Accounts, for admins: who there is, new ones, roles, disabling, and a sign-in link by mail."""

from flask import Blueprint, Response

from campaign.accounts import accounts
from campaign.accounts.accounts import Account, Role
from campaign.accounts.lookalikes import lookalike
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.i18n import LANGUAGE_NAMES
from campaign.settings import LANGUAGES
from campaign.signatures import requests
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.admin.monitor import Notice
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.rendering import page

pages = Blueprint("admin_accounts", __name__, template_folder=str(ROOT / "templates"))


@pages.get("/admin/accounts")
@allow(Access.ADMIN)
def index() -> Response:
    """The list, and the form for a new account."""
    words = {
        "created": _("Account created. Send a sign-in link when they are ready to start."),
        "role": _("Role changed."),
        "disabled": _("Account disabled. Its sessions have ended."),
        "enabled": _("The account is enabled."),
        "linked": _("A sign-in link has been emailed."),
    }
    text = words.get(visitor.done())
    return _list(notice=None if text is None else Notice("good", "tick", text))


def _list(*, notice: Notice | None = None, problems: forms.Problems = forms.NO_PROBLEMS, status: int = 200) -> Response:
    return page(
        "admin/accounts.html",
        status=status,
        notice=notice,
        problems=problems,
        accounts=accounts.list_all(runtime()),
        roles=list(Role),
        languages_offered=list(LANGUAGE_NAMES.items()),
        typed={name: forms.typed(name) for name in ("name", "email", "role", "locale")},
        me=visitor.account(),
        lookalike=lookalike,
    )


@pages.post("/admin/accounts")
@allow(Access.ADMIN)
def create() -> Response:
    """Make an account."""
    role, locale = forms.typed("role"), forms.typed("locale")
    try:
        accounts.create(
            runtime(),
            email=forms.typed("email"),
            name=forms.typed("name"),
            role=Role(role) if role in set(Role) else Role.ORGANISER,
            locale=locale if locale in LANGUAGES else LANGUAGES[0],
            by=visitor.account().id,
        )
    except InvalidInputError as error:
        return _list(problems=forms.worded(error.problems), status=422)
    return visitor.see_other("admin_accounts.index", done="created")


def _account(account_id: int) -> Account:
    for found in accounts.list_all(runtime()):
        if found.id == account_id:
            return found
    raise NotFoundError("there is no such account")


@pages.post("/admin/accounts/<int:account_id>")
@allow(Access.ADMIN)
def change(account_id: int) -> Response:
    """Change the role, disable, enable, or mail a sign-in link."""
    account, press = _account(account_id), forms.typed("press")
    try:
        done = _press(account, press)
    except ConflictError:
        text = _("You can’t change your own role or disable your own account. Ask another admin.")
        return _list(notice=Notice("warn", "info", text), status=409)
    return visitor.see_other("admin_accounts.index", done=done)


def _press(account: Account, press: str) -> str:
    by = visitor.account()
    match press:
        case Role.ORGANISER | Role.ADMIN:
            accounts.set_role(runtime(), account.id, Role(press), by=by)
            return "role"
        case "disable" | "enable":
            accounts.set_disabled(runtime(), account.id, disabled=press == "disable", by=by)
            return "disabled" if press == "disable" else "enabled"
        case "link":
            requests.request_sign_in_link(runtime(), account.email, network=None)
            return "linked"
    raise NotFoundError("there is no such press")
