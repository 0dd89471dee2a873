"""How settings are spelled: one reader for each kind of value, which says what it must be like if it is not.

Every reader takes the text of a variable and raises :class:`InvalidError`.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from campaign.domain.pace import WarmUp

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Key:
    """One instance key: a short public id and 32 secret bytes."""

    id: str
    secret: bytes = field(repr=False)


class InvalidError(ValueError):
    """A setting is spelled wrong; the text says what it must be."""


def text(raw: str) -> str:
    """Any text, without the blanks around it."""
    return raw.strip()


def number(low: float, high: float) -> Callable[[str], int]:
    """A whole number between two, both included."""

    def parse(raw: str) -> int:
        try:
            value = int(raw)
        except ValueError:
            raise InvalidError("must be a whole number") from None
        if not low <= value <= high:
            raise InvalidError(f"must lie between {low:,.0f} and {high:,.0f}")
        return value

    return parse


def flag(raw: str) -> bool:
    """Yes or no."""
    match raw.strip().lower():
        case "1" | "yes" | "true" | "on":
            return True
        case "0" | "no" | "false" | "off" | "":
            return False
    raise InvalidError("must be yes or no")


def path(raw: str) -> Path:
    """A path; a relative one is meant from the checkout."""
    return Path(raw).expanduser()


def optional_path(raw: str) -> Path | None:
    """A path, or none."""
    return path(raw) if raw.strip() else None


def url(*schemes: str) -> Callable[[str], str]:
    """An address with one of these schemes, or none."""

    def parse(raw: str) -> str:
        value = raw.strip()
        if value and urlsplit(value).scheme not in schemes:
            raise InvalidError(f"must begin with {' or '.join(s + '://' for s in schemes)}")
        return value

    return parse


def urls(*schemes: str) -> Callable[[str], str]:
    """Several addresses, with blanks between them."""
    one = url(*schemes)
    return lambda raw: " ".join(one(url) for url in raw.split())


def base_url(raw: str) -> str:
    """The public address of the site: scheme and host, nothing behind them."""
    value = raw.strip().rstrip("/")
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query:
        raise InvalidError("must be like https://petitions.example.org, without a path")
    if parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS:
        raise InvalidError("must be https (plain http is accepted for localhost only)")
    return value


def keys(raw: str) -> tuple[Key, ...]:
    """Instance keys ``id:base64``, newest first, separated by commas."""
    keys = []
    for item in filter(None, (part.strip() for part in raw.split(","))):
        name, _, secret = item.partition(":")
        try:
            decoded = base64.b64decode(secret, validate=True)
        except (binascii.Error, ValueError):
            decoded = b""
        if not re.fullmatch(r"[a-z0-9]{1,16}", name) or len(decoded) != 32:
            raise InvalidError(
                "must be id:base64-of-32-bytes, newest first, separated by commas (`countersign keys generate`)"
            )
        keys.append(Key(name, decoded))
    if len({key.id for key in keys}) != len(keys):
        raise InvalidError("names one key id twice")
    return tuple(keys)


def mailbox(raw: str) -> str:
    """One plain mail address, or none."""
    value = raw.strip()
    if value and not re.fullmatch(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,190}", value):
        raise InvalidError("must be one plain address such as petitions@example.org")
    return value.lower()


def token(raw: str) -> str:
    """A bearer token (RFC 6750), or none."""
    value = raw.strip()
    if value and not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,200}", value):
        raise InvalidError("must have 16 to 200 letters, digits or . _ ~ + / = - (RFC 6750)")
    return value


def host(raw: str) -> str:
    """A host or domain name, or none."""
    value = raw.strip().lower()
    if value and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?", value):
        raise InvalidError("must be a host or domain name")
    return value


def address(raw: str) -> str:
    """An IP address."""
    try:
        ipaddress.ip_address(raw.strip())
    except ValueError:
        raise InvalidError("must be an IP address such as 127.0.0.1 or ::") from None
    return raw.strip()


def warm_up(raw: str) -> WarmUp | None:
    """The first day of a new sender and how many mails it may send on it, or none."""
    if not raw.strip():
        return None
    day, _, number = raw.strip().partition(":")
    try:
        found = WarmUp(date.fromisoformat(day), int(number))
    except ValueError:
        raise InvalidError("must be a day and a number such as 2026-12-01:500") from None
    if found.first < 1:
        raise InvalidError("must allow at least one mail on the first day")
    return found


def choice(*allowed: str) -> Callable[[str], str]:
    """One of a few words."""

    def parse(raw: str) -> str:
        value = raw.strip().lower()
        if value not in allowed:
            raise InvalidError(f"must be one of {', '.join(allowed)}")
        return value

    return parse
