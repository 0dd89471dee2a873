"""Kombu's transport for Redis, for one that answers and refuses writes: that is taken for no Redis at all.

Such a Redis is a replica after a failover (READONLY), out of memory (OOM) or unable to save (MISCONF). It answers
PING, so that kombu takes it for sound; the first command that takes a wake-up from a queue then ended the worker, and a
new one again and again. Here a connection is made only if Redis takes a write, and a refusal later ends the connection,
not the worker, which tries again in growing intervals; meanwhile its processes find their work in the database.
"""

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from campaign.redis_causes import cause_of
from campaign.redis_client import PROBE, PROBE_SECONDS, refusal

_PLACE = "tasks.redis_transport:WritableTransport"


class RefusingError(RedisConnectionError):
    """Raised when Redis answers, but refuses a write; carries the code with which it did."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"Redis answers, but refuses writes: {code}")


def cause(error: Exception) -> str:
    """Why a wake-up was not taken, with what to do."""
    return cause_of(error).sentence


class WritableChannel(kombu_redis.Channel):  # type: ignore[misc]  # kombu has no types
    """A channel to a Redis that has taken a write."""

    def __init__(self, connection: object, **options: object) -> None:
        super().__init__(connection, **options)
        try:
            self.client.set(PROBE, "1", ex=PROBE_SECONDS)
        except RedisError as error:
            self.connection.cycle.discard(self)
            self._disconnect_pools()
            raise RefusingError(refusal(error)) from None


class WritableTransport(kombu_redis.Transport):  # type: ignore[misc]  # kombu has no types
    """A transport for which a refused command is a lost connection."""

    Channel = WritableChannel
    connection_errors = (*kombu_redis.Transport.connection_errors, *kombu_redis.Transport.channel_errors)


def use() -> None:
    """Let all connections to Redis of this process be of this kind; doing it again changes nothing."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), _PLACE))
