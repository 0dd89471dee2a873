"""Redis clients that never make a page or a worker wait for long."""

from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


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
