"""A scripted SMTP server: faults per phase, recipient and domain, by odds, times and rate; it counts what it accepted.

In a test it is a context manager (:class:`FaultServer`); as a process, ``countersign faults``, or without its report
``python -m campaign.local.mailserver.faults script.json --port 2525 --accepted accepted.log``. The log gets
a line ``message-id recipient`` for each message that was taken, before the answer. docs/faults.md has the table of
what a fault can be.
"""

import argparse
import re
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, TextIO

from campaign.local.mailserver import running
from campaign.local.mailserver.certificates import Authority
from campaign.local.mailserver.protocol import Answer, Rules, SessionLog, Transaction
from campaign.local.mailserver.provider_profiles import realistic
from campaign.local.mailserver.returns import Returner
from campaign.local.mailserver.script import Fault, Script

__all__ = ["Fault", "FaultRules", "FaultServer", "Script", "realistic"]

_MESSAGE_ID = re.compile(rb"(?im)^Message-ID:[ \t]*(<[^>\r\n]*>)")
_SECOND: Final = 1.0


class FaultRules(Rules):
    """Answers by the script. ``accepted`` counts what it took, by Message-ID and recipient; safe to read any time.

    ``keep`` holds the bytes of what was taken too, for tests that look at them.
    """

    def __init__(
        self, script: Script, *, authority: Authority | None = None, log: TextIO | None = None, keep: bool = True
    ) -> None:
        self.extensions = script.extensions
        self.credentials = script.credentials
        self.auth_lines = script.auth_lines
        self.silent = script.silent
        self.open_now = 0
        """Connections that are open."""
        self.most_open = 0
        self.accepted: Counter[tuple[str, str]] = Counter()
        self.received: list[tuple[str, str, bytes]] = []
        """Sender, recipient and data of each accepted message."""
        self.chances: Counter[str] = Counter()
        """How often each phase was reached."""
        self._faults = [_Running(fault) for fault in script.faults]
        self._arrivals: dict[str, deque[float]] = defaultdict(deque)
        self._times: deque[float] = deque()
        self._longest = max((fault.period for fault in script.faults if fault.overall is not None), default=0.0)
        self._keep = keep
        self._random = Random(script.seed)  # noqa: S311 - a test's dice
        self._log = log
        self.returner = Returner(script.returns, script.return_to, seed=script.seed)
        """What sends reports and complaints about accepted messages."""
        self._lock = threading.Lock()
        if script.certificate is not None and authority is not None:
            self.tls = authority.server_context(script.certificate)

    def opened(self, session: SessionLog) -> None:  # noqa: ARG002 - all connections are counted
        """Count a connection."""
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)

    def closed(self, session: SessionLog) -> None:  # noqa: ARG002 - all connections are counted
        """Count a connection that ended."""
        self.open_now -= 1

    def answer(self, phase: str, transaction: Transaction, argument: str) -> Answer | None:
        """The first fault that applies, if any."""
        recipients = [argument] if phase == "rcpt" else transaction.recipients
        self.chances[phase] += 1
        if phase == "rcpt":
            self._note_arrival(argument)
        return self._fault(phase, recipients, transaction)

    def message(self, transaction: Transaction, data: bytes) -> Answer:
        """Count, then answer; or fail before counting."""
        self.chances["dot"] += 1
        if (fault := self._fault("dot", transaction.recipients, transaction)) is not None:
            return fault
        found = _MESSAGE_ID.search(data)
        message_id = found[1].decode("ascii", "replace") if found else ""
        with self._lock:
            for recipient in transaction.recipients:
                self.accepted[message_id, recipient] += 1
                if self._keep:
                    self.received.append((transaction.mail_from, recipient, data))
                if self._log is not None:
                    self._log.write(f"{message_id} {recipient}\n")
        if self._log is not None:
            self._log.flush()
        for recipient in transaction.recipients:
            self.returner.consider(transaction.mail_from, recipient)
        transaction.session.messages += 1
        if self._longest:
            self._times.append(time.monotonic())
        return self._fault("accepted", transaction.recipients, transaction) or b"250 2.0.0 Ok: taken\r\n"

    def add(self, fault: Fault) -> None:
        """Let something more go wrong from now on."""
        self._faults.append(_Running(fault))
        if fault.overall is not None:
            self._longest = max(self._longest, fault.period)

    def heal(self) -> None:
        """Stop all faults; counts are kept."""
        for running_fault in self._faults:
            running_fault.healed = True

    def happened(self) -> list[tuple[Fault, int]]:
        """Each fault, and how often it happened."""
        return [(each.fault, each.done) for each in self._faults]

    def repeated(self) -> dict[tuple[str, str], int]:
        """What was accepted more than once."""
        with self._lock:
            return {key: number for key, number in self.accepted.items() if number > 1}

    def _note_arrival(self, recipient: str) -> None:
        now, arrivals = time.monotonic(), self._arrivals[_domain(recipient)]
        arrivals.append(now)
        while arrivals[0] <= now - _SECOND:
            arrivals.popleft()

    def _fault(self, phase: str, recipients: Sequence[str], transaction: Transaction) -> Answer | None:
        for each in self._faults:
            if (
                each.fault.phase == phase
                and self._is_over(each.fault, transaction.session)
                and each.applies(recipients, self._busiest(recipients), self._random)
            ):
                return each.fault.answer()
        return None

    def _is_over(self, fault: Fault, session: SessionLog) -> bool:
        """True if the limits of a relay that the fault names are passed, or it names none."""
        return (
            (fault.session is None or session.messages >= fault.session)
            and (fault.connections is None or self.open_now > fault.connections)
            and (fault.overall is None or self._taken_within(fault.period) >= fault.overall)
        )

    def _taken_within(self, seconds: float) -> int:
        now = time.monotonic()
        while self._times and self._times[0] <= now - self._longest:
            self._times.popleft()
        if seconds >= self._longest:
            return len(self._times)
        return sum(1 for moment in self._times if moment > now - seconds)

    def _busiest(self, recipients: Sequence[str]) -> int:
        """Recipients that came within the last second for the busiest of these domains."""
        return max((len(self._arrivals[_domain(recipient)]) for recipient in recipients), default=0)


@dataclass
class _Running:
    """A fault with what it has done."""

    fault: Fault
    seen: int = 0
    done: int = 0
    healed: bool = False
    by_recipient: Counter[str] = field(default_factory=Counter)

    def applies(self, recipients: Sequence[str], arrivals: int, dice: Random) -> bool:
        """True if it happens now; counts the chance, and that it was taken."""
        fault = self.fault
        if self.healed or not _concerns(fault, recipients):
            return False
        self.seen += 1
        spent = fault.times is not None and self.done >= fault.times
        if spent or self.seen <= fault.after or (fault.above is not None and arrivals <= fault.above):
            return False
        key = recipients[0] if recipients else ""
        if fault.each is not None and self.by_recipient[key] >= fault.each:
            return False
        if dice.random() >= fault.odds:
            return False
        self.done += 1
        if fault.each is not None:
            self.by_recipient[key] += 1
        return True


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


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _concerns(fault: Fault, recipients: Sequence[str]) -> bool:
    if fault.recipient is not None and fault.recipient not in recipients:
        return False
    return fault.domain is None or any(_domain(address) == fault.domain for address in recipients)


def serve(
    script: Script,
    *,
    host: str,
    port: int,
    log: Path | None = None,
    ca_folder: Path | None = None,
    on_ready: Callable[[], None] | None = None,
) -> FaultRules:
    """Serve until SIGTERM or SIGINT; returns the rules, which tell what happened.

    Args:
        script: what goes wrong.
        host: the address to listen on.
        port: the port.
        log: a line for each message that was taken, appended before the answer.
        ca_folder: where certificates go if the script offers TLS; ``ca.pem`` in it is what clients trust.
        on_ready: called when the port is open.

    Raises:
        EngineError: when the port is taken.
        OSError: when a file can't be written.
    """
    authority = Authority.create(ca_folder) if ca_folder is not None else None
    with ExitStack() as opened:
        lines = None if log is None else opened.enter_context(log.open("a", encoding="utf-8"))
        rules = FaultRules(script, authority=authority, log=lines, keep=False)
        tls = rules.tls if script.implicit_tls else None
        running.run(rules, host=host, port=port, tls=tls, on_ready=on_ready)
        rules.returner.close()
    return rules


def main(arguments: Sequence[str] | None = None) -> int:
    """The process: see the module."""
    parser = argparse.ArgumentParser(
        prog="python -m campaign.local.mailserver.faults", description="A mail server with faults."
    )
    parser.add_argument("script", type=Path, help="JSON: faults, seed, extensions, credentials")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--accepted", type=Path, required=True, help="log of what was accepted; appended to")
    options = parser.parse_args(arguments)
    script = Script.from_json(options.script.read_text(encoding="utf-8"))
    serve(script, host=options.host, port=options.port, log=options.accepted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
