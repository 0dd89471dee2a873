"""What a fault server is told: which faults, when and how often; the same text for tests, drills and the CLI."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Self

from campaign.errors import SettingsError
from campaign.local.mailserver.certificates import Certificate
from campaign.local.mailserver.protocol import EXTENSIONS, Answer, ConnectionFault, DelayedReply, DrippedReply
from campaign.local.mailserver.returns import Return

PHASES: Final = (
    "banner", "ehlo", "helo", "starttls", "auth", "mail", "rcpt", "data", "dot", "accepted", "rset",
)  # fmt: skip
"""``dot`` happens instead of accepting; ``accepted`` after it was counted, in place of the 250."""

GARBAGE: Final = "garbage"
_REPLY = re.compile(r"(?:(slow|drip) (\d+(?:\.\d+)?) )?([2-5]\d\d(?:[ -].*)?)", re.DOTALL)


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    ``does`` is a reply such as ``450 4.2.0 Later``, at once or, as in ``slow 2.5 250 2.0.0 Ok``, after some seconds, or
    as in ``drip 8 250 2.0.0 Ok`` with so many seconds before each byte; or ``drop``, ``hang``, ``stall``, ``garbage``.
    ``recipient`` and ``domain`` limit it (phases from rcpt on); ``odds`` is the chance that it happens when it could;
    ``times`` how often at most, ``each`` how often at most for one recipient (1 is greylisting), ``after`` how many
    chances pass first, ``above`` the recipients a second of one domain that pass before it happens.

    A relay's limits: ``session`` messages that a session carries before it happens; ``connections`` that may be open
    before it happens; ``overall`` messages that are taken within ``period`` seconds before it happens.
    """

    phase: str
    does: str
    recipient: str | None = None
    domain: str | None = None
    odds: float = 1.0
    times: int | None = None
    each: int | None = None
    after: int = 0
    above: float | None = None
    session: int | None = None
    connections: int | None = None
    overall: float | None = None
    period: float = 1.0

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise SettingsError([f"a fault has no phase {self.phase}; it is one of {', '.join(PHASES)}"])
        if self.does not in {*ConnectionFault, GARBAGE} and not _REPLY.fullmatch(self.does):
            raise SettingsError([f"a fault can't do {self.does!r}"])

    def answer(self) -> Answer:
        """What the server says, or does instead."""
        if self.does == GARBAGE:
            return b"\x00\x01HTTP/1.1 400 Bad Request\r\n\r\n<html>\r\n"
        if self.does in set(ConnectionFault):
            return ConnectionFault(self.does)
        found = _REPLY.fullmatch(self.does)
        reply = (found[3] if found else self.does).encode().rstrip(b"\r\n") + b"\r\n"
        if found is None or not found[1]:
            return reply
        return (DelayedReply if found[1] == "slow" else DrippedReply)(float(found[2]), reply)


@dataclass(frozen=True)
class Script:
    """What a server offers and what goes wrong. The same ``seed`` gives the same faults for the same dialogue."""

    faults: tuple[Fault, ...] = ()
    seed: int = 0
    extensions: tuple[str, ...] = EXTENSIONS
    certificate: Certificate | None = None
    """Offer STARTTLS with this certificate."""
    implicit_tls: bool = False
    credentials: tuple[str, str] | None = None
    auth_lines: tuple[str, ...] = ("AUTH PLAIN LOGIN XOAUTH2",)
    """How EHLO offers AUTH, if there are credentials."""
    returns: tuple[Return, ...] = ()
    """What comes back of accepted messages, some time later."""
    return_to: str = ""
    """Where it comes back to: ``maildir:/path`` or ``lmtp://host:port``."""
    silent: tuple[str, ...] = ()
    """Other loopback addresses, such as ::1, where connections to the same port are made and nothing is ever said."""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a script; keys are the names of the fields.

        Raises:
            SettingsError: for names or values that no script has.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            faults = tuple(Fault(**fault) for fault in found.pop("faults", ()))
            returns = tuple(Return(**each) for each in found.pop("returns", ()))
            certificate = Certificate(found.pop("certificate")) if "certificate" in found else None
            pairs: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in found.items()
            }
            return cls(faults=faults, returns=returns, certificate=certificate, **pairs)
        except (AttributeError, TypeError, ValueError) as error:
            raise SettingsError([f"the fault script can't be read: {error}"]) from error
