"""Our SMTP client: a ring of kept connections, driven by one thread."""

import selectors
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from campaign.errors import MailValueError, SessionFailedError
from campaign.mail.addresses import are_wire_addresses, is_wire_address
from campaign.mail.compiled import wire_data
from campaign.smtp.echo import with_name
from campaign.smtp.replies import AWAY, BAD_MESSAGE, BAD_RECIPIENT, NO_SESSION, judge
from campaign.smtp.session import TOO_SLOW, Session, Transfer
from campaign.smtp.settings import Security, SmtpSettings
from campaign.smtp.transport import SESSION_PHASES, Envelope, OnOutcome, OnSubmit, Outcome, Phase

__all__ = ["SmtpSettings", "SmtpTransport"]

OnOffer = Callable[[Mapping[str, str]], None]

GROW_AFTER: Final = 4
"""Messages taken per open connection before another one is opened: a few messages do not need the whole ring."""

MAX_BARREN: Final = 4
"""Sessions in a row that ended before any use, after which the server is taken to be out of order."""


class SmtpTransport:
    """See :class:`~campaign.smtp.transport.Transport`. One thread at a time; make it after a fork, not before."""

    def __init__(self, settings: SmtpSettings, *, on_offer: OnOffer | None = None) -> None:
        """Wire a transport; ``on_offer`` gets the server's extensions, as each session begins."""
        self._settings = settings
        self._on_offer = on_offer
        self._tls = None if settings.security is Security.NONE else settings.tls_context()
        self._selector: selectors.BaseSelector | None = None
        self._sessions: list[Session] = []

    def deliver(self, envelopes: Iterable[Envelope], *, on_submit: OnSubmit, on_outcome: OnOutcome) -> None:
        """See :class:`~campaign.smtp.transport.Transport`.

        If ``envelopes`` raises, what is on the wire is finished first. If a callback raises, all connections are cut:
        what was submitted and has no outcome yet is then for the caller to call uncertain.
        """
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
        delivery = _Delivery(
            self._settings,
            self._selector,
            tls=self._tls,
            sessions=self._sessions,
            envelopes=iter(envelopes),
            on_submit=on_submit,
            on_outcome=on_outcome,
            on_offer=self._on_offer,
        )
        try:
            delivery.run()
        finally:
            # Left to do only if something was raised; and connections still being opened are not needed.
            for session in self._sessions:
                if session.is_working or session.is_opening:
                    session.connection.close()

    def close(self) -> None:
        """QUIT on all connections."""
        for session in self._sessions:
            if session.is_open:
                session.quit(patience=1.0)
        self._sessions.clear()
        if self._selector is not None:
            self._selector.close()
            self._selector = None


class _Delivery:
    """One call of :meth:`SmtpTransport.deliver`: shares the work out among the sessions."""

    def __init__(
        self,
        settings: SmtpSettings,
        selector: selectors.BaseSelector,
        *,
        tls: ssl.SSLContext | None,
        sessions: list[Session],
        envelopes: Iterator[Envelope],
        on_submit: OnSubmit,
        on_outcome: OnOutcome,
        on_offer: OnOffer | None,
    ) -> None:
        self._on_offer = on_offer
        self._settings = settings
        self._selector = selector
        self._tls = tls
        self._sessions = sessions
        self._envelopes = envelopes
        self.submitting = on_submit
        self._on_outcome = on_outcome
        self._waiting: deque[Transfer] = deque()
        self._taken = 0
        self._exhausted = False
        self._barren = 0
        self._failure: SessionFailedError | None = None
        self._last_failure: SessionFailedError | None = None
        self._answered = False
        self._error: Exception | None = None
        self._stirred = False
        # Deadlines are looked at now and then, not in each turn.
        self._tick = min(1.0, settings.until_dot / 4, min(settings.deadlines.values()) / 4)
        self._next_look = 0.0

    def run(self) -> None:
        """Until everything has its outcome."""
        self._adopt_sessions()
        while True:
            self._employ()
            if not any(session.is_working or (session.is_opening and self._waiting) for session in self._sessions):
                break
            self._drive()
        if self._error is not None:
            raise self._error
        failure = self._failure if self._waiting or not self._exhausted else None
        if failure is None and not self._answered:
            # Nothing that was sent got an answer: the server is in trouble, though it gives sessions.
            failure = self._last_failure
        if failure is not None:
            self._defer_waiting(failure)
            raise failure

    def take(self) -> Transfer | None:
        """See :class:`~campaign.smtp.session.SessionOwner`."""
        while self._waiting:
            transfer = self._waiting.popleft()
            if time.monotonic() < transfer.until_dot:
                return transfer
            self._out_of_time(transfer)
        while not self._exhausted:
            try:
                envelope = next(self._envelopes)
            except StopIteration:
                self._exhausted = True
                return None
            except Exception as error:  # noqa: BLE001 - raised again in run(), after what is on the wire is finished
                self._error, self._exhausted = error, True
                return None
            self._taken += 1
            try:
                return _checked(
                    envelope, until_dot=time.monotonic() + self._settings.until_dot, provider=self._settings.provider
                )
            except MailValueError as error:
                verdict = BAD_RECIPIENT if "rcpt_to" in error.problems else BAD_MESSAGE
                self._on_outcome(Outcome(envelope.id, verdict, Phase.MAIL, text=str(error)))
        return None

    def offered(self, capabilities: Mapping[str, str]) -> None:
        """See :class:`~campaign.smtp.session.SessionOwner`."""
        if self._on_offer is not None:
            self._on_offer(capabilities)

    def settled(self, outcome: Outcome) -> None:
        """See :class:`~campaign.smtp.session.SessionOwner`."""
        if outcome.code is not None and outcome.phase is not Phase.MAIL:
            self._barren = 0
            self._answered = True
        self._on_outcome(outcome)

    def give_back(self, transfer: Transfer) -> None:
        """See :class:`~campaign.smtp.session.SessionOwner`."""
        if time.monotonic() < transfer.until_dot:
            self._waiting.append(transfer)
        else:
            self._out_of_time(transfer)
        self._stirred = True

    def stir(self) -> None:
        """See :class:`~campaign.smtp.session.SessionOwner`."""
        self._stirred = True

    def failed(self, failure: SessionFailedError) -> None:
        """See :class:`~campaign.smtp.session.SessionOwner`."""
        self._barren += 1
        self._stirred = True
        self._last_failure = failure
        if failure.phase in SESSION_PHASES or self._barren >= MAX_BARREN:
            self._failure = failure

    def _adopt_sessions(self) -> None:
        """Take over kept connections, but those that are too old or that the server has closed meanwhile."""
        now = time.monotonic()
        for session in self._sessions:
            session.crew = self
        for key, mask in self._selector.select(0):
            key.data.on_ready(mask)
        for session in self._sessions:
            if session.is_open and now - session.idle_since > self._settings.idle_seconds:
                session.quit()
        self._sessions[:] = [session for session in self._sessions if session.is_open]

    def _employ(self) -> None:
        """Give work to idle sessions, and open another session if there is enough work for it."""
        self._sessions[:] = [session for session in self._sessions if session.is_open]
        for session in self._sessions:
            if session.is_idle and self._has_work():
                session.start()
        if self._may_open() and self._has_work():
            session = Session(self._settings, self._selector, tls=self._tls, crew=self)
            self._sessions.append(session)
            session.begin(ready_by=self._waiting[0].until_dot)

    def _may_open(self) -> bool:
        number = len(self._sessions)
        return self._failure is None and number < self._settings.connections and self._taken >= GROW_AFTER * number

    def _has_work(self) -> bool:
        if not self._waiting and (transfer := self.take()) is not None:
            self._waiting.append(transfer)
        return bool(self._waiting)

    def _drive(self) -> None:
        """Let the sessions work until one of them may need something of us."""
        # While the ring may grow, look after each turn; afterwards only when a session says so.
        self._stirred = self._failure is None and len(self._sessions) < self._settings.connections
        while True:
            for key, mask in self._selector.select(self._tick):
                key.data.on_ready(mask)
            now = time.monotonic()
            if now >= self._next_look:
                self._next_look = now + self._tick
                for session in list(self._sessions):
                    session.on_time(now)
            if self._stirred:
                return

    def _out_of_time(self, transfer: Transfer) -> None:
        """Others took the time of a message that certainly was not sent: as if there had been no session for it."""
        self._on_outcome(Outcome(transfer.envelope.id, AWAY, Phase.CONNECT, text=TOO_SLOW))

    def _defer_waiting(self, failure: SessionFailedError) -> None:
        """Messages that were taken and found no session: certainly not sent."""
        phase = Phase(failure.phase)
        if failure.code is None and phase not in SESSION_PHASES:
            # It fell silent to another message; these were never named to it.
            phase = Phase.CONNECT
        verdict = NO_SESSION if failure.permanent else AWAY
        if failure.code is not None:
            verdict = judge(phase, failure.code, failure.enhanced, failure.reason)
        while self._waiting:
            message_id = self._waiting.popleft().envelope.id
            self._on_outcome(Outcome(message_id, verdict, phase, failure.code, failure.enhanced, failure.reason))


def _checked(envelope: Envelope, *, until_dot: float, provider: str | None) -> Transfer:
    if not are_wire_addresses(envelope.mail_from, envelope.rcpt_to):
        if envelope.mail_from and not is_wire_address(envelope.mail_from, utf8=envelope.utf8):
            raise MailValueError({"mail_from": "address"})
        if not is_wire_address(envelope.rcpt_to, utf8=envelope.utf8):
            raise MailValueError({"rcpt_to": "address"})
    data = with_name(wire_data(envelope.data), provider)
    return Transfer(envelope, data, data.isascii(), until_dot)
