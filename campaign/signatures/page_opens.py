"""How many confirm pages were opened, by mail provider: sketches in Redis that count and hold no id.

Opening a page changes nothing in the database. A HyperLogLog counts each sign-up once, to about one in a hundred; which
ones it counted can't be read from it. Without Redis nothing is counted, and the funnel says that it is not known.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Final, Self

from redis.exceptions import RedisError

from campaign.redis_client import open_client
from campaign.settings import Settings
from campaign.signatures.queries import Signature
from campaign.states import SignatureState

log = logging.getLogger(__name__)

TIMEOUT: Final = 0.2
"""Seconds that a page may wait for Redis."""

QUIET: Final = 30.0
"""Seconds for which Redis is not asked after it failed."""

KEEP: Final = 4 * 24 * 60 * 60
"""Seconds for which a day is kept; its number is stored with the other steps of the funnel long before."""

Place = tuple[date, int, str]
"""Day of the sign-up (UTC), petition (0: all of them), mail provider."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The confirm page of one sign-up."""

    day: date
    petition_id: int
    mail_provider: str
    signature_id: int


def opening_of(row: Signature) -> Opening | None:
    """What is counted when the confirm page of a sign-up is opened; None if it waits no more."""
    if row.state is not SignatureState.PENDING or row.mail_provider is None:
        return None
    return Opening(row.requested_at.astimezone(UTC).date(), row.petition_id, row.mail_provider, row.id)


class PageOpens:
    """The counts of this installation; safe to share between threads."""

    def __init__(self, url: str, *, prefix: str) -> None:
        """Prepare; nothing is asked yet.

        Args:
            url: REDIS_URL, or empty if there is none.
            prefix: of all keys, COUNTERSIGN_REDIS_PREFIX.
        """
        self._client = open_client(url, timeout=TIMEOUT) if url else None
        self._prefix = prefix
        self._quiet_until = 0.0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The counts of an installation."""
        return cls(settings.redis_url, prefix=settings.redis_prefix)

    def close(self) -> None:
        """Give back the connections."""
        if self._client is not None:
            self._client.close()

    def note(self, opening: Opening | None) -> None:
        """Count the page of a sign-up, once however often it is opened; returns at once if Redis is away."""
        if opening is None or self._client is None or time.monotonic() < self._quiet_until:
            return
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for petition_id in (opening.petition_id, 0):
                    place = (opening.day, petition_id, opening.mail_provider)
                    pipeline.pfadd(self._key(place), opening.signature_id)
                    pipeline.expire(self._key(place), KEEP)
                pipeline.execute()
        except (RedisError, OSError) as error:
            self._rest(error)

    def numbers(self, places: Sequence[Place]) -> dict[Place, int] | None:
        """About how many pages were opened; None if Redis does not tell."""
        if self._client is None or time.monotonic() < self._quiet_until:
            return None
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for place in places:
                    pipeline.pfcount(self._key(place))
                counts = pipeline.execute()
        except (RedisError, OSError) as error:
            self._rest(error)
            return None
        return dict(zip(places, (int(count) for count in counts), strict=True))

    def _key(self, place: Place) -> str:
        day, petition_id, mail_provider = place
        return f"{self._prefix}opens:{day.isoformat()}:{petition_id}:{mail_provider}"

    def _rest(self, error: Exception) -> None:
        self._quiet_until = time.monotonic() + QUIET
        log.warning("opened pages are not counted for %.0f s: redis says %s", QUIET, type(error).__name__)
