"""Is a mail server ready for us? Connect, TLS, sign in, say goodbye: no mail is sent."""

import selectors
import time
from dataclasses import dataclass, field

from campaign.errors import SessionFailedError
from campaign.smtp.connection import Connection, Loss
from campaign.smtp.handshake import Handshake
from campaign.smtp.settings import Security, SmtpSettings

_TICK = 0.1
"""Seconds between two looks at the deadlines."""


@dataclass
class _Answer:
    capabilities: dict[str, str] | None = None
    failure: SessionFailedError | None = None

    @property
    def is_there(self) -> bool:
        return self.capabilities is not None or self.failure is not None

    def ready(self, capabilities: dict[str, str]) -> None:
        self.capabilities = capabilities

    def failed(self, failure: SessionFailedError) -> None:
        self.failure = self.failure or failure

    def lost(self, loss: Loss) -> None:
        self.failed(SessionFailedError(loss.text, phase=loss.phase, permanent=loss.permanent, silent=loss.silent))


@dataclass(frozen=True)
class Greeting:
    """A session that mail could be sent in."""

    capabilities: dict[str, str] = field(default_factory=dict)
    """EHLO keywords with their parameters."""


def probe(settings: SmtpSettings, *, seconds: float) -> Greeting:
    """Open a session as workers do, and end it.

    Args:
        settings: the relay.
        seconds: to wait for all of it.

    Raises:
        SessionFailedError: the server gives none; says where and why.
        SettingsError: the file of the certificate authority can't be used.
    """
    answer = _Answer()
    tls = None if settings.security is Security.NONE else settings.tls_context()
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        connection = Connection(settings, selector, tls=tls, on_lost=answer.lost)
        Handshake(connection, on_ready=answer.ready, on_failed=answer.failed).begin()
        while not answer.is_there:
            for key, mask in selector.select(_TICK):
                key.data.on_ready(mask)
            now = time.monotonic()
            connection.on_time(now)
            if now > until and not answer.is_there:
                connection.give_up(connection.phase, "the mail server said nothing in time")
        connection.close(farewell=b"QUIT\r\n", patience=1.0)
    if answer.failure is not None:
        raise answer.failure
    return Greeting(answer.capabilities or {})
