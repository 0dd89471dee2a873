"""Answers that are the same for everybody, kept for a second in front of Flask: a process's shared cache (RFC 9111).

In a rush nearly every request is for a page that was made a moment ago. Such an answer needs no routing, no request
object and no template, so it is given before Flask is asked. Which answers may be kept is said by the views
(:func:`for_everybody`). Such an answer depends on the path, the host and the language alone; whatever else stands in
the query (marks of campaigns and of other sites) must not show in it.
"""

import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Response, current_app, request
from werkzeug.http import parse_etags

from campaign.views.language import among, wanted

FRESH = "public, max-age=1"
"""Cache-Control of an answer that anyone may keep for a second: one answer serves all who ask in that second."""

SECONDS = 1.0
"""How long an answer is kept: the count is up to two seconds old anyway."""

GRACE = 1.0
"""Seconds more for which others get the old answer while one request makes the new one."""

ROOM = 512
"""Answers kept. The pages of one site number petitions times languages, so this is a bound against abuse only."""

WHOLE = 256 * 1024
"""Bytes up to which an answer is handed to the server in one piece, which is cheaper than piece by piece."""

PLACE = "kept answers"
"""Key in Flask's ``extensions``."""

_OF_THE_BODY = frozenset({"content-length", "content-type"})
"""Headers that an answer without its body leaves out (RFC 9110 section 15.4.5)."""

_Headers = list[tuple[str, str]]
_Key = tuple[str | None, str, str]


def for_everybody(body: bytes, mimetype: str) -> Response:
    """An answer that is the same for all who ask for this path in this language: anybody may keep it for a second."""
    response = current_app.response_class(body, mimetype=mimetype)
    response.headers["Cache-Control"] = FRESH
    response.add_etag()
    response.make_conditional(request)
    return response


@dataclass
class _Answer:
    """An answer with its status 200, and until when it may be given."""

    headers: _Headers
    etag: str
    body: bytes
    renew_at: float
    ends_at: float

    def give(self, condition: str | None, start_response: StartResponse) -> Iterable[bytes]:
        """The answer; without its body for somebody who has it already (RFC 9110 section 13.1.2)."""
        if condition and parse_etags(condition).contains_weak(self.etag):
            bare = [(name, value) for name, value in self.headers if name.lower() not in _OF_THE_BODY]
            start_response("304 NOT MODIFIED", bare)
            return []
        start_response("200 OK", self.headers.copy())
        return [self.body]


class Kept:
    """Answers from memory what it can, and asks the application for the rest. Safe to share between threads."""

    def __init__(self, application: WSGIApplication, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Stand before an application.

        Args:
            application: makes the answers; it begins each of them before it returns, as Flask does.
            clock: seconds that only grow.
        """
        self._application = application
        self._clock = clock
        self._answers: dict[_Key, _Answer] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if environ["REQUEST_METHOD"] != "GET":
            return self._ask(None, environ, start_response)
        # The host as it was sent: one that is not ours gets 400, and only what was answered with 200 is kept.
        key = (
            environ.get("HTTP_HOST"),
            environ.get("PATH_INFO", ""),
            among(wanted(environ.get("QUERY_STRING", "")), environ.get("HTTP_ACCEPT_LANGUAGE", "")),
        )
        answer = self._answers.get(key)
        if answer is None:
            return self._ask(key, environ, start_response)
        now = self._clock()
        condition = environ.get("HTTP_IF_NONE_MATCH")
        if now < answer.renew_at:
            return answer.give(condition, start_response)
        # This request makes the next answer; others get this one meanwhile, but never one that is older than its grace.
        answer.renew_at = answer.ends_at
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return self._ask(key, environ, start_response, condition=condition)

    def __len__(self) -> int:
        """How many answers are kept."""
        return len(self._answers)

    def clear(self) -> None:
        """Forget everything at once."""
        self._answers.clear()

    def _ask(
        self, key: _Key | None, environ: WSGIEnvironment, start_response: StartResponse, *, condition: str | None = None
    ) -> Iterable[bytes]:
        begun: list[tuple[str, _Headers]] = []

        def begin(status: str, headers: _Headers, _error: object = None, /) -> Callable[[bytes], object]:
            begun.append((status, headers))
            return _written

        pieces = self._application(environ, begin)
        status, headers = begun[-1]
        named = {name.lower(): value for name, value in headers}
        if int(named.get("content-length", WHOLE + 1)) <= WHOLE:
            pieces = _joined(pieces)
        if key is not None:
            answer = self._note(key, status, headers, named, pieces)
            if answer is not None:
                return answer.give(condition, start_response)
        start_response(status, headers)
        return pieces

    def _note(
        self, key: _Key, status: str, headers: _Headers, named: dict[str, str], pieces: Iterable[bytes]
    ) -> _Answer | None:
        is_for_all = named.get("cache-control") == FRESH and "set-cookie" not in named
        if not (is_for_all and status.startswith("200") and isinstance(pieces, list)):
            self._answers.pop(key, None)
            return None
        now = self._clock()
        answer = _Answer(headers, named.get("etag", "").strip('"'), pieces[0], now + SECONDS, now + SECONDS + GRACE)
        if len(self._answers) >= ROOM:
            self._answers.clear()
        self._answers[key] = answer
        return answer


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

BRIEF_ROOM = 512
"""Entries kept; pages of one process number petitions times languages, so this is a bound against abuse only."""


@dataclass
class _Kept(Generic[Value]):
    value: Value
    renew_at: float
    ends_at: float


class Brief(Generic[Value]):
    """Keeps values for a moment. While one thread makes a value anew, others get the last one, for as long again.

    Where there is no last one, two threads may make the same value at once; the later one stays, both are right.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[Hashable, _Kept[Value]] = {}

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value kept for a key, made anew once it is too old. Errors of ``make`` are not kept."""
        now = self._clock()
        kept = self._kept.get(key)
        if kept is not None:
            if now < kept.renew_at:
                return kept.value
            kept.renew_at = kept.ends_at
        value = make()
        if len(self._kept) >= BRIEF_ROOM:
            self.clear()
        self._kept[key] = _Kept(value, now + self._seconds, now + 2 * self._seconds)
        return value

    def fresh(self, key: Hashable) -> Value | None:
        """The value kept for a key, if it need not be made anew yet."""
        kept = self._kept.get(key)
        return kept.value if kept is not None and self._clock() < kept.renew_at else None

    def clear(self) -> None:
        """Forget everything at once."""
        self._kept.clear()
