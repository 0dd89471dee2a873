"""The receiving end: the scripted fault server, with a diary of all that it saw. It counts before it answers."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from campaign.local.drill.evidence import AcceptedMail, ReceivedRcpt, Refusal, UnansweredMessage
from campaign.local.mailserver.faults import FaultRules
from campaign.local.mailserver.protocol import Answer, ConnectionFault, DelayedReply, Rules, SmtpProtocol, Transaction
from campaign.local.mailserver.returns import Return
from campaign.local.mailserver.running import ServerThread
from campaign.local.mailserver.script import Fault, Script

LONG: Final = 120.0
"""Seconds from which a drill is long enough for a server that hangs for a minute after the final dot."""

_GREY: Final = "450 4.2.0 Greylisted, try again later"
_GONE: Final = "550 5.1.1 No such mailbox"
_BUSY: Final = "421 4.7.0 Too much mail for now"

FAULTS: Final = (
    Fault("banner", "slow 0.2 220 countersign.test ESMTP", odds=0.2),
    Fault("rcpt", _GREY, domain="example.net", odds=0.2),
    Fault("rcpt", _GREY, domain="aviary.test", odds=0.05),
    Fault("rcpt", _BUSY, domain="post.test", odds=0.02),
    Fault("rcpt", _GONE, domain="mail.test", odds=0.04),
    Fault("rcpt", "452 4.2.2 Mailbox full", domain="example.com", odds=0.02),
    Fault("mail", "451 4.3.0 Busy", odds=0.002),
    Fault("rcpt", "drop", odds=0.004),
    Fault("data", "drop", odds=0.003),
    Fault("dot", "451 4.3.0 Try again later", odds=0.004),
    Fault("dot", "550 5.1.1 No such mailbox, after all", domain="inbox.test", odds=0.01),
    Fault("dot", "drop", odds=0.001),
    Fault("accepted", "drop", odds=0.001),
    Fault("accepted", "slow 2.5 250 2.0.0 Ok: taken, at last", odds=0.004),
    Fault("accepted", "slow 0.4 250 2.0.0 Ok: taken", odds=0.05),
    Fault("accepted", "slow 0.05 250 2.0.0 Ok: taken", odds=0.6),
)
"""A bad day of the mail: what goes wrong, and at which of the domains of fake_people.py and people.py."""

LIMITS: Final = (
    Fault("mail", "452 4.4.5 Too many messages in this session", session=60),
    Fault("banner", "421 4.7.0 Too many connections from your address", connections=12),
)
"""What a relay limits."""

RETURNS: Final = (
    Return("550 5.1.1 No such mailbox, as we see now", odds=0.01, domain="aviary.test", delay=1.5),
    Return("552 5.2.2 Over quota", odds=0.02, domain="example.org", delay=0.5),
    Return("451 4.4.1 No answer from the next host", "delayed", odds=0.02, delay=0.2),
    Return("250 2.0.0 Delivered", "delivered", odds=0.1, delay=0.1),
)
"""What comes back of what was accepted."""

HANGING: Final = (Fault("dot", "hang", odds=0.0005, times=1), Fault("accepted", "hang", odds=0.0005, times=1))


def script(*, seed: int, seconds: float, return_to: Path) -> Script:
    """What goes wrong in a drill of so many seconds, and what comes back to a Maildir."""
    faults = (*LIMITS, *FAULTS, *(HANGING if seconds >= LONG else ()))
    return Script(faults=faults, seed=seed, returns=RETURNS, return_to=f"maildir:{return_to}")


class RecordingRules(FaultRules):
    """Fault rules that note what was offered, taken, refused, and left without an answer; safe to read any time.

    Moments are of the monotonic clock.
    """

    def __init__(self, script: Script, *, deliver: Callable[[str, bytes], None]) -> None:
        """Wire a diary.

        Args:
            script: what goes wrong.
            deliver: gets the recipient and the data of each message taken, in the server's thread.
        """
        super().__init__(script)
        self._deliver = deliver
        self._writing = threading.Lock()
        self._offers: list[ReceivedRcpt] = []
        self._taken: list[AcceptedMail] = []
        self._refusals: list[Refusal] = []
        self._silences: list[UnansweredMessage] = []

    def answer(self, phase: str, transaction: Transaction, argument: str) -> Answer | None:
        """Note an offer, and a refusal for good."""
        given = super().answer(phase, transaction, argument)
        if phase == "rcpt":
            with self._writing:
                self._offers.append(ReceivedRcpt(time.monotonic(), transaction.mail_from, argument))
            self._note_refusal(given, transaction.mail_from, argument)
        return given

    def message(self, transaction: Transaction, data: bytes) -> Answer:
        """Note what was taken, and what was not answered."""
        before = len(self.received)
        given = super().message(transaction, data)
        taken = len(self.received) > before
        self.received.clear()  # a drill is too long to keep them
        now, [recipient] = time.monotonic(), transaction.recipients
        with self._writing:
            if taken:
                self._taken.append(AcceptedMail(now, transaction.mail_from, recipient))
            if isinstance(given, ConnectionFault):
                self._silences.append(UnansweredMessage(transaction.mail_from, recipient, str(given), taken=taken))
        if taken:
            self._deliver(recipient, data)
        else:
            self._note_refusal(given, transaction.mail_from, recipient)
        return given

    def _note_refusal(self, given: Answer | None, mail_from: str, recipient: str) -> None:
        reply = given.reply if isinstance(given, DelayedReply) else given
        if isinstance(reply, bytes) and reply.startswith(b"5"):
            with self._writing:
                self._refusals.append(Refusal(mail_from, recipient, int(reply[:3])))

    def offers(self) -> list[ReceivedRcpt]:
        """Every RCPT, whatever the answer, in order."""
        with self._writing:
            return list(self._offers)

    def taken(self) -> list[AcceptedMail]:
        """Every acceptance, in order."""
        with self._writing:
            return list(self._taken)

    def refusals(self) -> list[Refusal]:
        """Every refusal for good."""
        with self._writing:
            return list(self._refusals)

    def silences(self) -> list[UnansweredMessage]:
        """Every message that the script left without an answer after the final dot."""
        with self._writing:
            return list(self._silences)


class _Noted(SmtpProtocol):
    """A dialogue whose client is noted while the connection is open, whatever is or is not said on it."""

    def __init__(self, rules: Rules, open_ports: set[int]) -> None:
        super().__init__(rules)
        self._open_ports = open_ports
        self._port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the client, and greet it."""
        self._port = transport.get_extra_info("peername")[1]
        self._open_ports.add(self._port)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Strike the client out."""
        self._open_ports.discard(self._port)
        super().connection_lost(error)


class Receiver(ServerThread):
    """The server in a thread of the drill."""

    def __init__(self, diary: RecordingRules) -> None:
        super().__init__(diary)
        self.diary = diary
        self._open_ports: set[int] = set()

    def open_from(self, ports: Iterable[int]) -> int:
        """How many connections from these TCP ports of clients are open now."""
        return sum(port in self._open_ports for port in set(ports))

    def _begin_dialogue(self) -> SmtpProtocol:
        smtp_protocol = _Noted(self.rules, self._open_ports)
        self.dialogues.append(smtp_protocol)
        return smtp_protocol
