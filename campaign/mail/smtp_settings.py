"""Where the mail server is and how to speak to it."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from campaign.errors import SettingsError
from campaign.mail.transport import Phase


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


SCHEMES: Final = {
    "smtp": (Security.NONE, 25),
    "smtp+starttls": (Security.STARTTLS, 587),
    "smtps": (Security.IMPLICIT, 465),
}

DEADLINES: Final = {
    Phase.CONNECT: 15.0,
    Phase.BANNER: 30.0,
    Phase.EHLO: 30.0,
    Phase.STARTTLS: 30.0,
    Phase.AUTH: 30.0,
    Phase.MAIL: 30.0,
    Phase.RCPT: 60.0,
    Phase.DATA: 60.0,
    # RFC 5321 section 4.5.3.2.6 proposes 10 minutes so that slow servers do not get a second copy. We never send one
    # after silence, so waiting longer would only hold a worker past its time limit.
    Phase.DOT: 60.0,
}
"""Seconds to wait for the answer in each phase."""


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
    pipelining: bool = True
    """Use PIPELINING where it is offered."""
    deadlines: dict[Phase, float] = field(default_factory=DEADLINES.copy)

    @classmethod
    def from_url(cls, url: str, *, ehlo_name: str, ca_file: Path | None = None) -> Self:
        """Read ``smtp://``, ``smtps://`` or ``smtp+starttls://user:password@host:port?auth=plain|login|xoauth2``.

        ``smtp://`` is clear text and for this machine only, unless the URL says ``?cleartext=yes`` (a private network).

        Raises:
            SettingsError: for what can't be used or would be unsafe; the password is not repeated.
        """
        try:
            parts = urlsplit(url)
            security, standard_port = SCHEMES[parts.scheme]
            port = parts.port or standard_port
            options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            mechanism = Mechanism(options.get("auth", "auto"))
        except (KeyError, ValueError):
            raise SettingsError(["SMTP_URL can't be read: see docs/settings.md"]) from None
        host = parts.hostname or ""
        if not host or unknown_in(options):
            raise SettingsError(["SMTP_URL needs a host, and knows only the options auth and cleartext"])
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
        )

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
    """Options of a URL that nobody reads."""
    return options.keys() - {"auth", "cleartext"}


def is_loopback(host: str) -> bool:
    """True if ``host`` names this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
