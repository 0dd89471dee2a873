"""A message on its way through a session, and what a session needs of what runs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from campaign.errors import SessionFailedError
from campaign.smtp.replies import Reply
from campaign.smtp.transport import Envelope, Outcome, Phase, Verdict


@dataclass(slots=True)
class Transfer:
    """An envelope on its way, checked for the wire; ``data`` has its dots stuffed and ends with the final dot."""

    envelope: Envelope
    data: bytes
    is_ascii: bool
    until_dot: float
    """When its final dot must have left, on the monotonic clock; later it may not be sent."""
    attempts: int = 0
    refusal: tuple[Phase, Reply] | None = None
    suspicion: "Suspicion | None" = None
    """Why it goes over a new session, if another one refused it although that may have been full."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A session that may have carried all that it may."""

    words: str
    number: int
    """Messages it had carried."""
    is_named: bool
    """True if the words speak of a limit."""
    tries: int = 1


class SessionOwner(Protocol):
    """What a session needs of what runs it."""

    def take(self, *, fresh: bool) -> Transfer | None:
        """The next message, or None if there is none now; ``fresh`` if the session has carried none yet."""

    def submitting(self, message_id: int) -> None:
        """Called before the final dot of a message may reach the wire."""

    def offered(self, capabilities: Mapping[str, str]) -> None:
        """Called when a session began, with the server's extensions."""

    def settled(self, outcome: Outcome) -> None:
        """Called once for each message taken, unless it was given back."""

    def give_back(self, transfer: Transfer) -> None:
        """Called for a message that certainly was not submitted, when the session ended under it."""

    def is_session_full(self, transfer: Transfer, verdict: Verdict, reply: Reply, number: int) -> bool:
        """Called when the reply to a message may be about the session, which carried ``number``; True: taken back.

        The session then ends, and the message goes over a new one.
        """

    def slowed(self, transfer: Transfer, outcome: Outcome) -> bool:
        """Called when the server asks for less; True if the message is taken back, to be sent when it may."""

    def stir(self) -> None:
        """Called when a session is idle, or has ended: there may be something to do."""

    def failed(self, failure: SessionFailedError) -> None:
        """Called when the session could not begin, ended without any use, or fell silent."""
