"""The environment variables: how values are parsed and written, and the table of docs/settings.md.

Each parser takes the text of one variable. Its :class:`InvalidError` says what the value must be, never what it was: a
value may be a secret.
"""

import base64
import ipaddress
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import idna
from pydantic import BeforeValidator, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails


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


ROOT = Path(__file__).resolve().parent.parent
"""The checkout: where templates/, static/ and translations/ are."""

RELAY_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
"""Schemes of SMTP_URL, each with its standard port."""

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

SOCKET = "unix:"
"""What COUNTERSIGN_BIND begins with if it names a Unix socket."""

_BASE_URL = "must be like https://petitions.example.org, without a path"
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?")
_REMEDIES = {
    "int_parsing": "must be a whole number",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than_equal": "must be at most {le:,}",
    "literal_error": "must be {expected}",
    "bool_parsing": "must be yes or no",
}
"""What pydantic's own errors mean; the names in braces are limits, not the value."""

_BEGIN, _END = "<!-- table: written by `countersign settings --write` -->\n", "<!-- end of table -->\n"


class InvalidError(ValueError):
    """A value is wrong; the text says what it must be, and does not repeat it."""


@dataclass(frozen=True)
class Key:
    """One instance key: a short public id and 32 secret bytes."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class Variable:
    """One environment variable: its name, its default as text, and what it is."""

    name: str
    default: str
    about: str


IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(raw: str) -> tuple[IPNetwork, ...]:
    try:
        return tuple(ipaddress.ip_network(one, strict=False) for one in raw.replace(",", " ").split())
    except ValueError:
        raise InvalidError("must be networks like 192.0.2.0/24 2001:db8::/48, with blanks between them") from None


Networks = Annotated[tuple[IPNetwork, ...], BeforeValidator(_networks)]


def urls(*schemes: str, several: bool = False) -> BeforeValidator:
    """A URL with one of these schemes, or none; or ``several`` with blanks between them."""

    def parse(raw: str) -> str:
        values = raw.split() if several else [raw.strip()] if raw.strip() else []
        for value in values:
            if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
                raise InvalidError(f"must begin with {' or '.join(s + '://' for s in schemes)}")
        return " ".join(_with_a_labels(value, _split(value)) for value in values)

    return BeforeValidator(parse)


RETURN_MAILBOXES = ("imaps", "imap+starttls", "imap", "maildir", "lmtp")
"""Schemes of RETURN_MAILBOX_URL."""


def return_mailbox_url(raw: str) -> str:
    """A checked RETURN_MAILBOX_URL.

    Raises:
        InvalidError: it names no mailbox that can be read.
    """
    value = raw.strip()
    if not value:
        return ""
    scheme, _, rest = value.partition(":")
    if scheme not in RETURN_MAILBOXES:
        raise InvalidError("must be like imaps://user:password@host/INBOX, maildir:/path or lmtp://127.0.0.1:2424")
    parts = _split(value)
    if scheme == "maildir":
        if parts.netloc or not parts.path.startswith("/"):
            raise InvalidError("must name the folder of a Maildir by its whole path: maildir:/var/mail/returned")
        return value
    if not rest.startswith("//") or not (parts.hostname or (scheme == "lmtp" and parts.path.startswith("/"))):
        raise InvalidError("must have a host after ://")
    if scheme != "lmtp" and not (parts.username and parts.password):
        raise InvalidError("must have a user name and a password: imaps://user:password@host/INBOX")
    if scheme in {"imap", "lmtp"} and parts.hostname and parts.hostname not in LOCAL_HOSTS:
        raise InvalidError(f"must name this machine: {scheme}:// has no TLS; use imaps:// for another one")
    return value


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidError(
            "has no usable host and port (1 to 65535); special characters in a user name or password are "
            "percent-encoded, @ as %40"
        )
    return parts


def _with_a_labels(url: str, parts: SplitResult) -> str:
    """The URL with its host in its ASCII form; a name of other letters is unknown to most client libraries."""
    host = parts.hostname or ""
    if host.isascii():
        return url
    user, at, _ = parts.netloc.rpartition("@")
    port = "" if parts.port is None else f":{parts.port}"
    return parts._replace(netloc=f"{user}{at}{_a_labels(host)}{port}").geturl()


def _path(raw: str | Path) -> Path:
    try:
        # A relative path starts at the checkout, wherever the program was started.
        return ROOT / Path(raw).expanduser()
    except RuntimeError:
        raise InvalidError("begins with ~ and a user that has no home folder: write the whole path") from None


def _own_file(raw: str) -> Path | None:
    return _path(raw) if raw.strip() else None


def _pem_file(raw: str) -> Path | None:
    if not raw.strip():
        return None
    path = _path(raw)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InvalidError("names a file that is not there") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is no path"
        raise InvalidError(f"names a file that can't be read: {reason}") from None
    if b"-----BEGIN " not in content:
        raise InvalidError("names a file that is not in PEM format (it has no line -----BEGIN ...-----)")
    return path


def _authority_file(raw: str) -> Path | None:
    path = _pem_file(raw)
    if path is not None:
        try:
            ssl.create_default_context().load_verify_locations(path)
        except (OSError, ssl.SSLError):
            raise InvalidError("names a file that holds no certificate of an authority") from None
    return path


def _base_url(raw: str) -> str:
    """Scheme, host and port in the spelling that browsers use, so that the Origin of our own forms is known."""
    value = raw.strip().rstrip("/")
    if not value:
        return ""
    parts = _split(value)
    host = _a_labels(parts.hostname or "")
    is_local = host in LOCAL_HOSTS
    if parts.scheme not in _PORTS or "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        raise InvalidError(_BASE_URL)
    if not is_local and not _HOST.fullmatch(host):
        raise InvalidError(_BASE_URL)
    if parts.scheme == "http" and not is_local:
        raise InvalidError("must be https (plain http is accepted for localhost only)")
    port = "" if parts.port in {None, _PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def _host(raw: str) -> str:
    value = _a_labels(raw.strip().lower())
    if value and not _HOST.fullmatch(value):
        raise InvalidError("must be a host or domain name")
    return value


def _a_labels(host: str) -> str:
    """An internationalised name in its ASCII form (A-labels, RFC 5890), which DNS, mail and browsers use."""
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        raise InvalidError("must have a host name that is valid in DNS (IDNA 2008)") from None


def _mailbox(raw: str) -> str:
    local, at, domain = raw.strip().rpartition("@")
    value = f"{local}{at}{_a_labels(domain)}"
    if value and not re.fullmatch(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,190}", value):
        raise InvalidError("must be one plain address such as petitions@example.org")
    return value.lower()


def _address(raw: str) -> str:
    value = raw.strip()
    if value.startswith(SOCKET):
        path = value.removeprefix(SOCKET)
        # 108 bytes are what the kernel takes, with the zero at the end: unix(7).
        if path.startswith("/") and path.isprintable() and len(path.encode()) < 108:
            return value
        raise InvalidError("must be like unix:/run/countersign/web.sock, with a path of at most 107 bytes")
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise InvalidError(
            "must be an IP address such as 127.0.0.1 or ::, or unix: with the path of a socket"
        ) from None
    return value


def _token(raw: str) -> str:
    value = raw.strip()
    if value and not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,200}", value):
        raise InvalidError("must have 16 to 200 letters, digits or . _ ~ + / = - (RFC 6750)")
    return value


def _warm_up(raw: str) -> WarmUp | None:
    if not raw.strip():
        return None
    day, _, first = raw.strip().partition(":")
    try:
        warm_up = WarmUp(date.fromisoformat(day), int(first))
    except ValueError:
        raise InvalidError("must be a day and a number such as 2026-12-01:500") from None
    if warm_up.first < 1:
        raise InvalidError("must allow at least one mail on the first day")
    return warm_up


def parse_keys(text: str) -> tuple[Key, ...]:
    """Parse instance keys ``id:base64``, newest first, separated by commas.

    Raises:
        InvalidError: they are not written so.
    """
    keys = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, secret = item.partition(":")
        try:
            decoded = base64.b64decode(secret, validate=True)
        except ValueError:
            decoded = b""
        if not re.fullmatch(r"[a-z0-9]{1,16}", name) or len(decoded) != 32:
            raise InvalidError(
                "must be id:base64-of-32-bytes, newest first, separated by commas (`countersign keys generate`)"
            )
        keys.append(Key(name, decoded))
    if len({key.id for key in keys}) != len(keys):
        raise InvalidError("names one key id twice")
    return tuple(keys)


LOWER = BeforeValidator(lambda raw: raw.strip().lower())
Flag = Annotated[bool, BeforeValidator(lambda raw: raw.strip() or "no")]
Folder = Annotated[Path, BeforeValidator(_path)]
OwnFile = Annotated[Path | None, BeforeValidator(_own_file)]
PemFile = Annotated[Path | None, BeforeValidator(_pem_file)]
AuthorityFile = Annotated[Path | None, BeforeValidator(_authority_file)]
BaseUrl = Annotated[str, BeforeValidator(_base_url)]
ReturnMailbox = Annotated[str, BeforeValidator(return_mailbox_url)]
Host = Annotated[str, BeforeValidator(_host)]
Mailbox = Annotated[str, BeforeValidator(_mailbox)]
Address = Annotated[str, BeforeValidator(_address)]
Token = Annotated[str, BeforeValidator(_token)]
WarmUpDays = Annotated[WarmUp | None, BeforeValidator(_warm_up)]
Keys = Annotated[tuple[Key, ...], BeforeValidator(parse_keys)]


def format_keys(keys: Sequence[Key]) -> str:
    """Write instance keys as COUNTERSIGN_KEYS has them."""
    return ",".join(f"{key.id}:{base64.b64encode(key.secret).decode()}" for key in keys)


def as_text(value: object) -> str:
    """Write a parsed value as its variable has it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case tuple() if all(isinstance(one, Key) for one in value):
            return format_keys(value)
        case tuple():
            return " ".join(map(str, value))
    return str(value)


def variables_of(fields: Mapping[str, FieldInfo]) -> dict[str, Variable]:
    """The environment variables of a model by the names of its fields; each field has an alias and a description."""
    return {
        name: Variable(field.alias or name, as_text(field.default), field.description or "")
        for name, field in fields.items()
    }


def sentences(error: ValidationError) -> list[str]:
    """One sentence for each mistake, with the variable, and never with its value: only our own words are repeated."""
    mistakes = error.errors(include_url=False, include_input=False)
    return [f"{mistake['loc'][0]} {_remedy(mistake)}" for mistake in mistakes]


def predicate(error: ValidationError) -> str:
    """What the one value that was checked must be, as the end of a sentence; it is not repeated."""
    return _remedy(error.errors(include_url=False, include_input=False)[0])


def _remedy(mistake: ErrorDetails) -> str:
    context = mistake.get("ctx", {})
    if isinstance(reason := context.get("error"), InvalidError):
        return str(reason)
    return _REMEDIES.get(mistake["type"], "can't be read: see docs/settings.md").format_map(context)


def unknown(names: Iterable[str], variables: Iterable[Variable]) -> list[str]:
    """A sentence for each name of the environment that looks like a setting and is none."""
    known = {variable.name for variable in variables}
    return [
        f"{name} is not a setting of Countersign (see docs/settings.md)"
        for name in sorted(names)
        if name.startswith("COUNTERSIGN_") and name not in known
    ]


def table(variables: Iterable[Variable]) -> str:
    """The variables as a table in Markdown."""
    lines = ["| Variable | Default | What it is |", "|---|---|---|"]
    for variable in variables:
        default = f"`{variable.default}`" if variable.default else "–"
        about = variable.about.replace("|", "\\|").replace("<", "\\<")
        lines.append(f"| `{variable.name}` | {default} | {about} |")
    return "".join(f"{line}\n" for line in lines)


def with_table(page: str, variables: Iterable[Variable]) -> str:
    """docs/settings.md with its table written anew; the text around the table stays as it is."""
    before, _, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2]
    return f"{before}{_BEGIN}{table(variables)}{_END}{after}"
