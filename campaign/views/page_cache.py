"""The page cache: public pages, kept for a second in front of Flask (a shared cache in the sense of RFC 9111).

In a rush nearly every request is for a page that was rendered a moment ago. A cached answer needs no routing, no
request object and no template. Views choose what is cached by answering with :func:`for_everybody`. Such an answer
depends on host, path and language alone: nothing else of the request may show in it.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Response, current_app
from werkzeug.http import parse_etags

from campaign.operations.request_counts import NO_ROUTE, ROUTE
from campaign.views.language import among, wanted

FRESH = "public, max-age=1"
"""Cache-Control of an answer that every cache may keep for a second; the page cache keeps no other."""

SECONDS = 1.0
"""Seconds after which a cached answer is not used."""

RENEW = 0.5
"""Seconds after which one request renders the page again. Until it has, other requests get the cached answer.

Half of an answer's life is left for it: on a busy machine rendering takes long, and once the answer has expired every
waiting request renders the page.
"""

MAX_ENTRIES = 512
"""Answers kept; a site has about as many as petitions times languages."""

MAX_BYTES = 16 * 1024 * 1024
"""Bytes of all cached bodies together."""

WHOLE = 256 * 1024
"""Bytes up to which an answer is cached, and handed to the server in one piece, which is cheaper than in several."""

PLACE = "page cache"
"""Key in Flask's ``extensions``."""

_OF_THE_BODY = frozenset({"content-length", "content-type"})
"""Headers that an answer without its body leaves out (RFC 9110 section 15.4.5)."""

_Headers = list[tuple[str, str]]
_Key = tuple[str | None, str, str]


def for_everybody(body: bytes, mimetype: str) -> Response:
    """A public answer, which depends on host, path and language alone. The page cache answers If-None-Match for it."""
    response = current_app.response_class(body, mimetype=mimetype)
    response.headers["Cache-Control"] = FRESH
    response.date = datetime.now(UTC)
    response.add_etag()
    return response


@dataclass
class _Answer:
    """A public answer with status 200, and until when it may be given."""

    headers: _Headers
    etag: str
    body: bytes
    renew_at: float
    expires_at: float
    route: str

    def parts(self, condition: str | None) -> tuple[str, _Headers, list[bytes]]:
        """Status, headers and body; 304 without it if ``condition``, an If-None-Match header, names it (RFC 9110)."""
        if condition and parse_etags(condition).contains_weak(self.etag):
            return "304 NOT MODIFIED", [(n, value) for n, value in self.headers if n.lower() not in _OF_THE_BODY], []
        return "200 OK", self.headers.copy(), [self.body]

    def give(self, condition: str | None, start_response: StartResponse) -> Iterable[bytes]:
        """The answer, as :meth:`parts` has it, begun."""
        status, headers, body = self.parts(condition)
        start_response(status, headers)
        return body


class PageCache:
    """Answers GET requests from memory where it can, and asks the application for the rest.

    An answer is used for :data:`SECONDS`, and the number and the size of all answers are bounded. Safe to share
    between threads.
    """

    def __init__(self, application: WSGIApplication, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Stand before an application.

        Args:
            application: makes the answers; it begins each of them before it returns, as Flask does.
            clock: seconds that only grow.
        """
        self._application = application
        self._clock = clock
        self._lock = threading.Lock()
        # In the order of expiry, which is that of insertion because all answers live equally long.
        self._answers: OrderedDict[_Key, _Answer] = OrderedDict()
        self._size = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if environ["REQUEST_METHOD"] != "GET":
            return self._ask(None, environ, start_response)
        key = _key(environ)
        answer = self._answers.get(key)
        if answer is not None:
            if self._clock() < answer.renew_at:
                environ[ROUTE] = answer.route
                return answer.give(environ.get("HTTP_IF_NONE_MATCH"), start_response)
            # This request renews the answer. Meanwhile others get the cached one, until it expires.
            answer.renew_at = answer.expires_at
        return self._ask(key, environ, start_response)

    def recall(self, environ: WSGIEnvironment) -> tuple[int, _Headers, list[bytes]] | None:
        """Status, headers and body of a cached answer to a request; None if the application is to be asked."""
        if environ["REQUEST_METHOD"] != "GET":
            return None
        answer = self._answers.get(_key(environ))
        if answer is None or self._clock() >= answer.renew_at:
            return None
        environ[ROUTE] = answer.route
        status, headers, body = answer.parts(environ.get("HTTP_IF_NONE_MATCH"))
        return int(status[:3]), headers, body

    def __len__(self) -> int:
        """The number of cached answers."""
        return len(self._answers)

    @property
    def size(self) -> int:
        """Bytes of the cached bodies."""
        return self._size

    def clear(self) -> None:
        """Drop all answers."""
        with self._lock:
            self._answers.clear()
            self._size = 0

    def _ask(self, key: _Key | None, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        begun: list[tuple[str, _Headers]] = []

        def begin(status: str, headers: _Headers, _error: object = None, /) -> Callable[[bytes], object]:
            begun.append((status, headers))
            return _written

        pieces = self._application(environ, begin)
        status, headers = begun[-1]
        named = {name.lower(): value for name, value in headers}
        if int(named.get("content-length", WHOLE + 1)) <= WHOLE:
            pieces = _joined(pieces)
        answer = self._public_answer(status, headers, named, pieces, environ.get(ROUTE, NO_ROUTE))
        if key is not None:
            self._keep(key, answer)
        if answer is not None:
            return answer.give(environ.get("HTTP_IF_NONE_MATCH"), start_response)
        start_response(status, headers)
        return pieces

    def _public_answer(
        self, status: str, headers: _Headers, named: dict[str, str], pieces: Iterable[bytes], route: str
    ) -> _Answer | None:
        is_public = named.get("cache-control") == FRESH and "set-cookie" not in named
        if not (is_public and status.startswith("200") and isinstance(pieces, list)):
            return None
        now = self._clock()
        return _Answer(headers, named.get("etag", "").strip('"'), pieces[0], now + RENEW, now + SECONDS, route)

    def _keep(self, key: _Key, answer: _Answer | None) -> None:
        if answer is None and key not in self._answers:
            return
        with self._lock:
            self._drop(key)
            if answer is None:
                return
            self._answers[key] = answer
            self._size += len(answer.body)
            while self._answers and self._must_drop(next(iter(self._answers.values()))):
                self._drop(next(iter(self._answers)))

    def _must_drop(self, oldest: _Answer) -> bool:
        is_full = len(self._answers) > MAX_ENTRIES or self._size > MAX_BYTES
        return is_full or self._clock() >= oldest.expires_at

    def _drop(self, key: _Key) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None:
            self._size -= len(answer.body)


def _key(environ: WSGIEnvironment) -> _Key:
    # The host as it was sent: one that is not ours gets 400, and only what was answered with 200 is kept.
    # Of query and headers only the language they lead to: visitors can't fill the cache with strings of theirs.
    return (
        environ.get("HTTP_HOST"),
        environ.get("PATH_INFO", ""),
        among(wanted(environ.get("QUERY_STRING", "")), environ.get("HTTP_ACCEPT_LANGUAGE", "")),
    )


def _joined(pieces: Iterable[bytes]) -> list[bytes]:
    try:
        return [b"".join(pieces)]
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def _written(_data: bytes) -> object:
    raise RuntimeError("an application of today returns its answer and writes nothing (PEP 3333)")


Value = TypeVar("Value")
