"""A scripted SMTP server: faults per phase, recipient and domain, by odds and times; it counts what it accepted.

In a test it is a context manager (:class:`FaultServer`); as a process, ``python -m campaign.smtpd.faults script.json
--port 2525 --accepted accepted.log`` writes a line ``message-id recipient`` for each message that it took, before it
answers.
"""

import argparse
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, Self, TextIO

from campaign.errors import SettingsError
from campaign.smtpd import running
from campaign.smtpd.certificates import Authority, Certificate
from campaign.smtpd.dialogue import EXTENSIONS, Answer, Break, Late, Rules, Transaction

PHASES: Final = ("banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot", "accepted")
"""``dot`` happens instead of accepting; ``accepted`` after it was counted, in place of the 250."""

GARBAGE: Final = "garbage"
_REPLY = re.compile(r"(?:slow (\d+(?:\.\d+)?) )?([2-5]\d\d[ -].*)", re.DOTALL)
_MESSAGE_ID = re.compile(rb"(?im)^Message-ID:[ \t]*(<[^>\r\n]*>)")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    ``does`` is a reply such as ``450 4.2.0 Later``, at once or, as in ``slow 2.5 250 2.0.0 Ok``, after some seconds; or
    ``drop``, ``hang``, ``stall``, ``garbage``. ``recipient`` and ``domain`` limit it (phases from rcpt
    on); ``odds`` is the chance that it happens when it could; ``times`` how often at most, ``after`` how many chances
    pass first.
    """

    phase: str
    does: str
    recipient: str | None = None
    domain: str | None = None
    odds: float = 1.0
    times: int | None = None
    after: int = 0

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise SettingsError([f"a fault has no phase {self.phase}; it is one of {', '.join(PHASES)}"])
        if self.does not in {*Break, GARBAGE} and not _REPLY.fullmatch(self.does):
            raise SettingsError([f"a fault can't do {self.does!r}"])


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

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a script; keys are the names of the fields.

        Raises:
            SettingsError: for names or values that no script has.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            faults = tuple(Fault(**fault) for fault in found.pop("faults", ()))
            certificate = Certificate(found.pop("certificate")) if "certificate" in found else None
            pairs: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in found.items()
            }
            return cls(faults=faults, certificate=certificate, **pairs)
        except (TypeError, ValueError) as error:
            raise SettingsError([f"the fault script can't be read: {error}"]) from error


class FaultRules(Rules):
    """Answers by the script. ``accepted`` counts what it took, by Message-ID and recipient; safe to read any time."""

    def __init__(self, script: Script, *, authority: Authority | None = None, log: TextIO | None = None) -> None:
        self.extensions = script.extensions
        self.credentials = script.credentials
        self.accepted: Counter[tuple[str, str]] = Counter()
        self.received: list[tuple[str, str, bytes]] = []
        """Sender, recipient and data of each accepted message."""
        self.chances: Counter[str] = Counter()
        """How often each phase was reached."""
        self._faults = list(script.faults)
        self._seen = [0] * len(self._faults)
        self._done = [0] * len(self._faults)
        self._random = Random(script.seed)  # noqa: S311 - a test's dice
        self._log = log
        self._lock = threading.Lock()
        if script.certificate is not None and authority is not None:
            self.tls = authority.server_context(script.certificate)

    def answer(self, phase: str, transaction: Transaction, argument: str) -> Answer | None:
        """The first fault that applies, if any."""
        recipients = [argument] if phase == "rcpt" else transaction.recipients
        self.chances[phase] += 1
        return self._fault(phase, recipients)

    def message(self, transaction: Transaction, data: bytes) -> Answer:
        """Count, then answer; or fail before counting."""
        self.chances["dot"] += 1
        if (fault := self._fault("dot", transaction.recipients)) is not None:
            return fault
        found = _MESSAGE_ID.search(data)
        message_id = found[1].decode("ascii", "replace") if found else ""
        with self._lock:
            for recipient in transaction.recipients:
                self.accepted[message_id, recipient] += 1
                self.received.append((transaction.mail_from, recipient, data))
                if self._log is not None:
                    self._log.write(f"{message_id} {recipient}\n")
        if self._log is not None:
            self._log.flush()
        return self._fault("accepted", transaction.recipients) or b"250 2.0.0 Ok: taken\r\n"

    def add(self, fault: Fault) -> None:
        """Let something more go wrong from now on."""
        self._seen.append(0)
        self._done.append(0)
        self._faults.append(fault)

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self._faults.clear()

    def repeated(self) -> dict[tuple[str, str], int]:
        """What was accepted more than once."""
        return {key: number for key, number in self.accepted.items() if number > 1}

    def _fault(self, phase: str, recipients: Sequence[str]) -> Answer | None:
        for index, fault in enumerate(self._faults):
            if fault.phase != phase or not _concerns(fault, recipients):
                continue
            self._seen[index] += 1
            spent = fault.times is not None and self._done[index] >= fault.times
            if spent or self._seen[index] <= fault.after or self._random.random() >= fault.odds:
                continue
            self._done[index] += 1
            return _answer(fault.does)
        return None


class FaultServer(running.ServerThread):
    """The server in a thread; ``server.rules`` tells what happened.

    ``folder`` is where certificates go, if the script wants any.
    """

    rules: FaultRules

    def __init__(self, script: Script | None = None, *, folder: Path | None = None) -> None:
        script = script or Script()
        self.authority = Authority.create(folder) if folder is not None else None
        rules = FaultRules(script, authority=self.authority)
        super().__init__(rules, tls=rules.tls if script.implicit_tls else None)


PROVIDERS: Final = {
    "gmail.test": (
        Fault("rcpt", "550 5.1.1 The account does not exist", domain="gmail.test", odds=0.004),
        Fault("rcpt", "452 4.2.2 The inbox is out of storage space", domain="gmail.test", odds=0.003),
        Fault("dot", "421 4.7.28 Unusual rate of mail", domain="gmail.test", odds=0.002),
    ),
    "outlook.test": (
        Fault("rcpt", "550 5.5.0 Requested action not taken: mailbox unavailable", domain="outlook.test", odds=0.006),
        Fault("mail", "451 4.7.500 Server busy", odds=0.001),
        Fault("dot", "drop", domain="outlook.test", odds=0.0005),
    ),
    "yahoo.test": (
        Fault("rcpt", "554 5.7.9 Not accepted for policy reasons", domain="yahoo.test", odds=0.0005),
        Fault("rcpt", "421 4.7.0 Temporarily deferred due to unexpected volume", domain="yahoo.test", odds=0.01),
    ),
    "small.test": (
        Fault("rcpt", "450 4.2.0 Greylisted, try again in five minutes", domain="small.test", odds=0.3),
        Fault("accepted", "drop", domain="small.test", odds=0.001),
        Fault("data", "hang", domain="small.test", odds=0.0005),
    ),
}
"""What large and small receivers do to a healthy sender, by domain: for rehearsals and drills."""


def realistic(*, seed: int) -> Script:
    """A script with all :data:`PROVIDERS`."""
    return Script(faults=tuple(fault for faults in PROVIDERS.values() for fault in faults), seed=seed)


def _concerns(fault: Fault, recipients: Sequence[str]) -> bool:
    if fault.recipient is not None and fault.recipient not in recipients:
        return False
    return fault.domain is None or any(address.endswith(f"@{fault.domain}") for address in recipients)


def _answer(does: str) -> Answer:
    if does == GARBAGE:
        return b"\x00\x01HTTP/1.1 400 Bad Request\r\n\r\n<html>\r\n"
    if does in set(Break):
        return Break(does)
    found = _REPLY.fullmatch(does)
    reply = (found[2] if found else does).encode().rstrip(b"\r\n") + b"\r\n"
    return Late(float(found[1]), reply) if found and found[1] else reply


def main(arguments: Sequence[str] | None = None) -> int:
    """The process: see the module."""
    parser = argparse.ArgumentParser(prog="python -m campaign.smtpd.faults", description="A mail server with faults.")
    parser.add_argument("script", type=Path, help="JSON: faults, seed, extensions, credentials")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--accepted", type=Path, required=True, help="log of what was accepted; appended to")
    options = parser.parse_args(arguments)
    with options.accepted.open("a", encoding="utf-8") as log:
        rules = FaultRules(Script.from_json(options.script.read_text(encoding="utf-8")), log=log)
        running.run(rules, host=options.host, port=options.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
