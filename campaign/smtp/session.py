"""An SMTP session that carries mail: one transaction after another, the next one opened while the last is answered.

With PIPELINING (RFC 2920) MAIL, RCPT and DATA of the next message leave in the same write as the data of the one
before, so that each message costs one round trip. At most one message per session is ever between its final dot and the
answer.
"""

import re
import selectors
import ssl
import time

from campaign.errors import SessionFailedError
from campaign.smtp.connection import Connection, Loss
from campaign.smtp.handshake import Handshake
from campaign.smtp.replies import ACCEPTED, BAD_MESSAGE, BAD_RECIPIENT, Reply, enhanced_code, judge, scrubbed
from campaign.smtp.settings import SmtpSettings
from campaign.smtp.transfers import SessionOwner, Transfer
from campaign.smtp.transport import Outcome, Phase, Verdict
from campaign.states import LimitKind

QUIT = b"QUIT\r\n"

TOO_SLOW = "the mail server took too long"

_USUAL = re.compile(rb"(2[0-9][0-9]) ([^\r\n]*)\r\n2[0-9][0-9] [^\r\n]*\r\n2[0-9][0-9] [^\r\n]*\r\n354 [^\r\n]*\r\n")
"""The answers to a final dot and to a pipelined MAIL, RCPT and DATA when all is well: nearly always."""


class Session:
    """One kept connection. ``is_idle`` while it could take work; ``is_open`` until it ended."""

    def __init__(
        self,
        settings: SmtpSettings,
        selector: selectors.BaseSelector,
        *,
        tls: ssl.SSLContext | None,
        crew: SessionOwner,
    ) -> None:
        self.crew = crew
        self.connection = Connection(settings, selector, tls=tls, on_lost=self._lost)
        self.is_idle = False
        self.idle_since = 0.0
        self._settings = settings
        self._capabilities: dict[str, str] | None = None
        self._pipelines = False
        self._opening: Transfer | None = None
        self._submitted: Transfer | None = None
        self._needs_reset = False
        self._count = 0
        self.most = settings.messages_per_connection
        """Messages after which it ends by itself."""
        self._size_limit = 0
        self._ready_by = 0.0
        self._patience = settings.deadlines[Phase.DOT]
        self._group = ((Phase.MAIL, self._on_mail), (Phase.RCPT, self._on_rcpt), (Phase.DATA, self._on_data))

    @property
    def is_open(self) -> bool:
        """False once the connection ended, by whom ever."""
        return self.connection.is_open

    @property
    def is_opening(self) -> bool:
        """True until mail can be sent."""
        return self.is_open and self._capabilities is None

    @property
    def is_working(self) -> bool:
        """True while a message is under way."""
        return self._opening is not None or self._submitted is not None

    def begin(self, *, ready_by: float) -> None:
        """Connect and introduce ourselves, until a moment of the monotonic clock, then take work."""
        self._ready_by = ready_by
        Handshake(self.connection, on_ready=self._ready, on_failed=self._failed).begin()

    def on_time(self, now: float) -> None:
        """Give up if an answer is late. Behind a final dot its own deadline alone counts: giving up is uncertainty."""
        if self._submitted is None and (self._is_late(now) or (self.is_opening and now >= self._ready_by)):
            self.connection.give_up(self.connection.phase, TOO_SLOW)
        else:
            self.connection.on_time(now)

    def start(self) -> None:
        """Take a message if there is one."""
        transfer = self._take()
        if transfer is None:
            self.is_idle, self.idle_since = True, time.monotonic()
            self.connection.rest()
            self.crew.stir()
            return
        self.is_idle = False
        self._open_transaction(transfer, before=b"", mark=0)

    def quit(self, *, patience: float = 0.0) -> None:
        """Say goodbye and close."""
        self.is_idle = False
        self.connection.close(farewell=QUIT, patience=patience)
        self.crew.stir()

    def _failed(self, failure: SessionFailedError) -> None:
        self.crew.failed(failure)

    def _ready(self, capabilities: dict[str, str]) -> None:
        self._capabilities = capabilities
        self.crew.offered(capabilities)
        self._pipelines = self._settings.pipelining and "PIPELINING" in capabilities
        limit = capabilities.get("SIZE", "")
        self._size_limit = int(limit) if limit.isascii() and limit.isdigit() else 0
        self.start()

    def _take(self) -> Transfer | None:
        while (transfer := self.crew.take(fresh=self._count == 0)) is not None:
            problem = self._unable(transfer)
            if problem is None:
                return transfer
            verdict, enhanced, text = problem
            self.crew.settled(Outcome(transfer.envelope.id, verdict, Phase.MAIL, enhanced=enhanced, text=text))
        return None

    def _unable(self, transfer: Transfer) -> tuple[Verdict, str, str] | None:
        """Why this server can't take the message at all, if so."""
        if 0 < self._size_limit < len(transfer.data):
            return BAD_MESSAGE, "5.3.4", f"the mail server takes at most {self._size_limit} bytes"
        if transfer.is_ascii and not transfer.envelope.utf8:
            return None
        offered = self._capabilities or {}
        if transfer.envelope.utf8 and "SMTPUTF8" not in offered:
            return BAD_RECIPIENT, "5.6.7", "the mail server can't take addresses beyond ASCII"
        if "8BITMIME" not in offered:
            return BAD_MESSAGE, "5.6.3", "the mail server takes 7-bit messages only"
        return None

    def _open_transaction(self, transfer: Transfer, *, before: bytes, mark: int) -> None:
        """Say MAIL, and if pipelining RCPT and DATA with it, in one write behind ``before``."""
        self._opening = transfer
        transfer.refusal = None
        connection = self.connection
        if self._needs_reset:
            self._needs_reset = False
            before += b"RSET\r\n"
            connection.expect(Phase.MAIL, _ignore)
        envelope = transfer.envelope
        parameters = ""
        if not transfer.is_ascii or envelope.utf8:
            parameters = " BODY=8BITMIME SMTPUTF8" if envelope.utf8 else " BODY=8BITMIME"
        if self._pipelines:
            connection.expect_all(self._group)
            connection.shortcut = self._on_usual if mark else None
            commands = f"MAIL FROM:<{envelope.mail_from}>{parameters}\r\nRCPT TO:<{envelope.rcpt_to}>\r\nDATA\r\n"
        else:
            connection.expect(Phase.MAIL, self._on_mail)
            commands = f"MAIL FROM:<{envelope.mail_from}>{parameters}\r\n"
        connection.write(before + commands.encode(), mark=mark)

    def _on_usual(self, data: bytes) -> bool:
        """The whole turn in one step: the last message is accepted, the next submitted, the one after it opened.

        Nearly every message goes this way, so it is written for speed: the four replies that were expected are
        expected again, and nothing is taken apart that need not be.
        """
        connection, submitted, opening = self.connection, self._submitted, self._opening
        found = _USUAL.fullmatch(data)
        now = time.monotonic()
        if found is None or connection.unsent_until_mark or len(connection.expected) != 4 or self._is_late(now):
            connection.shortcut = None
            return False
        if submitted is None or opening is None:
            raise AssertionError("the shortcut was taken in another state")
        self._count += 1
        code, text = int(found[1]), found[2].decode("utf-8", "replace")
        self.crew.settled(
            Outcome(submitted.envelope.id, ACCEPTED, Phase.DOT, code, enhanced_code(code, text), scrubbed(text))
        )
        upcoming = self._take() if self._count + 1 < self.most else None
        if upcoming is None or upcoming.envelope.utf8 or not upcoming.is_ascii:
            connection.expected.clear()
            self._submit(opening, upcoming)
            return True
        self._submitted, self._opening = opening, upcoming
        self.crew.submitting(opening.envelope.id)
        connection.deadline = now + self._patience
        envelope = upcoming.envelope
        commands = f"MAIL FROM:<{envelope.mail_from}>\r\nRCPT TO:<{envelope.rcpt_to}>\r\nDATA\r\n"
        connection.write(opening.data + commands.encode("ascii"), mark=len(opening.data))
        return True

    def _on_mail(self, reply: Reply) -> None:
        transfer = self._current()
        if reply.code // 100 != 2:
            verdict = _judged(Phase.MAIL, reply)
            if self._is_full(transfer, verdict, reply):
                return
            if verdict.ends_session:
                self._leave(transfer, Phase.MAIL, reply)
                return
            transfer.refusal = (Phase.MAIL, reply)
            if not self._pipelines:
                self._refused()
        elif not self._pipelines:
            self.connection.expect(Phase.RCPT, self._on_rcpt)
            self.connection.write(f"RCPT TO:<{transfer.envelope.rcpt_to}>\r\n".encode())

    def _on_rcpt(self, reply: Reply) -> None:
        transfer = self._current()
        if reply.code // 100 != 2:
            verdict = _judged(Phase.RCPT, reply)
            if transfer.refusal is None and self._is_full(transfer, verdict, reply):
                return
            transfer.refusal = transfer.refusal or (Phase.RCPT, reply)
            leaving = verdict.ends_session
            if leaving or not self._pipelines:
                self._refused(leaving=leaving)
        elif not self._pipelines:
            self.connection.expect(Phase.DATA, self._on_data)
            self.connection.write(b"DATA\r\n")

    def _on_data(self, reply: Reply) -> None:
        transfer = self._current()
        if reply.code == 354 and transfer.refusal is None and self._is_late(time.monotonic()):
            self.connection.give_up(Phase.DATA, TOO_SLOW)
        elif reply.code == 354 and transfer.refusal is None:
            self._submit_with_next(transfer)
        elif reply.code == 354:
            # RFC 2920 section 3.1: DATA was accepted without a recipient; an empty message ends it.
            self.connection.expect(Phase.DATA, lambda _: self._refused())
            self.connection.write(b".\r\n")
        else:
            verdict = _judged(Phase.DATA, reply)
            if transfer.refusal is None and self._is_full(transfer, verdict, reply):
                return
            leaving = verdict.ends_session
            if leaving and transfer.refusal is None:
                self._leave(transfer, Phase.DATA, reply)
                return
            transfer.refusal = transfer.refusal or (Phase.DATA, reply)
            self._refused(leaving=leaving)

    def _submit_with_next(self, transfer: Transfer) -> None:
        more = self._count + 1 < self.most
        self._submit(transfer, self._take() if self._pipelines and more else None)

    def _submit(self, transfer: Transfer, upcoming: Transfer | None) -> None:
        """Send the data, with the opening of the next transaction behind it if pipelining."""
        self._submitted, self._opening = transfer, None
        self.connection.shortcut = None
        self.connection.expect(Phase.DOT, self._on_dot)
        self.crew.submitting(transfer.envelope.id)
        if upcoming is None:
            self.connection.write(transfer.data, mark=len(transfer.data))
        else:
            self._open_transaction(upcoming, before=transfer.data, mark=len(transfer.data))

    def _on_dot(self, reply: Reply) -> None:
        transfer, self._submitted = self._submitted, None
        if transfer is None:
            return
        # An answer to a dot that has not left yet: the server gave up in the middle, and the dialogue is out of step.
        early = self.connection.unsent_until_mark > 0
        # An early acceptance is none: as if there was no reply.
        verdict = judge(Phase.DOT) if early and reply.code < 400 else _judged(Phase.DOT, reply)
        if not early and self._is_full(transfer, verdict, reply):
            return
        self._count += 1
        self._settle(transfer, verdict, Phase.DOT, reply=reply)
        if verdict.ends_session or early:
            self._end("the mail server closes the connection")
        elif self._is_late(time.monotonic()):
            # The answer took all the time of the message behind it, which is not to blame.
            self._end(TOO_SLOW)
        elif self._opening is None:
            self._go_on()

    def _is_late(self, now: float) -> bool:
        return self._opening is not None and now >= self._opening.until_dot

    def _go_on(self) -> None:
        if self._count >= self.most:
            self.quit()
        else:
            self.start()

    def _refused(self, *, leaving: bool = False) -> None:
        """The open transaction is refused: settle it, and go on with the next."""
        transfer, self._opening = self._opening, None
        if transfer is not None and transfer.refusal is not None:
            self._needs_reset = True
            self._count += 1
            self._settle_refusal(transfer, *transfer.refusal)
        if leaving:
            self._end("the mail server closes the connection")
        else:
            self._go_on()

    def _is_full(self, transfer: Transfer, verdict: Verdict, reply: Reply) -> bool:
        """End a session that may have carried all that it may; the message at hand goes over a new one."""
        if not verdict.tries_another_session or not self.crew.is_session_full(transfer, verdict, reply, self._count):
            return False
        opening, self._opening = self._opening, None
        self.connection.close(farewell=b"" if verdict.ends_session else QUIT)
        if opening is not None and opening is not transfer:
            # It was named behind the final dot of the other, and not answered.
            self.crew.give_back(opening)
        self.crew.stir()
        return True

    def _leave(self, transfer: Transfer, phase: Phase, reply: Reply) -> None:
        """The session ends before any recipient was judged: the message may try another one."""
        self._opening = None
        verdict = _judged(phase, reply)
        outcome = Outcome(transfer.envelope.id, verdict, phase, reply.code, reply.enhanced, reply.text)
        if verdict.limit in {LimitKind.RATE, LimitKind.CONNECTIONS} and self.crew.slowed(transfer, outcome):
            self._end("the mail server closes the connection")
            return
        self._retry(transfer, phase, reply=reply, text=reply.text)
        if self._count == 0:
            self._failed(
                SessionFailedError(
                    f"{reply.code} {reply.text}", phase=phase, permanent=False, code=reply.code, enhanced=reply.enhanced
                )
            )
        self._end("the mail server closes the connection")

    def _end(self, text: str) -> None:
        """Close after a 421; whatever is under way was not answered."""
        self.crew.stir()
        self.connection.close()
        self._abandon(Loss(self.connection.phase, text), submitted_is_safe=False)

    def _lost(self, loss: Loss) -> None:
        self.crew.stir()
        if self._capabilities is None:
            self._failed(SessionFailedError(loss.text, phase=loss.phase, permanent=loss.permanent, silent=loss.silent))
            return
        was_idle, self.is_idle = self.is_idle, False
        self._abandon(loss, submitted_is_safe=self.connection.unsent_until_mark > 0)
        if not was_idle and (self._count == 0 or loss.silent):
            self._failed(SessionFailedError(loss.text, phase=loss.phase, permanent=False))

    def _abandon(self, loss: Loss, *, submitted_is_safe: bool) -> None:
        """The session ended under its messages. A final dot that did not leave this machine is safe to repeat."""
        submitted, self._submitted = self._submitted, None
        opening, self._opening = self._opening, None
        if submitted is not None:
            phase = Phase.DATA if submitted_is_safe else Phase.DOT
            self._settle(submitted, judge(phase), phase, text=loss.text)
        if opening is not None:
            phase = Phase.MAIL if submitted is not None else loss.phase
            if opening.refusal is not None:
                self._settle_refusal(opening, *opening.refusal)
            elif loss.silent and submitted is None:
                # Another session would most likely be met with silence too, and the worker has waited long enough.
                self._settle(opening, judge(phase), phase, text=loss.text)
            else:
                self._retry(opening, phase, reply=None, text=loss.text)

    def _retry(self, transfer: Transfer, phase: Phase, *, reply: Reply | None, text: str) -> None:
        """Nothing of it was submitted: once more on another session, else a temporary outcome."""
        transfer.attempts += 1
        if transfer.attempts < 2:
            self.crew.give_back(transfer)
        else:
            self._settle(transfer, _judged(phase, reply), phase, reply=reply, text=text)

    def _settle_refusal(self, transfer: Transfer, phase: Phase, reply: Reply) -> None:
        self._settle(transfer, _judged(phase, reply), phase, reply=reply)

    def _settle(
        self, transfer: Transfer, verdict: Verdict, phase: Phase, *, reply: Reply | None = None, text: str = ""
    ) -> None:
        message_id = transfer.envelope.id
        if reply is None:
            self.crew.settled(Outcome(message_id, verdict, phase, text=text))
        else:
            outcome = Outcome(message_id, verdict, phase, reply.code, reply.enhanced, reply.text)
            if not (verdict.throttles and self.crew.slowed(transfer, outcome)):
                self.crew.settled(outcome)

    def _current(self) -> Transfer:
        if self._opening is None:
            raise AssertionError("a reply came to a transaction that is not open")
        return self._opening


def _judged(phase: Phase, reply: Reply | None) -> Verdict:
    return judge(phase) if reply is None else judge(phase, reply.code, reply.enhanced, reply.text)


def _ignore(_: Reply) -> None:
    """RSET can't fail in a way that matters: if it does, MAIL will."""
