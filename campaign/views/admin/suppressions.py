"""Suppressions, for admins: look an address up, add one, lift one with a reason. No address is ever shown or kept."""

from flask import Blueprint, Response, request

from campaign.errors import ConflictError, InvalidInputError
from campaign.operations import suppressions
from campaign.operations.suppressions import Found
from campaign.variables import ROOT
from campaign.views import forms, visitor
from campaign.views.access import Access, allow
from campaign.views.admin.messages import WINDOW_WORDS, WINDOWS
from campaign.views.admin.monitor import Notice
from campaign.views.current import runtime
from campaign.views.language import gettext as _
from campaign.views.rendering import address_mark, page

pages = Blueprint("admin_suppressions", __name__, template_folder=str(ROOT / "templates"))


def before(name: str = "before") -> int | None:
    """The keyset cursor of the address; None on the first page."""
    asked = request.args.get(name, "")
    return int(asked) if asked.isdecimal() and len(asked) < 19 else None


def window() -> str:
    """How far back suppressions are grouped, from the address or the form."""
    asked = forms.typed("since") if request.method == "POST" else request.args.get("since", "")
    return asked if asked in WINDOWS else "7d"


@pages.get("/admin/suppressions")
@allow(Access.ADMIN)
def index() -> Response:
    """The newest ones, and the forms."""
    words = {"lifted": _("Suppression lifted. The address can get email again.")}
    text = words.get(visitor.told().done)
    return _page(notice=None if text is None else Notice("good", "tick", text))


def _page(
    *,
    notice: Notice | None = None,
    found: Found | None = None,
    problems: forms.Problems = forms.NO_PROBLEMS,
    status: int = 200,
) -> Response:
    return page(
        "admin/suppressions.html",
        status=status,
        notice=notice,
        found=found,
        problems=problems,
        email=forms.typed("email") if problems else "",
        newest=suppressions.newest(runtime(), before=before()),
        groups=suppressions.groups(runtime(), window=WINDOWS[window()]),
        window=window(),
        windows={name: _(text) for name, text in WINDOW_WORDS.items()},
    )


@pages.post("/admin/suppressions")
@allow(Access.ADMIN)
def ask() -> Response:
    """Look an address up, or suppress it. By POST, for an address has no place in a URL, which is logged."""
    email, by = forms.typed("email"), visitor.account()
    try:
        if forms.typed("press") != "add":
            return _page(found=suppressions.search(runtime(), email, by=by))
        masked = suppressions.add(runtime(), email, by=by)
    except InvalidInputError as error:
        return _page(problems=forms.worded(error.problems), status=422)
    except ConflictError:
        return _page(notice=Notice("warn", "info", _("This address is already suppressed.")), status=409)
    text = _("%(address)s is blocked and gets no more email.", address=address_mark(masked))
    return _page(notice=Notice("good", "tick", text))


@pages.post("/admin/suppressions/<int:suppression_id>/lift")
@allow(Access.ADMIN)
def lift(suppression_id: int) -> Response:
    """Let an address get mail again."""
    try:
        suppressions.lift(runtime(), suppression_id, reason=forms.typed("why"), by=visitor.account())
    except InvalidInputError as error:
        text = forms.worded(error.problems)["why"]
        return _page(notice=Notice("warn", "warn", text), status=422)
    except ConflictError:
        text = _("This suppression is no longer active.")
        return _page(notice=Notice("warn", "info", text), status=409)
    return visitor.see_other("admin_suppressions.index", done="lifted")
