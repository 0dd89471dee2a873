"""One-time tokens of providers: each is good for one body, and is remembered for longer than it is taken.

They are kept in Redis, as all web processes share them. While Redis is away nothing with a token is taken: the provider
tells it again for hours. Where there is no Redis, the memory of the process keeps them.
"""

import hashlib
import threading
from collections import OrderedDict
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from campaign.feedback.providers.certificates import HookAwayError
from campaign.redis_client import open_client
from campaign.settings import Settings

KEEP: Final = 26 * 60 * 60
"""Seconds for which a token is remembered: twice the longest for which a provider's time stamp is taken, and more."""

TIMEOUT: Final = 1.0
"""Seconds that a call may wait for Redis."""

IN_MEMORY: Final = 10_000
"""Tokens that a process remembers without Redis."""


class Tokens:
    """The tokens that were used. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._prefix = f"{settings.redis_prefix}hook:"
        self._redis: Redis | None = None
        if settings.redis_url:
            self._redis = open_client(settings.redis_url, timeout=TIMEOUT)
        self._lock = threading.Lock()
        self._known: OrderedDict[str, bytes] = OrderedDict()

    def is_new(self, provider: str, token: str, body: bytes) -> bool:
        """True if a token was never used, or for this very body only.

        Raises:
            HookAwayError: Redis does not answer.
        """
        # Hashes: what is kept tells neither the token nor anything of the body, which the token makes unguessable.
        name = hashlib.sha256(f"{provider} {token}".encode("utf-8", "replace")).hexdigest()
        digest = hashlib.sha256(token.encode("utf-8", "replace") + b" " + body).hexdigest().encode()
        if self._redis is None:
            return self._remembered(name, digest)
        try:
            if self._redis.set(self._prefix + name, digest, nx=True, ex=KEEP):
                return True
            return self._redis.get(self._prefix + name) == digest
        except RedisError as error:
            raise HookAwayError("Redis does not answer") from error

    def _remembered(self, name: str, digest: bytes) -> bool:
        with self._lock:
            known = self._known.setdefault(name, digest)
            while len(self._known) > IN_MEMORY:
                self._known.popitem(last=False)
        return known == digest

    def close(self) -> None:
        """Give back the connections to Redis."""
        if self._redis is not None:
            self._redis.close()
