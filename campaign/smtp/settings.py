"""Where the mail server is and how to speak to it."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from campaign.errors import SettingsError
from campaign.smtp.echo import HEADERS
from campaign.smtp.transport import Phase
from campaign.variables import RELAY_PORTS


class Security(StrEnum):
    """How a connection is protected. There is no "TLS if possible": it can be stripped."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class Mechanism(StrEnum):
    """SASL mechanisms. XOAUTH2 takes an access token as the password."""

    AUTO = "auto"
    PLAIN = "plain"
    LOGIN = "login"
    XOAUTH2 = "xoauth2"


SCHEMES: Final = {"smtp": Security.NONE, "smtp+starttls": Security.STARTTLS, "smtps": Security.IMPLICIT}

NUMBERS: Final = {"connections": 100, "messages": 100_000, "weight": 100, "rate": 1_000_000}
"""Options of a URL that are numbers, with the largest that makes sense."""

OPTIONS: Final = frozenset({"auth", "cleartext", "lane", "provider"} | NUMBERS.keys())

DEADLINES: Final = {
    Phase.CONNECT: 10.0,
    Phase.BANNER: 20.0,
    Phase.EHLO: 20.0,
    Phase.STARTTLS: 20.0,
    Phase.AUTH: 20.0,
    Phase.MAIL: 20.0,
    Phase.RCPT: 20.0,
    Phase.DATA: 20.0,
    # RFC 5321 section 4.5.3.2.6 proposes 10 minutes so that slow servers do not get a second copy. We never send one
    # after silence, so waiting longer would only hold a worker past its time limit.
    Phase.DOT: 60.0,
}
"""Seconds until the whole reply of each phase must be there, however its bytes come.

RFC 5321 section 4.5.3.2 proposes minutes, for clients that talk to servers all over the Internet. We talk to a relay of
our own, and what is given up before the final dot is tried again.
"""

UNTIL_DOT: Final = 30.0
"""Seconds for all phases together: from the moment a session begins, or a message is taken, to its final dot."""


@dataclass(frozen=True)
class SmtpSettings:
    """One mail server (relay).

    ``connections`` are kept open at once; each ends after ``messages_per_connection`` or ``idle_seconds`` without work.
    """

    host: str
    port: int
    ehlo_name: str
    security: Security = Security.NONE
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    mechanism: Mechanism = Mechanism.AUTO
    ca_file: Path | None = None
    connections: int = 4
    messages_per_connection: int = 1000
    idle_seconds: float = 30.0
    weight: int = 1
    """Share of the mail among several relays; 0: only when the others are down."""
    rate: float = 0.0
    """Mails a second to this relay over all workers; 0: no limit."""
    fixed: frozenset[str] = frozenset()
    """Options that the URL names: they win over what was learned of the relay."""
    lane: str | None = None
    """The only lane this relay is for, ``urgent`` or ``bulk``; both, if None."""
    provider: str | None = None
    """Whose relay it is, if the provider tells by webhook about a message only what a header of its own named."""
    pipelining: bool = True
    """Use PIPELINING where it is offered."""
    deadlines: dict[Phase, float] = field(default_factory=DEADLINES.copy)
    until_dot: float = UNTIL_DOT

    @classmethod
    def from_url(cls, url: str, *, ehlo_name: str, ca_file: Path | None = None) -> Self:
        """Read ``smtp://``, ``smtps://`` or ``smtp+starttls://user:password@host:port?auth=plain|login|xoauth2``.

        ``smtp://`` is clear text and for this machine only, unless the URL says ``?cleartext=yes`` (a private network).

        Raises:
            SettingsError: for what can't be used or would be unsafe; the password is not repeated.
        """
        try:
            parts = urlsplit(url)
            security = SCHEMES[parts.scheme]
            port = parts.port or RELAY_PORTS[parts.scheme]
            options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            mechanism = Mechanism(options.get("auth", "auto"))
            numbers = {name: _number(options[name], most) for name, most in NUMBERS.items() if name in options}
        except (KeyError, ValueError):
            raise SettingsError(["SMTP_URL can't be read: see docs/settings.md"]) from None
        host = parts.hostname or ""
        if not host or unknown_in(options):
            raise SettingsError([f"SMTP_URL needs a host, and knows only the options {', '.join(sorted(OPTIONS))}"])
        lane = options.get("lane")
        if lane not in {None, "urgent", "bulk"}:
            raise SettingsError(["SMTP_URL: lane must be urgent or bulk"])
        provider = options.get("provider")
        if provider is not None and provider not in HEADERS:
            raise SettingsError([f"SMTP_URL: provider must be one of {', '.join(sorted(HEADERS))}"])
        if security is Security.NONE and not is_loopback(host):
            if options.get("cleartext") != "yes":
                raise SettingsError([f"SMTP_URL would send mail to {host} in clear text: use smtp+starttls or smtps"])
            if parts.username:
                raise SettingsError(["SMTP_URL would send a password in clear text: use smtp+starttls or smtps"])
        return cls(
            host=host,
            port=port,
            ehlo_name=ehlo_name,
            security=security,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or "") if parts.username else None,
            mechanism=mechanism,
            ca_file=ca_file,
            connections=max(1, int(numbers.get("connections", 4))),
            messages_per_connection=int(numbers.get("messages", 0)) or 1000,
            fixed=frozenset(name for name in ("connections", "messages", "rate") if numbers.get(name)),
            weight=int(numbers.get("weight", 1)),
            rate=numbers.get("rate", 0.0),
            lane=lane,
            provider=provider,
        )

    @classmethod
    def all_from(cls, urls: str, *, ehlo_name: str, lane: str, ca_file: Path | None = None) -> tuple[Self, ...]:
        """The relays for a lane, from one URL or several with blanks between them.

        Raises:
            SettingsError: as :meth:`from_url`, or when no relay serves the lane.
        """
        found = [cls.from_url(url, ehlo_name=ehlo_name, ca_file=ca_file) for url in urls.split()]
        own = tuple(settings for settings in found if settings.lane in {None, lane})
        if not own:
            raise SettingsError([f"SMTP_URL names no mail server for the lane {lane}"])
        return own

    def tls_context(self) -> ssl.SSLContext:
        """Certificates and host names are always checked; ``ca_file`` is trusted beside the system's authorities.

        Raises:
            SettingsError: when ``ca_file`` can't be read.
        """
        context = ssl.create_default_context()
        if self.ca_file is not None:
            try:
                context.load_verify_locations(self.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise SettingsError(["COUNTERSIGN_SMTP_CA_FILE holds no certificate"]) from error
        return context


def unknown_in(options: dict[str, str]) -> set[str]:
    """Unknown options of a URL."""
    return options.keys() - OPTIONS


def _number(raw: str, most: int) -> float:
    value = float(raw)
    if not 0 <= value <= most:
        raise ValueError(raw)
    return value


def is_loopback(host: str) -> bool:
    """True if ``host`` names this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
