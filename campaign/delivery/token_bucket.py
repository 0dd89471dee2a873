"""Buckets that all workers share, in Redis: names and numbers only. Without Redis each process keeps its own share.

A bucket that Redis forgot begins empty, so that forgetting never sends a burst; what must outlive Redis, how much a
domain was slowed and how much went today, is in the database.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from redis.exceptions import RedisError

from campaign.redis_causes import cause_of
from campaign.redis_client import open_client
from campaign.settings import Settings

SLICE = 0.25
"""Seconds whose worth of mail may go at once: short, so that a rate means what it says within each second."""

DOMAIN_SLICE = 1.25
"""The same for one recipient domain: its mail waits in the table, and is looked at each second, or a little later."""

SLOWED = 60.0
"""Mails a second to a domain that has no limit of its own, before it is slowed for the first time."""

SLOWEST = 1 / 64
HELD = 1 / 4096
"""A domain that blocks our mail for our reputation gets one mail a minute, and is as before after an hour."""

AGAIN = timedelta(seconds=30)
"""Answers of one burst are one sign: a domain is slowed at most once in this time."""

RECOVERY = timedelta(minutes=5)
"""After each of these without another sign the rate of a slowed domain doubles."""


@dataclass(frozen=True)
class TokenBucket:
    """What was left of a rate at a moment. ``left`` is negative after mail that may not wait."""

    left: float
    at: float

    def take(
        self, wanted: int, *, rate: float, now: float, must: bool = False, slice_: float = SLICE
    ) -> "tuple[int, TokenBucket]":
        """Take up to ``wanted`` mails; how many may go, and the bucket afterwards.

        Args:
            wanted: at most so many.
            rate: mails a second.
            now: seconds of the clock of ``at``.
            must: all of them go (urgent mail never waits), and others wait for it.
            slice_: seconds whose worth the bucket holds.
        """
        filled = min(max(1.0, rate * slice_), self.left + max(0.0, now - self.at) * rate)
        taken = wanted if must else max(0, min(wanted, int(filled)))
        return taken, TokenBucket(filled - taken, now)


@dataclass(frozen=True)
class SlowDomain:
    """A domain that asked for less mail: 421, or 4.7.x."""

    factor: float
    since: datetime

    def now(self, now: datetime) -> float:
        """The share of the usual rate that may go at present, up to 1."""
        return float(min(1.0, self.factor * 2.0 ** int((now - self.since) / RECOVERY)))

    def asked_again(self, now: datetime) -> "SlowDomain":
        """Half of the present rate, but once per burst."""
        if now - self.since < AGAIN:
            return self
        return SlowDomain(min(self.now(now), max(SLOWEST, self.now(now) / 2)), now)


def first_sign(now: datetime) -> SlowDomain:
    """The first time a domain asks for less."""
    return SlowDomain(0.5, now)


def held(now: datetime) -> SlowDomain:
    """A domain that blocks our mail for our reputation."""
    return SlowDomain(HELD, now)


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
"""The same as :meth:`TokenBucket.take`, in one step for all workers, by the clock of Redis."""


class Buckets(Protocol):
    """Shared allowances by name."""

    def take(self, name: str, wanted: int, *, rate: float, must: bool = False, slice_: float = SLICE) -> int:
        """Take up to ``wanted`` from the bucket ``name``, which fills with ``rate`` a second; how many may go.

        It holds what comes in ``slice_`` seconds.
        """

    def close(self) -> None:
        """Give back what is open; they may be used again afterwards."""


class LocalBuckets:
    """Buckets of one process: tests, and a site without Redis. ``share`` is its part of each rate."""

    def __init__(self, *, share: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, name: str, wanted: int, *, rate: float, must: bool = False, slice_: float = SLICE) -> int:
        """See :class:`Buckets`."""
        now = self._clock()
        known = self._buckets.get(name, TokenBucket(0.0, now))
        taken, self._buckets[name] = known.take(wanted, rate=rate * self._share, now=now, must=must, slice_=slice_)
        return taken

    def close(self) -> None:
        """See :class:`Buckets`; nothing is open."""


class SharedBuckets:
    """Buckets in Redis, with local ones while it does not answer."""

    def __init__(self, url: str, *, prefix: str, share: float) -> None:
        self._prefix = prefix
        self._local = LocalBuckets(share=share)
        self._quiet_until = 0.0
        self._client = open_client(url, timeout=TIMEOUT)
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
                    "redis is of no use; each process keeps its share of the pace: %s", cause_of(problem).sentence
                )
                self._quiet_until = time.monotonic() + QUIET
        return self._local.take(name, wanted, rate=rate, must=must, slice_=slice_)

    def close(self) -> None:
        """See :class:`Buckets`."""
        self._client.close()


def open_buckets(settings: Settings) -> Buckets:
    """Buckets in Redis if there is one, else of this process."""
    share = 1 / max(1, settings.bulk_processes)
    if not settings.redis_url:
        return LocalBuckets(share=share)
    return SharedBuckets(settings.redis_url, prefix=settings.redis_prefix, share=share)
