"""The environment variables: names, defaults, and the sentences that docs/settings.md shows."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class WarmUp:
    """A new sender's days: the first day so many bulk mails, each further day twice as many, until it is no limit."""

    first_day: date
    first: int

    def cap(self, day: date) -> int:
        """Bulk mails allowed on a day (UTC)."""
        return int(self.first * 2 ** min(max(0, (day - self.first_day).days), 40))

    def __str__(self) -> str:
        return f"{self.first_day.isoformat()}:{self.first}"


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


@dataclass(frozen=True)
class Variable:
    """One environment variable: its name, default as written, parser, and the sentence for the documentation."""

    name: str
    default: str
    parse: Callable[[str], Any]
    about: str
    secret: bool = False


VARIABLES: Mapping[str, Variable] = {
    "port": Variable("COUNTERSIGN_PORT", "8000", number(1, 65535), "TCP port of the web server."),
    "bind": Variable("COUNTERSIGN_BIND", "127.0.0.1", address, "IP address the web server listens on."),
    "data": Variable(
        "COUNTERSIGN_DATA",
        "var",
        path,
        "Folder for embedded data, keys and journals; relative to the checkout.",
    ),
    "base_url": Variable(
        "COUNTERSIGN_BASE_URL",
        "",
        base_url,
        "Public address of the site, the only source of links in mail. Default: http://localhost:<port>.",
    ),
    "keys": Variable(
        "COUNTERSIGN_KEYS",
        "",
        keys,
        "Instance keys `id:base64`, newest first. Default: made at the first start in <data>/keys.",
        secret=True,
    ),
    "database_url": Variable(
        "DATABASE_URL",
        "",
        url("postgresql", "postgres"),
        "PostgreSQL 15 or newer. Empty: the embedded server.",
        secret=True,
    ),
    "redis_url": Variable(
        "REDIS_URL",
        "",
        url("redis", "rediss", "redis+socket"),
        "Redis 6.2 or newer, or Valkey. Empty: the embedded server.",
        secret=True,
    ),
    "redis_prefix": Variable(
        "COUNTERSIGN_REDIS_PREFIX",
        "countersign:",
        text,
        "Prefix of all keys in Redis, so that a shared server keeps installations apart.",
    ),
    "smtp_url": Variable(
        "SMTP_URL",
        "",
        urls("smtp", "smtps", "smtp+starttls"),
        "Mail server: `smtp+starttls://user:password@host:587`, `smtps://…:465`, or `smtp://localhost:25`; or several, "
        "with blanks between. Options: `?weight=2`, `rate=50` (a second), `connections=4`, `lane=bulk`, `auth=login`. "
        "Empty: the local mail server with its mailbox in the browser.",
        secret=True,
    ),
    "local_mailbox": Variable(
        "COUNTERSIGN_LOCAL_MAILBOX",
        "no",
        flag,
        "Show the mailbox of the local mail server at /mailbox; set by `countersign up`, with SMTP_URL.",
    ),
    "smtp_ca_file": Variable(
        "COUNTERSIGN_SMTP_CA_FILE",
        "",
        optional_path,
        "PEM file of an own certificate authority for the mail server.",
    ),
    "ehlo_name": Variable(
        "COUNTERSIGN_EHLO_NAME", "", host, "Name given in EHLO. Default: the host of COUNTERSIGN_BASE_URL."
    ),
    "mail_from": Variable(
        "COUNTERSIGN_MAIL_FROM",
        "",
        mailbox,
        "From address of all mail. Default: petitions@<host of the base URL>.",
    ),
    "return_domain": Variable(
        "COUNTERSIGN_RETURN_DOMAIN",
        "",
        host,
        "Domain of the signed return addresses (bounces). Default: the domain of COUNTERSIGN_MAIL_FROM.",
    ),
    "dkim_key_file": Variable(
        "COUNTERSIGN_DKIM_KEY_FILE",
        "",
        optional_path,
        "PEM file of the RSA key (2048 bits or more) that signs mail. "
        "Default: made in <data>/keys with the local mail server.",
    ),
    "dkim_ed25519_key_file": Variable(
        "COUNTERSIGN_DKIM_ED25519_KEY_FILE",
        "",
        optional_path,
        "PEM file of an optional second, Ed25519, DKIM key.",
    ),
    "dkim_selector": Variable("COUNTERSIGN_DKIM_SELECTOR", "countersign", host, "DKIM selector of the RSA key."),
    "dkim_ed25519_selector": Variable(
        "COUNTERSIGN_DKIM_ED25519_SELECTOR", "countersign-ed", host, "DKIM selector of the Ed25519 key."
    ),
    "site_name": Variable("COUNTERSIGN_SITE_NAME", "Countersign", text, "Name of the site, on pages and in mail."),
    "postal_address": Variable(
        "COUNTERSIGN_POSTAL_ADDRESS", "", text, "Postal address for the foot of bulk mail, on one line."
    ),
    "contact": Variable(
        "COUNTERSIGN_CONTACT", "", mailbox, "Address for questions on privacy. Default: COUNTERSIGN_MAIL_FROM."
    ),
    "web_workers": Variable("COUNTERSIGN_WEB_WORKERS", "1", number(1, 64), "Web server processes."),
    "web_threads": Variable("COUNTERSIGN_WEB_THREADS", "16", number(1, 64), "Threads per web server process."),
    "lane": Variable(
        "COUNTERSIGN_LANE",
        "urgent",
        choice("urgent", "bulk"),
        "Lane of a worker; set by `countersign worker --lane`.",
    ),
    "urgent_processes": Variable(
        "COUNTERSIGN_URGENT_PROCESSES", "1", number(1, 64), "Processes of the worker for the urgent lane."
    ),
    "bulk_processes": Variable(
        "COUNTERSIGN_BULK_PROCESSES", "2", number(1, 64), "Processes of the worker for bulk mail and upkeep."
    ),
    "proxies": Variable(
        "COUNTERSIGN_PROXIES", "0", number(0, 5), "Reverse proxies in front whose X-Forwarded-For is believed."
    ),
    "gmail_rules": Variable(
        "COUNTERSIGN_GMAIL_RULES", "no", flag, "Treat dots and +tags of Gmail addresses as the same person."
    ),
    "retention_days": Variable(
        "COUNTERSIGN_RETENTION_DAYS",
        "90",
        number(1, 3650),
        "Days after closing until addresses and names are erased.",
    ),
    "confirm_days": Variable(
        "COUNTERSIGN_CONFIRM_DAYS", "7", number(1, 30), "Days a signature may wait for its confirmation."
    ),
    "count_interval": Variable(
        "COUNTERSIGN_COUNT_INTERVAL", "2", number(1, 60), "Seconds between two runs of the counter."
    ),
    "max_lateness": Variable(
        "COUNTERSIGN_MAX_LATENESS",
        "21600",
        number(60, 604800),
        "Seconds after its time at which a scheduled blast is no longer started by itself.",
    ),
    "metrics_token": Variable(
        "COUNTERSIGN_METRICS_TOKEN",
        "",
        token,
        "Bearer token that opens /metrics from elsewhere. Empty: only this machine may read it.",
        secret=True,
    ),
    "rate": Variable(
        "COUNTERSIGN_RATE",
        "0",
        number(0, 1_000_000),
        "Mails a second over all workers and hosts; mail that a person waits for is counted, never held. 0: no limit.",
    ),
    "domain_rate": Variable(
        "COUNTERSIGN_DOMAIN_RATE",
        "0",
        number(0, 1_000_000),
        "Bulk mails a second to one recipient domain; less while a domain asks for less (421, 4.7.x). 0: no limit.",
    ),
    "warm_up": Variable(
        "COUNTERSIGN_WARM_UP",
        "",
        warm_up,
        "Warm-up of a new sender: `2026-12-01:500` is 500 bulk mails on that day (UTC), twice as many each day after.",
    ),
    "log_level": Variable(
        "COUNTERSIGN_LOG_LEVEL", "info", choice("debug", "info", "warning", "error"), "How much is logged."
    ),
}
