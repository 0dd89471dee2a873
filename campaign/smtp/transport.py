"""What sending means, apart from how: envelopes go in, outcomes come out, and each outcome says who is to blame.

Only delivery decides about retries; a transport only tells what happened.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from campaign.errors import SessionFailedError


class Result(StrEnum):
    """What became of one message."""

    ACCEPTED = "accepted"
    """The server took responsibility: 250 after the final dot."""
    TEMPORARY = "temporary"
    """Certainly not accepted; may be tried again."""
    PERMANENT = "permanent"
    """Refused; trying again will not help."""
    UNCERTAIN = "uncertain"
    """The final dot may have arrived and no answer came: nobody can know, so never send it again blindly."""


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


class Blame(StrEnum):
    """Whose fault an outcome is, by the enhanced status code (RFC 3463) or, without one, by the phase."""

    NOBODY = "nobody"
    RECIPIENT = "recipient"
    US = "us"
    SERVER = "server"


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
    result: Result
    phase: Phase
    code: int | None
    enhanced: str | None
    text: str
    blame: Blame


OnSubmit = Callable[[int], None]
"""Called before bytes that could complete a message's DATA may reach the wire; has made its note when it returns."""

OnOutcome = Callable[[Outcome], None]


class Transport(Protocol):
    """A way to hand mail over. Used by one thread at a time."""

    def deliver(self, envelopes: Iterable[Envelope], *, on_submit: OnSubmit, on_outcome: OnOutcome) -> None:
        """Send what ``envelopes`` yields; it is read as the wire takes it, so it may be a long generator.

        ``on_outcome`` is called exactly once for each envelope taken, and ``on_submit`` at most once before it.

        Raises:
            SessionFailedError: when the server gave no session, so that the lane should wait. Envelopes taken by then
                have had a temporary outcome that blames no recipient; the rest of the iterable is untouched.
        """

    def close(self) -> None:
        """End kept connections politely. The transport may be used again afterwards."""


def accepted(envelope: Envelope) -> Outcome:
    """The usual outcome."""
    return Outcome(
        id=envelope.id,
        result=Result.ACCEPTED,
        phase=Phase.DOT,
        code=250,
        enhanced="2.0.0",
        text="2.0.0 Ok",
        blame=Blame.NOBODY,
    )


@dataclass
class MemoryTransport:
    """Keeps what it accepted in ``sent``.

    ``script`` decides each outcome (accepted, if not given); ``failures`` are raised one per call of :meth:`deliver`
    before anything is taken, until none is left.
    """

    script: Callable[[Envelope], Outcome] = accepted
    failures: list[SessionFailedError] = field(default_factory=list)
    sent: list[Envelope] = field(default_factory=list)
    closed: int = 0

    def deliver(self, envelopes: Iterable[Envelope], *, on_submit: OnSubmit, on_outcome: OnOutcome) -> None:
        """See :class:`~campaign.smtp.transport.Transport`."""
        if self.failures:
            raise self.failures.pop(0)
        for envelope in envelopes:
            outcome = self.script(envelope)
            if outcome.phase is Phase.DOT:
                on_submit(envelope.id)
            if outcome.result is Result.ACCEPTED:
                self.sent.append(envelope)
            on_outcome(outcome)

    def close(self) -> None:
        """Count it."""
        self.closed += 1
