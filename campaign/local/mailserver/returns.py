"""What comes back of accepted mail, some time later: delivery reports and complaints, to a Maildir or by LMTP."""

import heapq
import itertools
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import unquote, urlsplit

from campaign.errors import SettingsError

ACTIONS: Final = ("failed", "delayed", "delivered", "complaint")
"""The Action of RFC 3464 section 2.3.3, or a complaint (RFC 5965)."""

HOST: Final = "mx.receiver.test"

_HEAD: Final = """\
Return-Path: <>
Message-ID: <{number}.{moment}@{host}>
From: Mail Delivery System <MAILER-DAEMON@{host}>
To: <{address}>
Date: {date}
Subject: {subject}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary="{number}.cut"

--{number}.cut
Content-Type: text/plain; charset=utf-8

This is what a mail server says some time after it has accepted a message.

--{number}.cut
"""

_STATUS: Final = """\
Content-Type: message/delivery-status

Reporting-MTA: dns; {host}

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {says}

--{number}.cut--
"""

_COMPLAINT: Final = """\
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: countersign-faults/1
Version: 1
Original-Mail-From: <{address}>

--{number}.cut--
"""


@dataclass(frozen=True)
class Return:
    """One kind of thing that comes back.

    ``says`` is the reply that a report quotes; ``action`` one of :data:`ACTIONS`; ``odds`` the chance for each accepted
    message, which ``recipient`` and ``domain`` limit; ``delay`` seconds until it is sent.
    """

    says: str = "550 5.1.1 No such mailbox"
    action: str = "failed"
    odds: float = 1.0
    recipient: str | None = None
    domain: str | None = None
    delay: float = 0.0

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise SettingsError([f"what comes back has no action {self.action}; it is one of {', '.join(ACTIONS)}"])

    def concerns(self, recipient: str) -> bool:
        """True if it may come back from this recipient."""
        domain = recipient.rpartition("@")[2].lower()
        return self.recipient in {None, recipient} and self.domain in {None, domain}

    @property
    def status(self) -> str:
        """The enhanced status code of the reply, or the general one of its class."""
        words = self.says.split()
        if len(words) > 1 and words[1].count(".") == 2:
            return words[1]
        return {"delayed": "4.0.0", "delivered": "2.0.0"}.get(self.action, "5.0.0")


@dataclass(order=True)
class _Due:
    at: float
    number: int
    what: Return = field(compare=False)
    address: str = field(compare=False, repr=False)
    recipient: str = field(compare=False, repr=False)


class Returner:
    """A thread that sends what comes back; ``sent`` counts by action, ``failed`` are the addresses that bounced."""

    def __init__(self, returns: Sequence[Return], to: str, *, seed: int) -> None:
        """Prepare; the thread starts with the first report.

        Args:
            returns: what may come back; the first one that happens for a message is the only one.
            to: ``maildir:/path`` or ``lmtp://host:port``.
            seed: the dice.

        Raises:
            SettingsError: ``to`` names no mailbox.
        """
        parts = urlsplit(to)
        if returns and not (
            (parts.scheme == "maildir" and parts.path.startswith("/")) or (parts.scheme == "lmtp" and parts.hostname)
        ):
            raise SettingsError(["what comes back needs a place: maildir:/path or lmtp://127.0.0.1:2424"])
        self.sent: Counter[str] = Counter()
        self.failed: set[str] = set()
        self.lost = 0
        """Reports that the mailbox did not take."""
        self._returns = tuple(returns)
        self._parts = parts
        self._dice = Random(f"returns {seed}")  # noqa: S311 - a test's dice
        self._due: list[_Due] = []
        self._numbers = itertools.count(1)
        self._condition = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def consider(self, address: str, recipient: str) -> None:
        """Let something come back of a message that was accepted, or not.

        Args:
            address: its envelope's sender, to which reports go.
            recipient: who it was for.
        """
        for each in self._returns:
            if each.concerns(recipient) and self._dice.random() < each.odds:
                self._add(each, address, recipient)
                return

    def _add(self, what: Return, address: str, recipient: str) -> None:
        with self._condition:
            if self._is_closed:
                return
            due = _Due(time.monotonic() + what.delay, next(self._numbers), what, address, recipient)
            heapq.heappush(self._due, due)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="returns", daemon=True)
                self._thread.start()
            self._condition.notify()

    def close(self) -> None:
        """Send what is left, at once, and end."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._is_closed and (not self._due or self._due[0].at > time.monotonic()):
                    wait = self._due[0].at - time.monotonic() if self._due else None
                    self._condition.wait(wait)
                if not self._due:
                    return
                due = heapq.heappop(self._due)
            self._send(due)

    def _send(self, due: _Due) -> None:
        try:
            self._deliver(due.address, report(due.what, due.address, due.recipient, number=due.number), due.number)
        except (OSError, smtplib.SMTPException):
            self.lost += 1
            return
        self.sent[due.what.action] += 1
        if due.what.action == "failed":
            self.failed.add(due.address)

    def _deliver(self, address: str, data: bytes, number: int) -> None:
        if self._parts.scheme == "lmtp":
            with smtplib.LMTP(self._parts.hostname or "", self._parts.port or 24) as server:
                server.sendmail("", [address], data)
            return
        folder = Path(unquote(self._parts.path))
        make_maildir(folder)
        name = f"{time.time_ns()}.{number}.faults"
        written = folder / "tmp" / name
        written.write_bytes(data)
        with suppress(FileNotFoundError):
            written.rename(folder / "new" / name)


def make_maildir(folder: Path) -> None:
    """Make the folders of a Maildir that are missing."""
    for name in ("tmp", "new", "cur"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def report(what: Return, address: str, recipient: str, *, number: int) -> bytes:
    """The bytes of a report about a message.

    Args:
        what: comes back.
        address: the return address of the message.
        recipient: whom the message was for.
        number: of the report, for names.
    """
    kind = "feedback-report" if what.action == "complaint" else "delivery-status"
    body = _COMPLAINT if what.action == "complaint" else _STATUS
    values = {
        "number": number,
        "moment": time.time_ns(),
        "host": HOST,
        "address": address,
        "date": time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()),
        "subject": "Complaint" if what.action == "complaint" else "Delivery report",
        "kind": kind,
        "recipient": recipient,
        "action": what.action,
        "status": what.status,
        "says": what.says,
    }
    return (_HEAD + body).format(**values).replace("\n", "\r\n").encode()
