"""Settings: one frozen object from the environment, the only reader of ``os.environ``."""

import base64
import binascii
import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values

from campaign.domain.pace import WarmUp
from campaign.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: where templates/, static/ and translations/ stand."""

LANGUAGES = ("en", "de", "fa", "ur")
"""Languages that pages and mails are written in; the first is the fallback."""

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Key:
    """One instance key: a short public id and 32 secret bytes."""

    id: str
    secret: bytes = field(repr=False)


class _InvalidError(ValueError):
    """Raised by a parser; its text says what the variable must be."""


def _text(raw: str) -> str:
    return raw.strip()


def _number(low: float, high: float) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        try:
            value = int(raw)
        except ValueError:
            raise _InvalidError("must be a whole number") from None
        if not low <= value <= high:
            raise _InvalidError(f"must lie between {low:,.0f} and {high:,.0f}")
        return value

    return parse


def _flag(raw: str) -> bool:
    match raw.strip().lower():
        case "1" | "yes" | "true" | "on":
            return True
        case "0" | "no" | "false" | "off" | "":
            return False
    raise _InvalidError("must be yes or no")


def _path(raw: str) -> Path:
    path = Path(raw).expanduser()
    return path if path.is_absolute() else ROOT / path


def _optional_path(raw: str) -> Path | None:
    return _path(raw) if raw.strip() else None


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        value = raw.strip()
        if value and urlsplit(value).scheme not in schemes:
            raise _InvalidError(f"must begin with {' or '.join(s + '://' for s in schemes)}")
        return value

    return parse


def _urls(*schemes: str) -> Callable[[str], str]:
    one = _url(*schemes)
    return lambda raw: " ".join(one(url) for url in raw.split())


def _base_url(raw: str) -> str:
    value = raw.strip().rstrip("/")
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query:
        raise _InvalidError("must be like https://petitions.example.org, without a path")
    if parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS:
        raise _InvalidError("must be https (plain http is accepted for localhost only)")
    return value


def _keys(raw: str) -> tuple[Key, ...]:
    keys = []
    for item in filter(None, (part.strip() for part in raw.split(","))):
        name, _, secret = item.partition(":")
        try:
            decoded = base64.b64decode(secret, validate=True)
        except (binascii.Error, ValueError):
            decoded = b""
        if not re.fullmatch(r"[a-z0-9]{1,16}", name) or len(decoded) != 32:
            raise _InvalidError(
                "must be id:base64-of-32-bytes, newest first, separated by commas (`countersign keys generate`)"
            )
        keys.append(Key(name, decoded))
    if len({key.id for key in keys}) != len(keys):
        raise _InvalidError("names one key id twice")
    return tuple(keys)


def _mailbox(raw: str) -> str:
    value = raw.strip()
    if value and not re.fullmatch(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,190}", value):
        raise _InvalidError("must be one plain address such as petitions@example.org")
    return value.lower()


def _token(raw: str) -> str:
    value = raw.strip()
    if value and not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,200}", value):
        raise _InvalidError("must have 16 to 200 letters, digits or . _ ~ + / = - (RFC 6750)")
    return value


def _host(raw: str) -> str:
    value = raw.strip().lower()
    if value and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?", value):
        raise _InvalidError("must be a host or domain name")
    return value


def _address(raw: str) -> str:
    try:
        ipaddress.ip_address(raw.strip())
    except ValueError:
        raise _InvalidError("must be an IP address such as 127.0.0.1 or ::") from None
    return raw.strip()


def _warm_up(raw: str) -> WarmUp | None:
    if not raw.strip():
        return None
    day, _, number = raw.strip().partition(":")
    try:
        found = WarmUp(date.fromisoformat(day), int(number))
    except ValueError:
        raise _InvalidError("must be a day and a number such as 2026-12-01:500") from None
    if found.first < 1:
        raise _InvalidError("must allow at least one mail on the first day")
    return found


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        value = raw.strip().lower()
        if value not in allowed:
            raise _InvalidError(f"must be one of {', '.join(allowed)}")
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
    "port": Variable("COUNTERSIGN_PORT", "8000", _number(1, 65535), "TCP port of the web server."),
    "bind": Variable("COUNTERSIGN_BIND", "127.0.0.1", _address, "IP address the web server listens on."),
    "data": Variable(
        "COUNTERSIGN_DATA", "var", _path, "Folder for embedded data, keys and journals; relative to the checkout."
    ),
    "base_url": Variable(
        "COUNTERSIGN_BASE_URL",
        "",
        _base_url,
        "Public address of the site, the only source of links in mail. Default: http://localhost:<port>.",
    ),
    "keys": Variable(
        "COUNTERSIGN_KEYS",
        "",
        _keys,
        "Instance keys `id:base64`, newest first. Default: made at the first start in <data>/keys.",
        secret=True,
    ),
    "database_url": Variable(
        "DATABASE_URL",
        "",
        _url("postgresql", "postgres"),
        "PostgreSQL 15 or newer. Empty: the embedded server.",
        secret=True,
    ),
    "redis_url": Variable(
        "REDIS_URL",
        "",
        _url("redis", "rediss", "redis+socket"),
        "Redis 6.2 or newer, or Valkey. Empty: the embedded server.",
        secret=True,
    ),
    "redis_prefix": Variable(
        "COUNTERSIGN_REDIS_PREFIX",
        "countersign:",
        _text,
        "Prefix of all keys in Redis, so that a shared server keeps installations apart.",
    ),
    "smtp_url": Variable(
        "SMTP_URL",
        "",
        _urls("smtp", "smtps", "smtp+starttls"),
        "Mail server: `smtp+starttls://user:password@host:587`, `smtps://…:465`, or `smtp://localhost:25`; or several, "
        "with blanks between. Options: `?weight=2`, `rate=50` (a second), `connections=4`, `lane=bulk`, `auth=login`. "
        "Empty: the local mail server with its mailbox in the browser.",
        secret=True,
    ),
    "local_mailbox": Variable(
        "COUNTERSIGN_LOCAL_MAILBOX",
        "no",
        _flag,
        "Show the mailbox of the local mail server at /mailbox; set by `countersign up`, with SMTP_URL.",
    ),
    "smtp_ca_file": Variable(
        "COUNTERSIGN_SMTP_CA_FILE", "", _optional_path, "PEM file of an own certificate authority for the mail server."
    ),
    "ehlo_name": Variable(
        "COUNTERSIGN_EHLO_NAME", "", _host, "Name given in EHLO. Default: the host of COUNTERSIGN_BASE_URL."
    ),
    "mail_from": Variable(
        "COUNTERSIGN_MAIL_FROM", "", _mailbox, "From address of all mail. Default: petitions@<host of the base URL>."
    ),
    "return_domain": Variable(
        "COUNTERSIGN_RETURN_DOMAIN",
        "",
        _host,
        "Domain of the signed return addresses (bounces). Default: the domain of COUNTERSIGN_MAIL_FROM.",
    ),
    "dkim_key_file": Variable(
        "COUNTERSIGN_DKIM_KEY_FILE",
        "",
        _optional_path,
        "PEM file of the RSA key (2048 bits or more) that signs mail. "
        "Default: made in <data>/keys with the local mail server.",
    ),
    "dkim_ed25519_key_file": Variable(
        "COUNTERSIGN_DKIM_ED25519_KEY_FILE", "", _optional_path, "PEM file of an optional second, Ed25519, DKIM key."
    ),
    "dkim_selector": Variable("COUNTERSIGN_DKIM_SELECTOR", "countersign", _host, "DKIM selector of the RSA key."),
    "dkim_ed25519_selector": Variable(
        "COUNTERSIGN_DKIM_ED25519_SELECTOR", "countersign-ed", _host, "DKIM selector of the Ed25519 key."
    ),
    "site_name": Variable("COUNTERSIGN_SITE_NAME", "Countersign", _text, "Name of the site, on pages and in mail."),
    "postal_address": Variable(
        "COUNTERSIGN_POSTAL_ADDRESS", "", _text, "Postal address for the foot of bulk mail, on one line."
    ),
    "contact": Variable(
        "COUNTERSIGN_CONTACT", "", _mailbox, "Address for questions on privacy. Default: COUNTERSIGN_MAIL_FROM."
    ),
    "web_workers": Variable("COUNTERSIGN_WEB_WORKERS", "1", _number(1, 64), "Web server processes."),
    "web_threads": Variable("COUNTERSIGN_WEB_THREADS", "16", _number(1, 64), "Threads per web server process."),
    "lane": Variable(
        "COUNTERSIGN_LANE", "urgent", _choice("urgent", "bulk"), "Lane of a worker; set by `countersign worker --lane`."
    ),
    "urgent_processes": Variable(
        "COUNTERSIGN_URGENT_PROCESSES", "1", _number(1, 64), "Processes of the worker for the urgent lane."
    ),
    "bulk_processes": Variable(
        "COUNTERSIGN_BULK_PROCESSES", "2", _number(1, 64), "Processes of the worker for bulk mail and upkeep."
    ),
    "proxies": Variable(
        "COUNTERSIGN_PROXIES", "0", _number(0, 5), "Reverse proxies in front whose X-Forwarded-For is believed."
    ),
    "gmail_rules": Variable(
        "COUNTERSIGN_GMAIL_RULES", "no", _flag, "Treat dots and +tags of Gmail addresses as the same person."
    ),
    "retention_days": Variable(
        "COUNTERSIGN_RETENTION_DAYS", "90", _number(1, 3650), "Days after closing until addresses and names are erased."
    ),
    "confirm_days": Variable(
        "COUNTERSIGN_CONFIRM_DAYS", "7", _number(1, 30), "Days a signature may wait for its confirmation."
    ),
    "count_interval": Variable(
        "COUNTERSIGN_COUNT_INTERVAL", "2", _number(1, 60), "Seconds between two runs of the counter."
    ),
    "max_lateness": Variable(
        "COUNTERSIGN_MAX_LATENESS",
        "21600",
        _number(60, 604800),
        "Seconds after its time at which a scheduled blast is no longer started by itself.",
    ),
    "metrics_token": Variable(
        "COUNTERSIGN_METRICS_TOKEN",
        "",
        _token,
        "Bearer token that opens /metrics from elsewhere. Empty: only this machine may read it.",
        secret=True,
    ),
    "rate": Variable(
        "COUNTERSIGN_RATE",
        "0",
        _number(0, 1_000_000),
        "Mails a second over all workers and hosts; mail that a person waits for is counted, never held. 0: no limit.",
    ),
    "domain_rate": Variable(
        "COUNTERSIGN_DOMAIN_RATE",
        "0",
        _number(0, 1_000_000),
        "Bulk mails a second to one recipient domain; less while a domain asks for less (421, 4.7.x). 0: no limit.",
    ),
    "warm_up": Variable(
        "COUNTERSIGN_WARM_UP",
        "",
        _warm_up,
        "Warm-up of a new sender: `2026-12-01:500` is 500 bulk mails on that day (UTC), twice as many each day after.",
    ),
    "log_level": Variable(
        "COUNTERSIGN_LOG_LEVEL", "info", _choice("debug", "info", "warning", "error"), "How much is logged."
    ),
}


@dataclass(frozen=True)
class Settings:
    """All settings, checked. Secrets do not show in ``repr``."""

    port: int
    bind: str
    data: Path
    base_url: str
    keys: tuple[Key, ...] = field(repr=False)
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    redis_prefix: str
    smtp_url: str = field(repr=False)
    local_mailbox: bool
    smtp_ca_file: Path | None
    ehlo_name: str
    mail_from: str
    return_domain: str
    dkim_key_file: Path | None
    dkim_ed25519_key_file: Path | None
    dkim_selector: str
    dkim_ed25519_selector: str
    site_name: str
    postal_address: str
    contact: str
    web_workers: int
    web_threads: int
    lane: str
    urgent_processes: int
    bulk_processes: int
    proxies: int
    gmail_rules: bool
    retention_days: int
    confirm_days: int
    count_interval: int
    max_lateness: int
    metrics_token: str = field(repr=False)
    rate: int
    domain_rate: int
    warm_up: WarmUp | None
    log_level: str

    @property
    def host(self) -> str:
        """Host name of the base URL."""
        return urlsplit(self.base_url).hostname or "localhost"

    @property
    def is_local(self) -> bool:
        """True if the site is only reachable on this machine, so that plain http is accepted."""
        return self.host in LOCAL_HOSTS

    @property
    def mail_domain(self) -> str:
        """Domain of the From address: DKIM's d= and the right side of Message-ID and List-Id."""
        return self.mail_from.rpartition("@")[2]

    @property
    def key_folder(self) -> Path:
        """Folder of generated keys (mode 0700)."""
        return self.data / "keys"

    @property
    def mailbox_folder(self) -> Path:
        """Folder where the local mail server keeps what it received."""
        return self.data / "mailbox"


def _environment(env_file: Path) -> dict[str, str]:
    from_file = {name: value for name, value in dotenv_values(env_file).items() if value is not None}
    return {**from_file, **os.environ}


def load(environ: Mapping[str, str] | None = None, *, env_file: Path = ROOT / ".env", **overrides: str) -> Settings:
    """Read and check all settings.

    Args:
        environ: variables by name; the process environment over ``env_file`` if not given.
        env_file: a dotenv file, read only when ``environ`` is not given.
        overrides: field names of :class:`Settings` with values as text, stronger than the environment.

    Raises:
        SettingsError: names every missing or wrong variable at once.
    """
    source = dict(_environment(env_file) if environ is None else environ)
    source |= {VARIABLES[name].name: text for name, text in overrides.items()}
    values: dict[str, Any] = {}
    problems = []
    for name, variable in VARIABLES.items():
        try:
            values[name] = variable.parse(source.get(variable.name, variable.default))
        except _InvalidError as problem:
            problems.append(f"{variable.name} {problem}")
    problems += _unknown(source)
    if problems:
        raise SettingsError(problems)
    _fill_in(values)
    if problems := _contradictions(values):
        raise SettingsError(problems)
    return Settings(**values)


def _unknown(source: Mapping[str, str]) -> list[str]:
    known = {variable.name for variable in VARIABLES.values()}
    return [
        f"{name} is not a setting of Countersign (see docs/settings.md)"
        for name in sorted(source)
        if name.startswith("COUNTERSIGN_") and name not in known
    ]


def _fill_in(values: dict[str, Any]) -> None:
    values["base_url"] = values["base_url"] or f"http://localhost:{values['port']}"
    host = urlsplit(values["base_url"]).hostname or "localhost"
    values["ehlo_name"] = values["ehlo_name"] or host
    local_domain = "countersign.test" if host in LOCAL_HOSTS else host
    values["mail_from"] = values["mail_from"] or f"petitions@{local_domain}"
    values["return_domain"] = values["return_domain"] or values["mail_from"].rpartition("@")[2]
    values["contact"] = values["contact"] or values["mail_from"]


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    problems = []
    local = urlsplit(values["base_url"]).hostname in LOCAL_HOSTS
    if not local and not values["smtp_url"]:
        problems.append("SMTP_URL is missing: a public COUNTERSIGN_BASE_URL needs a mail server")
    if values["smtp_url"] and not local and not values["dkim_key_file"]:
        problems.append("COUNTERSIGN_DKIM_KEY_FILE is missing: mail that leaves this machine must be signed")
    for name in ("dkim_key_file", "dkim_ed25519_key_file", "smtp_ca_file"):
        path = values[name]
        if path is not None and not path.is_file():
            problems.append(f"{VARIABLES[name].name} names a file that is not there")
    if not local and not values["keys"]:
        problems.append("COUNTERSIGN_KEYS is missing: make one with `countersign keys generate` and keep it safe")
    return problems


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment for a child process: this one's, with what was found or made since it was read.

    Secrets reach children this way only: command lines can be read by every user of the machine.
    """
    found = {name: getattr(settings, name) for name in VARIABLES} | {"keys": format_keys(settings.keys)}
    return {**os.environ} | {VARIABLES[name].name: _as_text(value) for name, value in found.items()}


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def export(settings: Settings) -> None:
    """Put what :func:`child_environment` gives into this process's own environment, for the processes it forks."""
    os.environ.update(child_environment(settings))


def parse_keys(text: str) -> tuple[Key, ...]:
    """Read instance keys as COUNTERSIGN_KEYS spells them: ``id:base64``, newest first, separated by commas.

    Raises:
        SettingsError: they are not spelled so.
    """
    try:
        return _keys(text)
    except _InvalidError as problem:
        raise SettingsError([f"the instance key {problem}"]) from problem


def format_keys(keys: Sequence[Key]) -> str:
    """Spell instance keys as COUNTERSIGN_KEYS does."""
    return ",".join(f"{key.id}:{base64.b64encode(key.secret).decode()}" for key in keys)


def names() -> list[str]:
    """All variable names, in the order of the documentation."""
    return [VARIABLES[item.name].name for item in fields(Settings)]
