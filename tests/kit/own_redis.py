"""A Redis of a test's own, which it may spoil."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from campaign.local.servers import redis as servers_redis
from campaign.redis_client import client_url
from tests.kit.worlds import settings_for


@contextmanager
def own_redis(folder: Path) -> Iterator[tuple[str, Redis]]:
    """Its URL, and a client that may do anything."""
    settings = settings_for("postgresql://unused/", folder)
    url = servers_redis.start(settings, durable=False)
    with Redis.from_url(client_url(url)) as client:
        yield url, client
    servers_redis.stop(settings, hurry=True)
