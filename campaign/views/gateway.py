"""Between the server and the application: a request takes a thread only once all of it has come.

A WSGI server that reads the body while the view runs lets sixteen half-sent forms hold sixteen threads, for as long as
their senders like; granian does (its issue 728). So it is spoken to by RSGI, its own interface: here the body is read
on the event loop, with a deadline, and then the WSGI application gets it whole, in a thread.
"""

import asyncio
import contextlib
import io
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, Protocol, TypeVar
from wsgiref.types import WSGIApplication, WSGIEnvironment

BODY_WITHIN: Final = 10.0
"""Seconds in which a body must have come: the largest form is a few packets, even on the slowest phone."""

SMALL: Final = 64 * 1024
"""Bytes of a body that anybody may send."""

LARGE_WITHIN: Final = 60.0
"""Seconds for a body above :data:`SMALL`, which only signed-in users may send."""

LARGE: Final = 5 * 1024 * 1024
"""Bytes of such a body; the application refuses a larger one by its length alone."""

WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose body is read; that of another has no meaning (RFC 9110 section 9.3.1)."""

MANY: Final = 8
"""Bodies above :data:`SMALL` of senders who are not proven yet (webhooks) that a process holds at the same time."""

TOO_MANY: Final = b"Too much is being received at the moment. Please try again.\n"

BEGUN: Final = "countersign.begun"
"""Key in the WSGI environment: when all of the request had come, by time.perf_counter."""

TOO_SLOW: Final = b"The request did not arrive in time. Please try again.\n"

_Input = TypeVar("_Input")
_Output = TypeVar("_Output")
_Headers = list[tuple[str, str]]
_Answer = tuple[int, _Headers, Iterable[bytes]]
_Work = Future[_Answer | None]


class SentHeaders(Protocol):
    """Names, in small letters, and values as they were sent."""

    def items(self) -> _Headers:
        """All of them, repeated ones too; a value that is no UTF-8 is left out by the server."""


class Scope(Protocol):
    """A request without its body."""

    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str
    authority: str | None
    headers: SentHeaders


class Stream(Protocol):
    """An answer in pieces."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a piece; ends once the client has room for the next."""


class Exchange(Protocol):
    """One request's body, and the way to answer it."""

    def __call__(self) -> Awaitable[bytes]:
        """The whole body, once it has come."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body as it comes."""

    def response_bytes(self, status: int, headers: _Headers, body: bytes) -> None:
        """Answer at once."""

    def response_stream(self, status: int, headers: _Headers) -> Stream:
        """Begin an answer in pieces."""


class Gateway:
    """Serves a WSGI application by granian's RSGI (version 1.6)."""

    def __init__(
        self,
        application: WSGIApplication,
        *,
        threads: int,
        recall: Callable[[WSGIEnvironment], _Answer | None],
        may_send_much: Callable[[WSGIEnvironment], bool],
        room: Callable[[WSGIEnvironment], int] = lambda _environ: 0,
        note: Callable[[WSGIEnvironment, int, float], None] = lambda _environ, _status, _seconds: None,
        end: Callable[[], None] = lambda: None,
        body_within: float = BODY_WITHIN,
    ) -> None:
        """Stand before an application.

        Args:
            application: makes the answers; it begins each of them before it returns, as Flask does.
            threads: requests that it answers at the same time.
            recall: an answer that needs no thread, if there is one.
            may_send_much: whether the sender of a request may send a body above :data:`SMALL`; asked in a thread.
            room: bytes that anybody may send to an address, if more than :data:`SMALL`; asked on the event loop.
            note: told of each answer when it begins: its request, its status, and the seconds since all of the request
                had come. Called in any thread.
            end: called when the server has stopped.
            body_within: seconds in which a small body, or one to such an address, must have come.
        """
        self._application = application
        self._recall = recall
        self._may_send_much = may_send_much
        self._room = room
        self._note = note
        self._end = end
        self._large = 0
        self._body_within = body_within
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        """End; the server has stopped."""
        self._threads.shutdown(cancel_futures=True)
        self._end()

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        """Answer one request."""
        environ = as_environ(scope)
        environ[BEGUN] = time.perf_counter()
        if (known := self._recall(environ)) is not None:
            self._told(environ, known[0])
            await self._give(known, exchange)
            return
        room = self._room(environ)
        if room <= SMALL or not _may_be_large(environ):
            await self._take(environ, exchange, limit=SMALL)
        elif self._large < MANY:
            self._large += 1
            try:
                await self._take(environ, exchange, limit=room)
            finally:
                self._large -= 1
        else:
            self._refuse(environ, exchange, 503, ("retry-after", "30"), TOO_MANY)

    async def _take(self, environ: WSGIEnvironment, exchange: Exchange, *, limit: int) -> None:
        """Take the body, up to ``limit`` bytes of anybody's, and answer in a thread."""
        if environ["REQUEST_METHOD"] in WITH_BODY and not await self._take_body(environ, exchange, limit):
            self._refuse(environ, exchange, 408, ("connection", "close"), TOO_SLOW)
            return
        environ[BEGUN] = time.perf_counter()
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[_Answer | None] = loop.create_future()
        work = self._threads.submit(self._serve, environ, exchange)
        work.add_done_callback(partial(_tell, loop, ended))
        if (answer := await ended) is not None:
            await self._give(answer, exchange)

    def _refuse(
        self, environ: WSGIEnvironment, exchange: Exchange, status: int, header: tuple[str, str], words: bytes
    ) -> None:
        self._told(environ, status)
        exchange.response_bytes(status, [("content-type", "text/plain"), header], words)

    def _told(self, environ: WSGIEnvironment, status: int) -> None:
        self._note(environ, status, time.perf_counter() - environ[BEGUN])

    def _serve(self, environ: WSGIEnvironment, exchange: Exchange) -> _Answer | None:
        """Answer a request in this thread, which spares a turn of the event loop; an answer in pieces is returned."""
        status = 500
        try:
            status, headers, pieces = self._answer(environ)
        finally:
            self._told(environ, status)
        if not isinstance(pieces, list):
            return status, headers, pieces
        exchange.response_bytes(status, headers, b"".join(pieces))
        return None

    async def _in_thread(self, work: Callable[[_Input], _Output], value: _Input) -> _Output:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, value)

    async def _take_body(self, environ: WSGIEnvironment, exchange: Exchange, limit: int) -> bool:
        """Read the body into the environment; False if it has not come in time.

        Of one that is too long only the length is told: the application refuses it with a page of its own.
        """
        declared = int(environ.get("CONTENT_LENGTH") or 0)
        within = self._body_within
        if declared > limit and limit == SMALL and await self._in_thread(self._may_send_much, environ):
            limit, within = LARGE, LARGE_WITHIN
        if declared > limit:
            return True
        try:
            async with asyncio.timeout(within):
                # A length next to a transfer coding says nothing (RFC 9112 section 6.3): such a body may be endless.
                is_bounded = declared and "HTTP_TRANSFER_ENCODING" not in environ
                body = await (exchange() if is_bounded else _read(exchange, limit))
        except TimeoutError:
            return False
        if len(body) <= limit:
            environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        # It has come whole: its length is known now.
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return len(body) >= declared

    def _answer(self, environ: WSGIEnvironment) -> _Answer:
        begun: list[tuple[str, _Headers]] = []

        def begin(status: str, headers: _Headers, _error: object = None, /) -> Callable[[bytes], object]:
            begun.append((status, headers))
            return _written

        pieces = self._application(environ, begin)
        status, headers = begun[-1]
        return int(status.partition(" ")[0]), headers, pieces

    async def _give(self, answer: _Answer, exchange: Exchange) -> None:
        status, headers, pieces = answer
        if isinstance(pieces, list):
            exchange.response_bytes(status, headers, b"".join(pieces))
            return
        try:
            stream, rest = exchange.response_stream(status, headers), iter(pieces)
            # The next piece is made once the client has taken this one: a slow reader holds no thread.
            while (piece := await self._in_thread(_next, rest)) is not None:
                await stream.send_bytes(piece)
        finally:
            if (close := getattr(pieces, "close", None)) is not None:
                close()


def _may_be_large(environ: WSGIEnvironment) -> bool:
    """True if a body is declared to be large, or its length is not known."""
    return int(environ.get("CONTENT_LENGTH") or 0) > SMALL or "HTTP_TRANSFER_ENCODING" in environ


def _tell(loop: asyncio.AbstractEventLoop, ended: "asyncio.Future[_Answer | None]", work: _Work) -> None:
    with contextlib.suppress(RuntimeError):
        # A closed loop: the server has stopped meanwhile.
        loop.call_soon_threadsafe(_settle, ended, work)


def _settle(ended: "asyncio.Future[_Answer | None]", work: _Work) -> None:
    if ended.done():
        return
    error = work.exception()
    if error is None:
        ended.set_result(work.result())
    else:
        ended.set_exception(error)


async def _read(exchange: Exchange, limit: int) -> bytes:
    """A body of unknown length, up to the first piece that makes it too long."""
    body = bytearray()
    async for piece in exchange:
        body += piece
        if len(body) > limit:
            break
    return bytes(body)


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)


def _written(_data: bytes) -> object:
    raise RuntimeError("an application of today returns its answer and writes nothing (PEP 3333)")


def as_environ(scope: Scope) -> WSGIEnvironment:
    """A request as PEP 3333 describes it, with no body yet.

    Headers with an underscore in their name are left out: as variables they can't be told from those with a hyphen,
    which a proxy sets (X_Forwarded_For). The host of an absolute target comes before the Host header (RFC 9112 section
    3.2.2).
    """
    name, _, port = scope.server.rpartition(":")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _as_latin(scope.path),
        "QUERY_STRING": _as_latin(scope.query_string),
        # A Unix socket has no address: who may open it is on this machine.
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]") or "127.0.0.1",
        "SERVER_NAME": name,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for header, value in scope.headers.items():
        if "_" in header:
            continue
        key = header.upper().replace("-", "_")
        if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
            key = f"HTTP_{key}"
        text = _as_latin(value)
        if key in environ:
            text = f"{environ[key]}{';' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    if scope.authority is not None:
        environ["HTTP_HOST"] = scope.authority
    elif scope.http_version == "1.1":
        # Without one such a request is to be refused, not answered for the address it came to.
        environ.setdefault("HTTP_HOST", "")
    return environ


def _as_latin(text: str) -> str:
    """Text as WSGI wants it: its UTF-8 bytes as Latin-1 characters (PEP 3333, Unicode Issues)."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("latin-1")
