"""Plain sign-ups, answered in front of Flask: in a rush nearly every request that is sent here is one.

Routing, a request object and a dozen hooks cost more than the whole rest of a sign-up. What they decide is the same
for every form of one petition in one language that is taken: so it is learned from an answer that Flask gave a moment
ago (its headers, the host it was asked by, the page), and only what differs is done here. Whatever is not plain (a
field with a problem, a closed petition, another site, a program's trap, an allowance that is used) is handed to Flask
as it came, and nothing has happened yet. docs/decisions/0018-plain-sign-ups.md says why.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import Final
from urllib.parse import parse_qsl
from wsgiref.types import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

from campaign.errors import CountersignError
from campaign.runtime import Runtime
from campaign.signatures import signing
from campaign.views import forms
from campaign.views.language import among, wanted
from campaign.views.page_cache import Brief
from campaign.views.public.check_inbox import CAREFULLY, InboxPage

LONGEST: Final = 16 * 1024
"""Bytes of a form; with every field full it is under 8 KB in any script."""

ROOM: Final = 512
"""Petitions times languages times hosts whose answers are known: a bound against abuse only."""

FORM_TYPE: Final = "application/x-www-form-urlencoded"

_PATH = re.compile(r"/p/([a-z0-9-]+)/sign")

_Headers = list[tuple[str, str]]
_Key = tuple[str, str, str]


class PlainSignUps:
    """Takes plain sign-ups, and asks the application for all the rest. Safe to share between threads.

    Stands behind what finds out the address of the visitor (ProxyFix), and right before Flask.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        runtime: Callable[[], Runtime],
        own_origins: frozenset[str],
        pages: Brief[InboxPage],
    ) -> None:
        """Stand before an application.

        Args:
            application: makes the answers; it begins each of them before it returns, as Flask does.
            runtime: gives the runtime, or raises StoreUnavailableError.
            own_origins: values of the Origin header that our own forms send.
            pages: the pages after signing by slug and language, as the application made them a moment ago.
        """
        self._application = application
        self._runtime = runtime
        self._own_origins = own_origins
        self._pages = pages
        self._known: dict[_Key, _Headers] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if environ["REQUEST_METHOD"] != "POST" or (found := _PATH.fullmatch(environ.get("PATH_INFO", ""))) is None:
            return self._application(environ, start_response)
        language = among(
            wanted(environ.get("QUERY_STRING", "")), environ.get("HTTP_ACCEPT_LANGUAGE", "")
        )  # fmt: skip
        key = (environ.get("HTTP_HOST", ""), found[1], language)
        headers = self._known.get(key)
        if headers is not None and (page := self._pages.fresh((found[1], language))) is not None:
            asked = self._take(environ, found[1], language)
            if asked is not None:
                body = page.filled(asked)
                start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
                return [body]
        return self._ask(key, environ, start_response)

    def _take(self, environ: WSGIEnvironment, slug: str, language: str) -> signing.Requested | None:
        """Store a plain sign-up; None if it is not plain, and nothing was stored."""
        fields = fields_of(environ)
        if fields is None or fields.get("website"):
            return None
        site, origin = environ.get("HTTP_SEC_FETCH_SITE"), environ.get("HTTP_ORIGIN")
        if forms.is_foreign(site, origin, self._own_origins):
            return None
        try:
            runtime = self._runtime()
            shown = signing.read_stamp(runtime, slug, fields.get("stamp", ""))
            asked = signing.request_plainly(
                runtime, slug, forms.sign_form(fields, language), network=environ.get("REMOTE_ADDR"),
                text_version_id=shown,
            )  # fmt: skip
        except CountersignError:
            # Flask's part finds the same once more, and has the words and the page for it.
            return None
        environ[CAREFULLY] = asked is None
        return asked

    def _ask(self, key: _Key, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def begin(status: str, headers: _Headers, *error: object) -> Callable[[bytes], object]:
            names = {name.lower() for name, _ in headers}
            if status.startswith("200") and "set-cookie" not in names:
                if len(self._known) >= ROOM:
                    self._known.clear()
                self._known[key] = [(name, value) for name, value in headers if name.lower() != "content-length"]
            return start_response(status, headers, *error)  # type: ignore[arg-type]  # sys.exc_info(), passed on

        return self._application(environ, begin)


def fields_of(environ: WSGIEnvironment) -> Mapping[str, str] | None:
    """The fields of a form, the first value of each, as Flask reads them; None if that may not be all there is to it.

    The body can be read once more afterwards.
    """
    length = environ.get("CONTENT_LENGTH", "")
    if environ.get("CONTENT_TYPE", "") != FORM_TYPE or not length.isdecimal() or int(length) > LONGEST:
        return None
    body = _read(environ["wsgi.input"], int(length))
    environ["wsgi.input"] = BytesIO(body)
    if len(body) < int(length):
        return None
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        return None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields


def _read(stream: InputStream, length: int) -> bytes:
    """So many bytes, in however many pieces they come; fewer if the visitor hung up."""
    pieces: list[bytes] = []
    while length and (piece := stream.read(length)):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
