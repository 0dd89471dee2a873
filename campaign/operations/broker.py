"""Redis as the monitor sees it: whether it answers and takes writes, and how many wake-ups lie in each queue."""

from collections.abc import Sequence

from redis.exceptions import RedisError

from campaign.operations.health import BrokerStatus
from campaign.redis_causes import cause_of
from campaign.redis_client import PROBE, PROBE_SECONDS, client_url, is_refusal, open_client, refusal

__all__ = ["QUEUES", "TIMEOUT", "UNACKNOWLEDGED", "client_url", "look"]

TIMEOUT = 1.0
"""Seconds to wait for a Redis that may be frozen: a page of the monitor must not hang with it."""

QUEUES = ("urgent", "bulk", "upkeep")
"""The queues of tasks/app.py, which this package must not import; a test holds the two together."""

UNACKNOWLEDGED = "unacked"
"""The hash in which kombu keeps what workers have taken and not finished."""


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
        with open_client(url, timeout=TIMEOUT) as client, client.pipeline(transaction=False) as pipeline:
            for queue in queues:
                pipeline.llen(prefix + queue)
            pipeline.hlen(prefix + UNACKNOWLEDGED)
            # A replica or a full Redis answers all questions, and refuses only writes. Nothing is left behind.
            pipeline.set(prefix + PROBE, "1", ex=PROBE_SECONDS)
            pipeline.delete(prefix + PROBE)
            *depths, unacknowledged, _, _ = pipeline.execute()
    except (RedisError, OSError, ValueError) as problem:
        # The words of an error may hold the URL with its password: its kind must do.
        return BrokerStatus(
            ok=False, depths={}, problem=refusal(problem), refuses=is_refusal(problem), cause=cause_of(problem)
        )
    return BrokerStatus(ok=True, depths=dict(zip(queues, depths, strict=True)), unacknowledged=unacknowledged)
