"""Names of networks that say nothing: an address becomes a keyed label of its /24 or /56 and of the day.

The key comes from an instance key, which is never in the database, and from the day, so labels of two days can't be
joined.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from campaign.security.encryption import derive, keyed_hash
from campaign.variables import IPNetwork, Key

UNKNOWN: Final = "unknown"
"""The one network of all that can't be read."""

LABEL: Final = 16
"""Bytes of a label."""

_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)(?:%[^\]]*)?\](?::\d{1,5})?|([0-9.]+):\d{1,5}")


def bare(entry: str) -> str:
    """An entry of X-Forwarded-For without port, brackets, zone and quotes (RFC 7239 section 6 has the forms)."""
    text = entry.strip().strip('"')
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    return text.partition("%")[0]


def prefix_of(entry: str) -> str:
    """The /24 (IPv4) or /56 (IPv6) an address is in; :data:`UNKNOWN` for whatever is no address."""
    try:
        # Nearly every address: the quick way says the same as the long one.
        first, second, third, _fourth = socket.inet_pton(socket.AF_INET, entry)
    except (OSError, ValueError):
        parsed = _parsed(entry)
        if parsed is None:
            return UNKNOWN
        length = 24 if parsed.version == 4 else 56
        return str(ipaddress.ip_network(f"{parsed}/{length}", strict=False))
    return f"{first}.{second}.{third}.0/24"


def _parsed(entry: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(bare(entry))
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


@lru_cache(maxsize=8)
def _label_key(secret: bytes, day: str) -> bytes:
    return derive(secret, f"network label {day}")


def label_of(entry: str, keys: Sequence[Key], at: datetime) -> bytes:
    """The keyed label of the network of an address on a day."""
    return keyed_hash(_label_key(keys[0].secret, _day(at)), prefix_of(entry))


def is_in(entry: str, networks: Sequence[IPNetwork]) -> bool:
    """True if an address is in one of some networks."""
    if not networks or (parsed := _parsed(entry)) is None:
        return False
    return any(parsed in network for network in networks)


def _day(at: datetime) -> str:
    return at.date().isoformat()
