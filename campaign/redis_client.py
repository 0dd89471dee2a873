"""Redis clients that never make a page or a worker wait for long, and what a refusal of Redis is."""

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.retry import Retry

PROBE: Final = "probe"
"""A key, behind the prefix, whose writing tells whether Redis takes writes."""

PROBE_SECONDS: Final = 10

_KINDS: Final = {
    ReadOnlyError: "READONLY",
    OutOfMemoryError: "OOM",
    BusyLoadingError: "LOADING",
    NoPermissionError: "NOPERM",
    AuthenticationError: "NOAUTH",
}
"""Refusals whose code the client library takes off."""


def refusal(error: Exception) -> str:
    """The code with which Redis refused a command (``READONLY``, ``MISCONF``); else the kind of the error.

    Never the words of the error: they may hold the URL with its password.
    """
    for kind, code in _KINDS.items():
        if isinstance(error, kind):
            return code
    # Behind the words that a pipeline puts before them.
    found = re.search(r"(?:^|caused error: )-?([A-Z]{3,20})\b", str(error))
    return found[1] if found and isinstance(error, ResponseError) else type(error).__name__


def is_refusal(error: Exception) -> bool:
    """True if Redis answers but does not do what it is there for; False if it can't be reached."""
    return isinstance(error, (ResponseError, *_KINDS)) and isinstance(error, RedisError)


def client_url(url: str) -> str:
    """Translate a URL as Celery spells it into one that the client library redis-py reads.

    ``redis+socket:///run/redis.sock?virtual_host=3`` becomes ``unix:///run/redis.sock?db=3``; others stay as they are.
    """
    if not url.startswith("redis+socket://"):
        return url
    parts = urlsplit(url)
    query = urlencode([("db" if name == "virtual_host" else name, value) for name, value in parse_qsl(parts.query)])
    return f"unix://{parts.netloc}{parts.path}{'?' if query else ''}{query}"


def open_client(url: str, *, timeout: float) -> Redis:
    """A client that gives up after so many seconds and tries nothing twice; it connects when it is first used."""
    return Redis.from_url(
        client_url(url),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        # The client's own three tries would take longer than a page may.
        retry=Retry(NoBackoff(), 0),
    )
