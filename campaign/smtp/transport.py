"""What sending means, apart from how: envelopes go in, outcomes come out, each with a verdict.

Only delivery decides about retries; a transport only tells what happened. Which reply leads to which verdict is one
table in :mod:`campaign.smtp.replies`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from campaign.states import LimitKind


class Result(StrEnum):
    """What became of one message."""

    ACCEPTED = "accepted"
    """The server took responsibility: 250 after the final dot."""
    TEMPORARY = "temporary"
    """Certainly not accepted; may be tried again."""
    PERMANENT = "permanent"
    """Refused; trying again will not help."""
    UNCERTAIN = "uncertain"
    """The final dot may have arrived and no answer came: the outcome is unknown; it is never resent by itself."""


class Phase(StrEnum):
    """Where in the conversation it was decided."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


SESSION_PHASES: Final = frozenset({Phase.CONNECT, Phase.BANNER, Phase.EHLO, Phase.STARTTLS, Phase.AUTH})
"""Before the first MAIL of a session: what fails here is about no message, and its attempt does not count."""


class Blame(StrEnum):
    """Whose fault an outcome is, by the enhanced status code (RFC 3463) or, without one, by the phase."""

    NOBODY = "nobody"
    RECIPIENT = "recipient"
    US = "us"
    """Our configuration, our text or our reputation."""
    SERVER = "server"
    """The mail server, or the way to it: temporary."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """A kind of bounce, and on how many days within a month it must occur until the address is suppressed.

    A limit of 1 suppresses at once; all others are soft bounces, of which at most one a day counts.
    """

    kind: str
    limit: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply, or its absence, means for the message and for everything that comes after it."""

    result: Result
    blame: Blame
    bounce: Bounce | None = None
    """What counts against the address if the message is rejected in the end; None: nothing."""
    throttles: bool = False
    """The recipient's domain asks for less mail."""
    is_block: bool = False
    """A reputation block: several of them pause the lane; those of one domain hold that domain."""
    is_text: bool = False
    """The text is refused: if it is a blast's own, trying again does not help."""
    pauses_lane: bool = False
    """Our configuration is wrong: no mail can be sent until it is changed."""
    ends_session: bool = False
    """The server closes the connection after this reply."""
    limit: LimitKind | None = None
    """The words speak of a limit of the relay: what follows proves it, or not."""
    tries_another_session: bool = False
    """The reply may be about the session and not about the message: a new session tells."""


# Envelopes and outcomes are values; they are not frozen because one is made per message, and that takes three times as
# long for a frozen class.
@dataclass(slots=True)
class Envelope:
    """One message to one recipient. ``id`` is the message row; ``data`` has CRLF line ends.

    ``utf8`` is True if the recipient's local part is not ASCII (:class:`~campaign.mail.addresses.WireAddress`).
    """

    id: int
    mail_from: str
    rcpt_to: str
    data: bytes
    utf8: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of one envelope.

    ``code`` and ``enhanced`` are the server's (no ``code``: no answer, or decided by ourselves); ``text`` is its reply
    without any address, at most 200 characters, fit for logs and the admin's page.
    """

    id: int
    verdict: Verdict
    phase: Phase
    code: int | None = None
    enhanced: str | None = None
    text: str = ""

    @property
    def result(self) -> Result:
        """What became of the message."""
        return self.verdict.result

    @property
    def blame(self) -> Blame:
        """Whose fault it is."""
        return self.verdict.blame

    @property
    def is_about_session(self) -> bool:
        """True if no session began, so that the message itself was never named to the server."""
        return self.verdict.result is Result.TEMPORARY and self.phase in SESSION_PHASES


OnSubmit = Callable[[int], None]
"""Called before bytes that could complete a message's DATA may reach the wire; has made its note when it returns."""

OnOutcome = Callable[[Outcome], None]


class Transport(Protocol):
    """A way to hand mail over. Used by one thread at a time."""

    def deliver(self, envelopes: Iterable[Envelope], *, on_submit: OnSubmit, on_outcome: OnOutcome) -> None:
        """Send what ``envelopes`` yields; it is read as the wire takes it, so it may be a long generator.

        ``on_outcome`` is called exactly once for each envelope taken, and ``on_submit`` at most once before it.

        Raises:
            SessionFailedError: when the server gave no session, or answered to nothing that was sent, so that the lane
                should wait. Envelopes taken by then have had a temporary outcome that blames no recipient, or are
                uncertain; the rest of the iterable is untouched.
        """

    def close(self) -> None:
        """End kept connections politely. The transport may be used again afterwards."""
