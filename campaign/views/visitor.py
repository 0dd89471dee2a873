"""Who is signed in: the session cookie, the token that every form carries against forgery, and the account."""

import hmac
from wsgiref.types import WSGIEnvironment

from flask import Flask, Response, abort, current_app, g, redirect, request, url_for
from markupsafe import Markup
from werkzeug.http import parse_cookie

from campaign.accounts import sign_in
from campaign.accounts.accounts import Account
from campaign.accounts.sign_in import Session
from campaign.errors import StoreUnavailableError
from campaign.petitions import organisers
from campaign.settings import Settings
from campaign.views.current import LazyRuntime, runtime
from campaign.views.headers import keep_private
from campaign.views.language import asked_for, speak

CSRF_FIELD = "csrf"
"""Name of the hidden field of every form of the desk and the monitor."""

CSRF_HEADER = "X-CSRF-Token"
"""The same for the requests of our own JavaScript modules."""

ROOM = 5 * 1024 * 1024
"""Bytes of a request of a signed-in user: four languages of 100,000 characters each, percent-encoded."""

PARTS = 400
"""Fields of such a request: an audience may name every country."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_name() -> str:
    """``__Host-`` binds the cookie to this very host and to https; plain http, which is localhost, can't have it."""
    return _cookie_name(runtime().settings)


def _cookie_name(settings: Settings) -> str:
    return "__Host-countersign" if settings.base_url.startswith("https:") else "countersign"


def _is_https() -> bool:
    return runtime().settings.base_url.startswith("https:")


def cookie() -> str | None:
    """The value of the session cookie, as the browser sent it."""
    return request.cookies.get(cookie_name())


def set_cookie(response: Response, value: str) -> Response:
    """Give a browser its session; RFC 6265bis section 4.1.3.2 says what ``__Host-`` demands."""
    response.set_cookie(
        cookie_name(),
        value,
        max_age=sign_in.SESSION_LIFE,
        path="/",
        secure=_is_https(),
        httponly=True,
        samesite="Lax",
    )
    return keep_private(response)


def drop_cookie(response: Response) -> Response:
    """Take the session back from a browser."""
    response.delete_cookie(cookie_name(), path="/", secure=_is_https(), httponly=True, samesite="Lax")
    return keep_private(response)


def is_signed_in(opening: LazyRuntime, environ: WSGIEnvironment) -> bool:
    """True if a request comes with an open session; asked before its body is read."""
    try:
        found = opening.runtime()
        return sign_in.session(found, parse_cookie(environ).get(_cookie_name(found.settings))) is not None
    except StoreUnavailableError:
        return False


def admit() -> Response | None:
    """Let signed-in users pass, check the token of a form, and answer in their language.

    Returns:
        None, or for anybody else the way to the sign-in page.
    """
    found = sign_in.session(runtime(), cookie())
    if found is None:
        return keep_private(current_app.make_response(redirect(url_for("sign_in.page"), 303)))
    g.account_session = found
    request.max_content_length = request.max_form_memory_size = ROOM
    request.max_form_parts = PARTS
    speak(found.account.locale)
    if request.method not in SAFE_METHODS and not _is_own_form(found):
        abort(403)
    return None


def _is_own_form(found: Session) -> bool:
    sent = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, "")
    return hmac.compare_digest(sent.encode(), found.csrf.encode())


def session() -> Session:
    """The session that this request was admitted with; only views behind such a rule may ask."""
    found: Session = g.account_session
    return found


def account() -> Account:
    """Who is signed in."""
    return session().account


def open_petition(slug: str) -> None:
    """Check that a petition is one of the visitor's.

    Raises:
        NotFoundError: it is another's, or there is none: the two are not told apart.
    """
    g.petition_id = organisers.may_organise(runtime(), account(), slug)


def petition_id() -> int:
    """The id of the petition of this page; checked before the view ran."""
    found: int = g.petition_id
    return found


def to(endpoint: str, **values: object) -> str:
    """Address of a page of the desk: in the account's language, unless this page was asked for in another."""
    return url_for(endpoint, lang=asked_for(), **values)  # type: ignore[arg-type]  # Flask's stub names its own options


def see_other(endpoint: str, **values: object) -> Response:
    """After a form: the way to a page, so that a reload sends nothing twice (RFC 9110 section 15.4.4)."""
    return current_app.make_response(redirect(to(endpoint, **values), 303))


def _context() -> dict[str, object]:
    found: Session | None = g.get("account_session")
    if found is None:
        return {"signed_in": None}
    has_monitor = "admin.index" in current_app.view_functions
    field = Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, found.csrf)
    return {"signed_in": found.account, "csrf_field": field, "csrf": found.csrf, "has_monitor": has_monitor}


def _private(response: Response) -> Response:
    return keep_private(response) if "account_session" in g else response


def install(app: Flask) -> None:
    """Tell the templates who is signed in; no page of theirs is kept by any cache."""
    app.context_processor(_context)
    app.jinja_env.globals.update(to=to)
    app.after_request(_private)
