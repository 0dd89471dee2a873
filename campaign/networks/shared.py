"""What is known about networks, as all web processes share it in Redis: labels, numbers and minutes, for a day.

A state changes by compare-and-set, so that two processes never give one place twice. If Redis forgets, every network
begins anew; what was promised before is in the database.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from redis.exceptions import RedisError

from campaign.networks import rules
from campaign.networks.labels import LABEL
from campaign.networks.rules import Limits, Network
from campaign.redis_causes import cause_of
from campaign.redis_client import open_client

T = TypeVar("T")

log = logging.getLogger(__name__)

TIMEOUT: Final = 0.5
"""Seconds that a form may wait for Redis."""

QUIET: Final = 10.0
"""Seconds for which Redis is not asked after it failed."""

TRIES: Final = 100
"""How often a state is read anew because another process has just changed it."""

KEEP: Final = 26 * 60 * 60
"""Seconds for which a state is kept after its last change: a label is used for a day."""

DAY: Final = 24 * 60 * 60
HOUR: Final = 60 * 60

LISTED: Final = 200
"""Networks that are listed at most."""

_SET = """
local known = redis.call('GET', KEYS[1]) or ''
if known ~= ARGV[1] then return known end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
if ARGV[4] ~= '' then redis.call('ZADD', KEYS[2], ARGV[4], ARGV[5]) else redis.call('ZREM', KEYS[2], ARGV[5]) end
if KEYS[3] then
    redis.call('APPEND', KEYS[3], ARGV[6])
    redis.call('EXPIRE', KEYS[3], ARGV[7])
end
return false
"""
"""Store a state if what is stored is still what was known, or else tell what is; list the network by its minute if it
is to be seen, which is no more than that; and tie a confirmation to it, one that was sent before to both."""


class NetworksAwayError(Exception):
    """Raised when nothing can be learnt about networks: there is no Redis, or it does not answer."""


@dataclass(frozen=True)
class Listed:
    """A network that is under the shield, or has bookings of later."""

    label: bytes
    network: Network


class Networks:
    """The networks of this installation; safe to share between threads."""

    def __init__(self, url: str, *, prefix: str, limits: Limits) -> None:
        """Prepare; nothing is asked yet.

        Args:
            url: REDIS_URL, or empty if there is none.
            prefix: of all keys, COUNTERSIGN_REDIS_PREFIX.
            limits: places of a network.
        """
        self.limits = limits
        self._prefix = prefix
        self._quiet_until = 0.0
        self._client = open_client(url, timeout=TIMEOUT) if url else None
        self._set = self._client.register_script(_SET) if self._client is not None else None

    def close(self) -> None:
        """Give back the connections."""
        if self._client is not None:
            self._client.close()

    def change(
        self, label: bytes, now: datetime, step: Callable[[Network], tuple[Network, T]], *, tie: bytes | None = None
    ) -> T:
        """Change what is known about a network.

        Args:
            label: of the network.
            now: the present moment.
            step: makes of the state at this moment the next one, and a result; may be called more than once.
            tie: a keyed hash that names a confirmation, whose answer frees a place of this network (:meth:`untie`).

        Raises:
            NetworksAwayError: nothing was changed.
        """
        return self._ask(lambda: self._change(label, rules.minute_of(now), step, tie))

    def _change(self, label: bytes, minute: int, step: Callable[[Network], tuple[Network, T]], tie: bytes | None) -> T:
        # Most networks sign for the first time today: taking that for granted saves a question.
        known: bytes | None = b""
        for attempt in range(TRIES):
            before = self._read(known or b"", minute).at(minute, self.limits)
            after, result = step(before)
            if attempt and after == before:
                return result
            known = self._store(label, known or b"", after, tie)
            if known is None:
                return result
            if attempt > 1:
                time.sleep(random.uniform(0, 0.001 * min(attempt, 10)))  # noqa: S311 - spreads tries, guards nothing
        raise NetworksAwayError("others change this network all the time")

    def _get(self, label: bytes) -> bytes:
        if self._client is None:
            raise NetworksAwayError("there is no Redis")
        found = self._client.get(self._key(label))
        return found if isinstance(found, bytes) else b""

    def _read(self, known: bytes, minute: int) -> Network:
        try:
            return rules.from_text(known) if known else rules.fresh(minute, self.limits)
        except ValueError:
            # Another release wrote it.
            return rules.fresh(minute, self.limits)

    def _store(self, label: bytes, known: bytes, network: Network, tie: bytes | None) -> bytes | None:
        """Store a state in place of the known one; another one that was found there, or None if it is stored."""
        if self._set is None:
            raise NetworksAwayError("there is no Redis")
        is_seen = network.is_shielded or network.waiting
        keys = [self._key(label), self._list]
        values: list[bytes | str | int] = [known, network.as_text(), KEEP, network.seen if is_seen else "", label.hex()]
        if tie is not None:
            keys.append(self._tie(tie))
            values += [label, DAY]
        found = self._set(keys=keys, args=values)
        return found if isinstance(found, bytes) else None

    def look(self, label: bytes, now: datetime) -> Network:
        """What is known about a network.

        Raises:
            NetworksAwayError: there is no Redis, or it does not answer.
        """
        minute = rules.minute_of(now)
        return self._ask(lambda: self._read(self._get(label), minute).at(minute, self.limits))

    def untie(self, key: bytes) -> list[bytes]:
        """The label of the network of each place that the answer to a confirmation frees; a second call finds none.

        Args:
            key: the tie of :meth:`change`, which is kept for a day. A confirmation that was sent again took two places.

        Raises:
            NetworksAwayError: there is no Redis, or it does not answer.
        """
        client = self._client
        if client is None:
            return []
        found = self._ask(lambda: client.getdel(self._tie(key)))
        if not isinstance(found, bytes):
            return []
        return [found[at : at + LABEL] for at in range(0, len(found), LABEL)]

    def listed(self, now: datetime) -> list[Listed]:
        """Networks under the shield or with bookings of later, the newest change first.

        Raises:
            NetworksAwayError: there is no Redis, or it does not answer.
        """
        return self._ask(lambda: self._listed(rules.minute_of(now)))

    def _listed(self, minute: int) -> list[Listed]:
        client = self._client
        if client is None:
            raise NetworksAwayError("there is no Redis")
        client.zremrangebyscore(self._list, "-inf", minute - KEEP // 60)
        names = client.zrevrange(self._list, 0, LISTED - 1)
        labels = [bytes.fromhex(name.decode()) for name in names if isinstance(name, bytes)]
        states = client.mget([self._key(label) for label in labels]) if labels else []
        found = [
            Listed(label, self._read(state, minute).at(minute, self.limits))
            for label, state in zip(labels, states, strict=True)
            if isinstance(state, bytes)
        ]
        return [one for one in found if one.network.is_shielded or one.network.waiting]

    def use_once(self, key: bytes, *, seconds: int) -> bool:
        """True the first time that something is used within so many seconds.

        Args:
            key: a keyed hash of it.
            seconds: how long that is remembered.

        Raises:
            NetworksAwayError: there is no Redis, or it does not answer.
        """
        client = self._client
        if client is None:
            raise NetworksAwayError("there is no Redis")
        return bool(self._ask(lambda: client.set(f"{self._prefix}used:{key.hex()}", "1", ex=seconds, nx=True)))

    def note_proxy(self) -> None:
        """Tell the monitor for an hour that requests come through a proxy that is not set.

        Raises:
            NetworksAwayError: Redis does not answer.
        """
        client = self._client
        if client is not None:
            self._ask(lambda: client.set(f"{self._prefix}proxy", "1", ex=HOUR))

    def is_proxy_noted(self) -> bool:
        """True for an hour after :meth:`note_proxy`; False if Redis is away."""
        client = self._client
        if client is None:
            return False
        try:
            return bool(self._ask(lambda: client.exists(f"{self._prefix}proxy")))
        except NetworksAwayError:
            return False

    def _ask(self, question: Callable[[], T]) -> T:
        if time.monotonic() < self._quiet_until:
            raise NetworksAwayError("redis did not answer a moment ago")
        try:
            return question()
        except (RedisError, OSError) as problem:
            log.warning("redis is of no use; networks have the places of the start: %s", cause_of(problem).sentence)
            self._quiet_until = time.monotonic() + QUIET
            raise NetworksAwayError(type(problem).__name__) from None

    def _key(self, label: bytes) -> str:
        return f"{self._prefix}network:{label.hex()}"

    def _tie(self, key: bytes) -> str:
        return f"{self._prefix}place:{key.hex()}"

    @property
    def _list(self) -> str:
        return f"{self._prefix}networks"
