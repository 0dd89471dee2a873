"""Error pages: the same calm design for every trouble, a plain sentence, never a traceback."""

import logging
import re
import unicodedata
import urllib.parse
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Final

from flask import Flask, Response, current_app, redirect, request
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.routing import MapAdapter

from campaign.errors import AlreadySignedError, ConflictError, NotFoundError, StoreUnavailableError, TokenRefusedError
from campaign.petitions import petitions
from campaign.views.current import runtime
from campaign.views.form_text import FormRequest
from campaign.views.forms import NO_PROBLEMS
from campaign.views.headers import keep_private, without_referrer
from campaign.views.language import gettext, lazy
from campaign.views.rendering import page

WORDS: Mapping[int, tuple[str, str]] = {
    400: (lazy("We couldn’t read this request"), lazy("Please go back, reload the page and try again.")),
    403: (
        lazy("We couldn’t verify this request"),
        lazy("To protect you, we didn’t carry it out. Open the petition again and use the form there."),
    ),
    404: (
        lazy("This page doesn’t exist"),
        lazy("The link may contain a typing mistake, or the page has been removed."),
    ),
    405: (lazy("This page can’t be opened like this"), lazy("Please go back to the petition and start again.")),
    409: (lazy("This is no longer possible"), lazy("It may have been done already, or the petition is closed.")),
    410: (lazy("This page is gone"), lazy("It has been removed.")),
    413: (lazy("That’s too long"), lazy("Please shorten what you typed and try again.")),
    422: (lazy("Something in the form can’t be used"), lazy("Please go back and check the form.")),
    429: (lazy("Too many attempts"), lazy("Please wait a few minutes and try again.")),
    500: (lazy("Something went wrong on our side"), lazy("It’s our fault, not yours. Please try again in a minute.")),
    503: (
        lazy("We’re briefly unavailable"),
        lazy("Please wait a minute, go back and try again. If you were signing, you’ll still be counted only once."),
    ),
}
"""Heading and sentence by status."""

RETRY_AFTER = "30"
"""Seconds after which trying again is sensible when the database did not answer."""

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
"""A slug in what may be more, such as the rest of a sentence or of a query."""

_HYPHENS: Final = str.maketrans(dict.fromkeys("_\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
"""What writing programs make of a hyphen."""

log = logging.getLogger(__name__)


def error_page(status: int) -> Response:
    """The page for a status; an unlisted one is worded as its hundred (418 as 400)."""
    heading, sentence = WORDS.get(status) or WORDS[500 if status >= 500 else 400]
    return keep_private(
        page("error.html", status=status, heading=gettext(heading), sentence=gettext(sentence), status_code=status)
    )


def token_refused(error: TokenRefusedError | None = None) -> Response:
    """One page for every token that is expired, altered or for another purpose; it tells none of them apart."""
    del error
    return meant() or keep_private(page("refused.html", status=410, problems=NO_PROBLEMS, email=""))


def _untrusted_host(error: SecurityError) -> Response:
    # Routing is not set up for a foreign host, so there is no link this page could offer.
    del error
    return keep_private(
        current_app.response_class("This site is not served under that name.\n", 400, mimetype="text/plain")
    )


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        # Redirects that routing itself raises.
        return error.get_response()  # type: ignore[return-value]  # werkzeug's type, which Flask accepts
    if status == 404 and (better := meant()) is not None:
        return better
    answer = error_page(status)
    if status == 405:
        answer.headers["Allow"] = error.get_response().headers.get("Allow", "")
    return answer


def meant() -> Response | None:
    """The way to the address that was meant: without what stood around it in a text, and in small letters.

    Only to a page that is there, and only for what changes nothing.
    """
    adapter = request_ctx.url_adapter
    if request.method not in {"GET", "HEAD"} or adapter is None:
        return None
    path = _cleaned(request.path)
    if not _is_there(path, adapter):
        path = path.lower()
        if not _is_there(path, adapter, names={"slug"}):
            # No such page either, or (after slashes in its middle) a redirect of its own: nothing to lead anybody to.
            return None
    if path == request.path:
        return None
    query = request.query_string.decode("ascii", "replace")
    better = urllib.parse.quote(request.script_root + path) + (f"?{query}" if query else "")
    return without_referrer(current_app.make_response(redirect(better, 308)))


def _is_there(path: str, adapter: MapAdapter, *, names: Collection[str] | None = None) -> bool:
    """True if an address is that of a page; with ``names``, only of one with no other values in it, such as a token."""
    try:
        _endpoint, values = adapter.match(path, method="GET")
        if "slug" in values and path.startswith("/p/"):
            petitions.count(runtime(), values["slug"])
    except (HTTPException, NotFoundError):
        return False
    return names is None or values.keys() <= set(names)


def _cleaned(path: str) -> str:
    """An address without what text, mail and chat programs leave behind it, and a slug without what is none."""
    end = len(path)
    while end and not _is_of_token(path[end - 1]):
        end -= 1
    root, slash, rest = path[:end].partition("/p/" if "/p/" in path else "/P/")
    if root or not slash:
        return path[:end]
    slug, more, tail = rest.partition("/")
    found = _SLUG.search(slug.lower().translate(_HYPHENS))
    return f"/p/{found[0] if found else ''}{more}{tail}"


def _is_of_token(character: str) -> bool:
    # A token may end with any sign of base64url.
    return character in "-_" or unicodedata.category(character)[0] in "LNM"


def _unavailable(error: StoreUnavailableError) -> Response:
    log.warning("database unavailable: %s", error)
    answer = error_page(503)
    answer.headers["Retry-After"] = RETRY_AFTER
    return answer


def _not_found(error: NotFoundError) -> Response:
    del error
    return meant() or error_page(404)


def _mailbox_full(error: AlreadySignedError) -> Response:
    del error
    return keep_private(
        page(
            "error.html",
            status=409,
            status_code=409,
            heading=gettext("This mailbox has signed already"),
            sentence=gettext(
                "Up to two people can sign with one email address, and two have already signed with this one. "
                "Please sign with an address of your own."
            ),
        )
    )


def _conflict(error: ConflictError) -> Response:
    del error
    return error_page(409)


class FlaskSite(Flask):
    """Flask, with a log that names the place of an error and not its text, which may quote user input."""

    request_class = FormRequest

    def log_exception(self, exc_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None]) -> None:
        """Log type and places (file, line, function) of an unexpected error; no message, no values."""
        kind, _, trace = exc_info
        places: list[str] = []
        while trace is not None:
            code = trace.tb_frame.f_code
            places.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_qualname}")
            trace = trace.tb_next
        log.error("unexpected %s at %s", kind.__name__ if kind else "error", " < ".join(reversed(places)))


def install(app: Flask) -> None:
    """Give every error its page."""
    handlers: Mapping[Any, Any] = {
        SecurityError: _untrusted_host,
        HTTPException: _http,
        NotFoundError: _not_found,
        AlreadySignedError: _mailbox_full,
        ConflictError: _conflict,
        TokenRefusedError: token_refused,
        StoreUnavailableError: _unavailable,
    }
    for kind, handler in handlers.items():
        app.register_error_handler(kind, handler)
