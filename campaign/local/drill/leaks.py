"""The search for names and addresses in places where only row ids may be (P5)."""

import base64
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from campaign.local.drill.people import DOMAIN, FAMILY
from campaign.local.seed.fake_people import DOMAINS
from campaign.operations.broker import client_url

_SHORTEST: Final = 6
"""Bytes; what is shorter turns up by chance."""


def spellings(text: str) -> Iterator[bytes]:
    """The ways in which a text might be written down."""
    raw = text.encode()
    yield from (raw, raw.lower(), raw.upper(), urllib.parse.quote(text).encode(), raw.hex().encode())
    yield text.encode("ascii", "backslashreplace")
    for offset in range(3):
        # Base64 of the text at any offset, without the characters that its neighbours share.
        yield base64.b64encode(b"\0" * offset + raw)[4 : -4 - len(raw) % 3]


class LeakMarkers:
    """What is searched for: the newcomers' own words, and names and addresses of some of the audience."""

    def __init__(self, sample: Iterable[tuple[str, str]]) -> None:
        """Take the name and address of some of the audience besides; any address of their domains is found anyway."""
        texts = [FAMILY, DOMAIN, *(text for person in sample for text in person)]
        self._patterns = sorted(
            {found for text in texts for found in spellings(text) if len(found) >= _SHORTEST}, key=len
        )
        domains = b"|".join(re.escape(domain.encode()) for domain in DOMAINS)
        self._address = re.compile(rb"[a-z]{3,12}\.\d{1,9}(?:@|%40|=40)(?:" + domains + rb")", re.IGNORECASE)

    def count_in(self, haystack: bytes) -> int:
        """How many different markers are in it."""
        low = haystack.lower()
        patterns = sum(pattern in haystack or pattern in low for pattern in self._patterns)
        return patterns + len(set(self._address.findall(haystack)))


class LeakScanner:
    """Searches places and keeps what it found, by place."""

    def __init__(self, markers: LeakMarkers) -> None:
        self._markers = markers
        self.places: dict[str, int] = {}
        self.found: dict[str, int] = {}

    def search(self, place: str, haystack: bytes) -> None:
        """Search some bytes of a place."""
        self.places[place] = self.places.get(place, 0) + len(haystack)
        if number := self._markers.count_in(haystack):
            self.found[place] = max(number, self.found.get(place, 0))

    def search_redis(self, url: str) -> None:
        """Search every key and value that Redis holds now; silent while it is away."""
        try:
            with Redis.from_url(client_url(url), socket_timeout=5) as client:
                for key in client.scan_iter(count=500):
                    self.search("Redis", repr((key, _value(client, key))).encode())
        except (RedisError, OSError):
            return

    def search_files(self, place: str, files: Iterable[Path]) -> None:
        """Search whole files."""
        for file in files:
            if file.is_file():
                self.search(place, file.read_bytes())


def _value(client: Redis, key: bytes) -> object:
    kind = str(client.type(key))
    if "list" in kind:
        return client.lrange(key, 0, -1)
    if "zset" in kind:
        return client.zrange(key, 0, -1)
    if "hash" in kind:
        return client.hgetall(key)
    if "set" in kind:
        return client.smembers(key)
    return client.get(key)
