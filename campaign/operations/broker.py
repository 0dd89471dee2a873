"""Redis as the monitor sees it: whether it answers, and how many wake-ups lie in each queue. Read only."""

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from campaign.operations.health import BrokerStatus

TIMEOUT = 1.0
"""Seconds to wait for a Redis that may be frozen: a page of the monitor must not hang with it."""

QUEUES = ("urgent", "bulk", "upkeep")
"""The queues of tasks/app.py, which this package must not import; a test holds the two together."""

UNACKNOWLEDGED = "unacked"
"""The hash in which kombu keeps what workers have taken and not finished."""


def client_url(url: str) -> str:
    """Translate a URL as Celery spells it into one that the client library redis-py reads.

    ``redis+socket:///run/redis.sock?virtual_host=3`` becomes ``unix:///run/redis.sock?db=3``; others stay as they are.
    """
    if not url.startswith("redis+socket://"):
        return url
    parts = urlsplit(url)
    query = urlencode([("db" if name == "virtual_host" else name, value) for name, value in parse_qsl(parts.query)])
    return f"unix://{parts.netloc}{parts.path}{'?' if query else ''}{query}"


def look(url: str, *, prefix: str, queues: Sequence[str] = QUEUES) -> BrokerStatus:
    """Ask Redis once, within :data:`TIMEOUT`.

    Args:
        url: REDIS_URL, or empty if there is none.
        prefix: the prefix of all keys, COUNTERSIGN_REDIS_PREFIX.
        queues: names of queues; kombu keeps each in a list of that name, for no wake-up has a priority.
    """
    if not url:
        return BrokerStatus(ok=False, depths={}, problem="not running")
    try:
        with _client(url) as client, client.pipeline(transaction=False) as pipeline:
            for queue in queues:
                pipeline.llen(prefix + queue)
            pipeline.hlen(prefix + UNACKNOWLEDGED)
            *depths, unacknowledged = pipeline.execute()
    except (RedisError, OSError, ValueError) as problem:
        # The words of an error may hold the URL with its password: its kind must do.
        return BrokerStatus(ok=False, depths={}, problem=type(problem).__name__)
    return BrokerStatus(ok=True, depths=dict(zip(queues, depths, strict=True)), unacknowledged=unacknowledged)


def _client(url: str) -> Redis:
    return Redis.from_url(
        client_url(url),
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        # The client's own three tries would take longer than a page may.
        retry=Retry(NoBackoff(), 0),
    )
