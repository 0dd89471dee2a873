"""Sign-in by a link in mail, and sign-out. No password: access to the mailbox is access to the account."""

from flask import Blueprint, Response, current_app, redirect, request, url_for

from campaign.accounts import kept_forms, sign_in
from campaign.accounts.sign_in import Session
from campaign.errors import InvalidInputError, TokenRefusedError
from campaign.signatures import requests
from campaign.variables import ROOT
from campaign.views import forms, said, visitor
from campaign.views.access import Access, allow
from campaign.views.current import runtime
from campaign.views.headers import keep_private
from campaign.views.language import gettext as _
from campaign.views.rendering import page as render
from campaign.views.rendering import switch_to

pages = Blueprint("sign_in", __name__, template_folder=str(ROOT / "templates"))


def home(session: Session | None) -> str:
    """Where an account begins: an admin at the monitor, an organiser at the desk.

    There is no ``next``: a prepared link can't redirect elsewhere.
    """
    return url_for("admin.index" if session is not None and session.account.is_admin else "desk.index")


def _from_elsewhere() -> bool:
    return forms.from_elsewhere(current_app.config["OWN_ORIGINS"])


@pages.get("/sign-in")
@allow(Access.PUBLIC)
def page() -> Response:
    """Ask for the address of an account; signed-in users are redirected to the desk."""
    session = sign_in.session(runtime(), visitor.cookie())
    is_again = session is not None and "again" in request.args
    if session is not None and not is_again:
        return keep_private(current_app.make_response(redirect(home(session), 303)))
    again = _("For this you need to have signed in recently. Please sign in again.")
    again_kept = _(
        "For this you need a sign-in of the last minutes. What you typed is kept: sign in with the same account."
    )
    kept = _(
        "Your session had ended, so nothing was saved yet. What you typed is kept: sign in with the same account to "
        "continue."
    )
    is_kept = said.is_proof(request.args.get("kept", ""), "kept")
    notice = (again_kept if is_again else kept) if is_kept else again if is_again else ""
    return _form(signed_out="signed-out" in request.args, notice=notice)


def _form(
    *, status: int = 200, problems: forms.Problems = forms.NO_PROBLEMS, notice: str = "", signed_out: bool = False
) -> Response:
    return keep_private(
        render(
            "desk/sign_in.html",
            status=status,
            problems=problems,
            notice=notice,
            signed_out=signed_out,
            email=forms.typed("email"),
        )
    )


@pages.post("/sign-in")
@allow(Access.PUBLIC, from_elsewhere=True)
def ask() -> Response:
    """Ask for a link; the same work and the same answer whether or not the address has an account."""
    if _from_elsewhere():
        return _form(status=403, notice=_("This form was sent from another site. Please sign in here."))
    try:
        masked = requests.request_sign_in_link(runtime(), forms.typed("email"), network=request.remote_addr or "")
    except InvalidInputError as error:
        return _form(status=422, problems=forms.worded(error.problems))
    return keep_private(
        render("desk/sign_in_sent.html", masked=masked, minutes=int(sign_in.LINK_LIFE.total_seconds() // 60))
    )


@pages.get("/sign-in/<token>")
@allow(Access.TOKEN)
def link(token: str) -> Response:
    """One button. Mail scanners open this address: it does not use up the link."""
    try:
        sign_in.look_up_link(runtime(), token)
    except TokenRefusedError:
        return _refused()
    return keep_private(render("desk/sign_in_link.html", token=token))


@pages.post("/sign-in/<token>")
@allow(Access.TOKEN, from_elsewhere=True)
def enter(token: str) -> Response:
    """Open a session with a fresh cookie; one that the browser had before ends."""
    if _from_elsewhere():
        # Else another site could sign its visitors into an account of its own.
        return _form(status=403, notice=_("This form was sent from another site. Please sign in here."))
    try:
        value = sign_in.sign_in(runtime(), token)
    except TokenRefusedError:
        return _refused()
    if before := visitor.cookie():
        sign_in.sign_out(runtime(), before)
    session = sign_in.session(runtime(), value)
    has_kept = session is not None and kept_forms.newest(runtime(), session.account.id) is not None
    begin = url_for("desk_kept.show") if has_kept else home(session)
    return visitor.set_cookie(current_app.make_response(redirect(begin, 303)), value)


def _refused() -> Response:
    switch_to(url_for("sign_in.page"))
    return keep_private(render("desk/sign_in_refused.html", status=410))


@pages.post("/sign-out")
@allow(Access.ORGANISER)
def leave() -> Response:
    """End the session, here and on the server."""
    sign_in.sign_out(runtime(), visitor.cookie() or "")
    return visitor.drop_cookie(current_app.make_response(redirect(f"{url_for('sign_in.page')}?signed-out", 303)))
