"""Buckets that all workers share, in Redis: names and numbers only. Without Redis each process keeps its own share.

A bucket that Redis forgot begins empty, so that forgetting never sends a burst; what must outlive Redis, how much a
domain was slowed and how much went today, is in the database.
"""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from campaign.domain.pace import SLICE, Bucket
from campaign.operations.broker import client_url
from campaign.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT = 1.0
QUIET = 10.0
"""Seconds for which Redis is not asked after it failed."""

_TAKE = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local wanted, rate, most, must = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local known = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = math.min(most, (tonumber(known[1]) or 0) + math.max(0, now - (tonumber(known[2]) or now)) * rate)
local taken = must and wanted or math.max(0, math.min(wanted, math.floor(left)))
redis.call('HSET', KEYS[1], 'left', string.format('%.6f', left - taken), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(60000 + 1000 * math.max(0, taken - left) / rate))
return taken
"""
"""The same as :meth:`campaign.domain.pace.Bucket.take`, in one step for all workers, by the clock of Redis."""


class Buckets(Protocol):
    """Shared allowances by name."""

    def take(self, name: str, wanted: int, *, rate: float, must: bool = False, slice_: float = SLICE) -> int:
        """Take up to ``wanted`` from the bucket ``name``, which fills with ``rate`` a second; how many may go.

        It holds what comes in ``slice_`` seconds.
        """


class LocalBuckets:
    """Buckets of one process: tests, and a site without Redis. ``share`` is its part of each rate."""

    def __init__(self, *, share: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def take(self, name: str, wanted: int, *, rate: float, must: bool = False, slice_: float = SLICE) -> int:
        """See :class:`Buckets`."""
        now = self._clock()
        known = self._buckets.get(name, Bucket(0.0, now))
        taken, self._buckets[name] = known.take(wanted, rate=rate * self._share, now=now, must=must, slice_=slice_)
        return taken


class SharedBuckets:
    """Buckets in Redis, with local ones while it does not answer."""

    def __init__(self, url: str, *, prefix: str, share: float) -> None:
        self._prefix = prefix
        self._local = LocalBuckets(share=share)
        self._quiet_until = 0.0
        self._client = Redis.from_url(
            client_url(url), socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
        )
        self._script = self._client.register_script(_TAKE)

    def take(self, name: str, wanted: int, *, rate: float, must: bool = False, slice_: float = SLICE) -> int:
        """See :class:`Buckets`."""
        if time.monotonic() >= self._quiet_until:
            try:
                return int(
                    self._script(
                        keys=[f"{self._prefix}pace:{name}"], args=[wanted, rate, max(1.0, rate * slice_), int(must)]
                    )
                )
            except (RedisError, OSError) as problem:
                log.warning(
                    "redis does not answer; each process keeps its share of the pace: %s", type(problem).__name__
                )
                self._quiet_until = time.monotonic() + QUIET
        return self._local.take(name, wanted, rate=rate, must=must, slice_=slice_)


def open_buckets(settings: Settings) -> Buckets:
    """Buckets in Redis if there is one, else of this process."""
    share = 1 / max(1, settings.bulk_processes)
    if not settings.redis_url:
        return LocalBuckets(share=share)
    return SharedBuckets(settings.redis_url, prefix=settings.redis_prefix, share=share)
