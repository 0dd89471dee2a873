"""Who is signed in: the session cookie, the token that every form carries against forgery, and the account."""

import contextlib
import hmac
from dataclasses import replace
from wsgiref.types import WSGIEnvironment

from flask import Flask, Response, abort, current_app, g, redirect, request, url_for
from markupsafe import Markup
from werkzeug.http import parse_cookie

from campaign.accounts import kept_forms, sign_in
from campaign.accounts.accounts import Account
from campaign.accounts.sign_in import Note, Session
from campaign.errors import StoreUnavailableError
from campaign.petitions import organisers
from campaign.settings import Settings
from campaign.views import said
from campaign.views.current import LazyRuntime, runtime
from campaign.views.headers import keep_private
from campaign.views.language import asked_for, speak

CSRF_FIELD = "csrf"
"""Name of the hidden field of every form of the desk and the monitor."""

FORM_FIELD = "form_of"
"""Name of the hidden field that says whose form it is, when the session has ended."""

KEPT_FIELD = "kept"
"""Name of the hidden field of a form that was kept: saved, it is forgotten."""

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


def may_send_much(opening: LazyRuntime, environ: WSGIEnvironment) -> bool:
    """True if a request comes with a session; asked before its body is read."""
    try:
        found = opening.runtime()
        # Also one that has ended by itself: its long form is kept.
        return sign_in.was_open(found, parse_cookie(environ).get(_cookie_name(found.settings)))
    except StoreUnavailableError:
        return False


def admit(*, keeps: bool = False) -> Response | None:
    """Let signed-in users pass, check the token of a form, and answer in their language.

    Args:
        keeps: what is typed in the form is kept for its writer if the session that it was made for has ended.

    Returns:
        None, or for anybody else the way to the sign-in page.
    """
    found = sign_in.session(runtime(), cookie())
    if found is not None or sign_in.was_open(runtime(), cookie()):
        request.max_content_length = request.max_form_memory_size = ROOM
    if found is None:
        kept = said.proof("kept") if keeps and _keep() is not None else None
        return keep_private(current_app.make_response(redirect(url_for("sign_in.page", kept=kept), 303)))
    g.account_session = found
    request.max_form_parts = PARTS
    speak(found.account.locale)
    if request.method in SAFE_METHODS or _is_own_form(found):
        return None
    if not keeps or _keep() != found.account.id:
        abort(403)
    # Signed in anew in another tab: nothing is done by a form of before, but nothing typed is lost.
    return see_other("desk_kept.show")


def _keep() -> int | None:
    """Keep the form of this request for its writer; returns the account. One that may not be sent is not read."""
    request.max_form_parts = PARTS
    if (request.content_length or 0) > (request.max_content_length or ROOM):
        return None
    account_id = kept_forms.writer(runtime(), request.form.get(FORM_FIELD, ""))
    own = {CSRF_FIELD, FORM_FIELD, KEPT_FIELD}
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in own]
    if account_id is None or not any(value.strip() for _name, value in fields):
        return None
    return account_id if kept_forms.keep(runtime(), account_id, request.full_path.rstrip("?"), fields) else None


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


def is_fresh() -> bool:
    """True if the visitor has signed in lately: names are handed out only then."""
    return session().is_fresh


def fresh_minutes() -> int:
    """For how many minutes a sign-in is fresh."""
    return int(sign_in.FRESH.total_seconds() // 60)


def sign_in_anew() -> Response:
    """To the sign-in page, for an act that needs a fresh sign-in; what was typed is kept meanwhile."""
    kept = said.proof("kept") if _keep() is not None else None
    return keep_private(current_app.make_response(redirect(url_for("sign_in.page", again="yes", kept=kept), 303)))


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


def see_other(endpoint: str, *, done: str = "", n: int = 0, **values: object) -> Response:
    """After a form: the way to a page, so that a reload sends nothing twice (RFC 9110 section 15.4.4).

    Args:
        endpoint: the page.
        done: the name of what was done: the page says it once. It is kept in the session, for an address can be made
            up by anyone, and can be opened again.
        n: how many, where the page says that.
        values: of the page's address.
    """
    if done:
        tell(url_for(endpoint, **values), done, n)  # type: ignore[arg-type]  # Flask's stub names its own options
    return current_app.make_response(redirect(to(endpoint, **values), 303))


def tell(path: str, done: str, n: int = 0) -> None:
    """Let a page say once, at its next showing in this session, what was done."""
    note = Note(path.partition("?")[0], done, n)
    # What was done is done, also if it can't be noted.
    with contextlib.suppress(StoreUnavailableError):
        sign_in.leave_note(runtime(), cookie() or "", note)


def told() -> Note:
    """What was done by the form that led to this page; empty if there was none, or this page said it before."""
    note = session().note
    # A script that fetches the page shows no notes, and neither does the answer to a refused form.
    is_shown = request.method == "GET" and request.headers.get("Sec-Fetch-Dest", "document") == "document"
    if note is None or note.path != request.path or not is_shown:
        return Note(request.path, "")
    g.account_session = replace(session(), note=None)
    with contextlib.suppress(StoreUnavailableError):
        sign_in.leave_note(runtime(), cookie() or "", None)
    return note


def done() -> str:
    """The name of what was done by the form that led to this page; empty if this page said it before."""
    return told().done


def _context() -> dict[str, object]:
    found: Session | None = g.get("account_session")
    if found is None:
        return {"signed_in": None}
    has_monitor = "admin.index" in current_app.view_functions
    hidden = Markup('<input type="hidden" name="{}" value="{}">')
    form_mark = kept_forms.mark(runtime(), found.account.id)
    field = hidden.format(CSRF_FIELD, found.csrf) + hidden.format(FORM_FIELD, form_mark)
    return {"signed_in": found.account, "csrf_field": field, "csrf": found.csrf, "has_monitor": has_monitor}


def _private(response: Response) -> Response:
    if "account_session" not in g:
        return response
    if request.method == "POST" and 300 <= response.status_code < 400:
        kept = request.form.get(KEPT_FIELD, "")
        if kept.isascii() and kept.isdecimal() and len(kept) < 10:
            kept_forms.discard(runtime(), account().id, int(kept))
    return keep_private(response)


def install(app: Flask) -> None:
    """Tell the templates who is signed in; no page of theirs is kept by any cache."""
    app.context_processor(_context)
    app.jinja_env.globals.update(to=to)
    app.after_request(_private)
