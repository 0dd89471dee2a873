"""Fetch from a provider what its proof needs, within bounds: nothing is fetched because a stranger names an address."""

import http.client
import ssl
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from campaign.errors import CountersignError

TIMEOUT: Final = 5.0
"""Seconds for each step of a fetch."""
WITHIN: Final = 10.0
"""Seconds for all of it."""
MAX_ANSWER: Final = 64 * 1024
"""Octets of an answer: a certificate is 2 KB, what a confirmation answers less."""

KEPT: Final = 16
"""Certificates that are kept; a provider uses one, and another after a change."""
KEPT_FOR: Final = 24 * 60 * 60.0
"""Seconds for which a certificate is used before it is fetched anew."""
QUIET: Final = 60.0
"""Seconds for which an address is not asked again after it failed."""
PATIENCE: Final = 1.0
"""Seconds for which a call waits while another certificate is fetched."""
A_MINUTE: Final = 12
"""Fetches within a minute, whatever addresses are named."""


class HookAwayError(CountersignError):
    """Raised when a proof can't be checked at the moment; the provider should tell it again."""


Fetch = Callable[[str], bytes]
"""Get what is at an https address. Raises HookAwayError if it does not come, or is too much."""


def fetch(url: str) -> bytes:
    """Get what is at an https address: certificates checked, no redirect followed, time and size bounded.

    Raises:
        HookAwayError: there was no answer with status 200 in time, or it is too large.
    """
    parts = urlsplit(url)
    ends = time.monotonic() + WITHIN
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port or 443, timeout=TIMEOUT, context=ssl.create_default_context()
    )
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise HookAwayError(f"the provider answered {answer.status}")
        body = bytearray()
        while (piece := answer.read1(8192)) and len(body) <= MAX_ANSWER:
            body += piece
            if time.monotonic() > ends:
                raise HookAwayError("the provider took too long")
    except (OSError, http.client.HTTPException) as error:
        raise HookAwayError(f"the provider does not answer: {type(error).__name__}") from error
    finally:
        connection.close()
    if len(body) > MAX_ANSWER:
        raise HookAwayError("the provider answered too much")
    return bytes(body)


@dataclass(slots=True)
class _Kept:
    """A certificate, or that it could not be had, and until when that is believed."""

    until: float
    content: bytes | None


class Certificates:
    """Certificates by address, kept for a day. Safe to share between threads."""

    def __init__(self, fetch: Fetch = fetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep what ``fetch`` gets; ``clock`` gives seconds that only grow."""
        self.fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._fetching = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._fetches: deque[float] = deque(maxlen=A_MINUTE)

    def at(self, url: str) -> bytes:
        """The certificate at an address that was checked to be the provider's.

        Raises:
            HookAwayError: it can't be had now.
        """
        kept = self._known(url)
        if kept is None:
            # One fetch at a time, and few wait for it: what is kept already never waits for what a stranger names.
            if not self._fetching.acquire(timeout=PATIENCE):
                raise HookAwayError("another certificate is being fetched")
            try:
                kept = self._known(url) or self._fetched(url)
            finally:
                self._fetching.release()
        if kept.content is None:
            raise HookAwayError("the certificate of the provider can't be fetched")
        return kept.content

    def _known(self, url: str) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(url)
            return kept if kept is not None and self._clock() < kept.until else None

    def _fetched(self, url: str) -> _Kept:
        now = self._clock()
        if len(self._fetches) == A_MINUTE and now - self._fetches[0] < QUIET:
            raise HookAwayError("too many certificates were asked for")
        self._fetches.append(now)
        try:
            made = _Kept(now + KEPT_FOR, self.fetch(url))
        except HookAwayError:
            made = _Kept(now + QUIET, None)
        with self._lock:
            self._kept[url] = made
            self._kept.move_to_end(url)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made
