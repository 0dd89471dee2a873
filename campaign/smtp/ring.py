"""One delivery over a ring of kept connections: shares the work out among the sessions, within the relay's limits."""

import selectors
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from campaign.errors import MailValueError, SessionFailedError
from campaign.mail.addresses import are_wire_addresses, is_wire_address
from campaign.mail.compiled import wire_data
from campaign.smtp.echo import with_name
from campaign.smtp.limits import RelayLimits
from campaign.smtp.replies import AWAY, BAD_MESSAGE, BAD_RECIPIENT, NO_SESSION, Reply, judge
from campaign.smtp.session import TOO_SLOW, Session
from campaign.smtp.settings import SmtpSettings
from campaign.smtp.transfers import Suspicion, Transfer
from campaign.smtp.transport import SESSION_PHASES, Envelope, OnOutcome, OnSubmit, Outcome, Phase, Result, Verdict
from campaign.smtp.words import alike
from campaign.states import LimitKind

OnOffer = Callable[[Mapping[str, str]], None]

GROW_AFTER: Final = 4
"""Messages taken per open connection before another one is opened: a few messages do not need the whole ring."""

MAX_BARREN: Final = 4
"""Sessions in a row that ended before any use, after which the server is taken to be out of order."""

MAX_TRIES: Final = 5
"""Sessions that one message may find full."""

PATIENCE: Final = 2.0
"""Seconds for which a limit of the relay is waited for while nothing may be sent; then the caller looks again."""

LONGEST_HOLD: Final = 8.0
"""Seconds of one delivery after which nothing more is sent that a limit held."""

HELD_TICK: Final = 0.02

HELD: Final = "the mail server limits what it takes"

CROWDED_PHASES: Final = frozenset({Phase.CONNECT, Phase.BANNER, Phase.EHLO})


class RingDelivery:
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
        limits: RelayLimits,
    ) -> None:
        """Wire one delivery; the sessions stay with the transport."""
        self._limits = limits
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
        # Messages for a new session, because another one may have been full; and what was said to them.
        self._retrying: deque[Transfer] = deque()
        self._suspicions: dict[int, Suspicion] = {}
        # Messages whose domain, or the relay, asks for less: which of the two is not known yet.
        self._doubtful: list[tuple[Transfer, Outcome]] = []
        self._is_held = False
        self._moved_at = self._begun_at = time.monotonic()
        # Deadlines are looked at now and then, not in each turn.
        self._tick = min(0.4, settings.until_dot / 4, min(settings.deadlines.values()) / 4)
        self._next_look = 0.0

    def run(self) -> None:
        """Until everything has its outcome."""
        self._adopt_sessions()
        while True:
            self._employ()
            has_work = bool(self._waiting or self._retrying)
            if not any(session.is_working or (session.is_opening and has_work) for session in self._sessions) and not (
                has_work and self._may_wait()
            ):
                break
            self._drive()
        if self._error is not None:
            raise self._error
        self._limits.refresh(open_now=len(self._sessions))
        for _, outcome in self._doubtful:
            self._on_outcome(outcome)
        if self._is_held and self._failure is None:
            self._give_back_held()
            return
        failure = self._failure if self._waiting or not self._exhausted else None
        if failure is None and not self._answered:
            # Nothing that was sent got an answer: the server is in trouble, though it gives sessions.
            failure = self._last_failure
        if failure is not None:
            self._defer_waiting(failure)
            raise failure

    def take(self, *, fresh: bool) -> Transfer | None:
        """See :class:`~campaign.smtp.transfers.SessionOwner`."""
        if fresh and self._retrying:
            return self._retrying.popleft()
        if self._limits.is_paced and not self._enter():
            return None
        return self._next()

    def _enter(self) -> bool:
        """Wait for the rate of the relay, if there is something to send."""
        if not self._has_work() or self._is_over():
            return False
        if self._limits.enter():
            self._moved_at = time.monotonic()
            return True
        self._is_held = True
        return False

    def _next(self) -> Transfer | None:
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
        """See :class:`~campaign.smtp.transfers.SessionOwner`."""
        if self._on_offer is not None:
            self._on_offer(capabilities)

    def settled(self, outcome: Outcome) -> None:
        """See :class:`~campaign.smtp.transfers.SessionOwner`."""
        if outcome.code is not None and outcome.phase is not Phase.MAIL:
            self._barren = 0
            self._answered = True
        if outcome.verdict.result is Result.ACCEPTED:
            self._limits.accepted += 1
        if self._suspicions and (suspicion := self._suspicions.pop(outcome.id, None)) is not None:
            self._prove(suspicion, outcome)
        self._on_outcome(outcome)

    def is_session_full(self, transfer: Transfer, verdict: Verdict, reply: Reply, number: int) -> bool:
        """See :class:`~campaign.smtp.transfers.SessionOwner`."""
        words, before = alike(reply.text), transfer.suspicion
        if number == 0 and before is not None and alike(before.words) == words:
            # A new session says the same: it is not about sessions.
            self._limits.unsure.add(words)
        if number == 0 or words in self._limits.unsure or (before is not None and before.tries >= MAX_TRIES):
            return False
        named = verdict.limit is LimitKind.SESSION
        tries = 1 if before is None else before.tries + 1
        said = f"{reply.code} {reply.text}"
        transfer.suspicion = self._suspicions[transfer.envelope.id] = Suspicion(said, number, named, tries)
        self._retrying.append(transfer)
        return True

    def _prove(self, suspicion: Suspicion, outcome: Outcome) -> None:
        """A message that one session refused had its outcome in a new one."""
        if outcome.result is Result.ACCEPTED:
            self._limits.session_ended(suspicion.number, suspicion.words, named=suspicion.is_named)
            self._limit_sessions()

    def _limit_sessions(self) -> None:
        if self._limits.messages is not None:
            for session in self._sessions:
                session.most = min(self._settings.messages_per_connection, self._limits.messages)

    def slowed(self, transfer: Transfer, outcome: Outcome) -> bool:
        """See :class:`~campaign.smtp.transfers.SessionOwner`."""
        said = f"{outcome.code} {outcome.text}"
        if outcome.verdict.limit is LimitKind.CONNECTIONS:
            if not self._limits.crowded(self._working() - 1, said, named=True):
                return False
            self._waiting.append(transfer)
            return True
        names_relay = outcome.phase is Phase.MAIL
        if names_relay and outcome.verdict.limit is not LimitKind.RATE:
            return False
        domain = transfer.envelope.rcpt_to.rpartition("@")[2].lower()
        if not names_relay and not self._limits.is_relays(said, domain):
            self._answered, self._barren = True, 0
            self._doubtful.append((transfer, outcome))
            return True
        self._answered, self._barren = True, 0
        self._limits.slow_down(said)
        words = alike(outcome.text)
        self._waiting.append(transfer)
        self._waiting.extend(each for each, other in self._doubtful if alike(other.text) == words)
        self._doubtful = [each for each in self._doubtful if alike(each[1].text) != words]
        return True

    def _working(self) -> int:
        """Sessions that began."""
        return sum(1 for session in self._sessions if session.is_open and not session.is_opening)

    def give_back(self, transfer: Transfer) -> None:
        """See :class:`~campaign.smtp.transfers.SessionOwner`."""
        if time.monotonic() < transfer.until_dot:
            self._waiting.append(transfer)
        else:
            self._out_of_time(transfer)
        self._stirred = True

    def stir(self) -> None:
        """See :class:`~campaign.smtp.transfers.SessionOwner`."""
        self._stirred = True

    def failed(self, failure: SessionFailedError) -> None:
        """See :class:`~campaign.smtp.transfers.SessionOwner`."""
        self._stirred = True
        if self._is_limit(failure):
            self._is_held = True
            return
        self._barren += 1
        self._last_failure = failure
        if failure.phase in SESSION_PHASES or self._barren >= MAX_BARREN:
            self._failure = failure

    def _is_limit(self, failure: SessionFailedError) -> bool:
        """True if no session began because the relay limits connections or the rate: others of ours go on."""
        if failure.phase not in SESSION_PHASES or failure.permanent:
            return False
        said = f"{failure.code or ''} {failure.reason}".strip()
        verdict = judge(Phase(failure.phase), failure.code, failure.enhanced, failure.reason)
        if verdict.limit is LimitKind.RATE:
            self._limits.slow_down(said)
            return True
        refused = failure.code is not None or not failure.silent
        named = verdict.limit is LimitKind.CONNECTIONS
        return refused and failure.phase in CROWDED_PHASES and self._limits.crowded(self._working(), said, named=named)

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
        self._limits.refresh(open_now=len(self._sessions))
        if self._limits.is_crowded:
            for session in self._sessions[self._limits.granted :]:
                session.quit()
            self._sessions[:] = self._sessions[: self._limits.granted]
        self._limit_sessions()

    def _employ(self) -> None:
        """Give work to idle sessions, and open another session if there is enough work for it."""
        self._is_held = False
        if any(not session.is_open for session in self._sessions):
            self._sessions[:] = [session for session in self._sessions if session.is_open]
            self._limits.closed()
        for session in self._sessions:
            if session.is_idle and not self._is_held and self._has_work():
                session.start()
        if self._may_grow() and (self._retrying or self._has_work()) and self._may_open():
            session = Session(self._settings, self._selector, tls=self._tls, crew=self)
            if self._limits.messages is not None:
                session.most = min(session.most, self._limits.messages)
            self._sessions.append(session)
            session.begin(ready_by=(self._retrying or self._waiting)[0].until_dot)

    def _may_grow(self) -> bool:
        number = len(self._sessions)
        if self._failure is not None or number >= self._settings.connections or self._is_over():
            return False
        if self._retrying and not any(session.is_opening for session in self._sessions):
            return True
        return self._taken >= GROW_AFTER * number and not (self._is_held and self._sessions)

    def _may_open(self) -> bool:
        if self._limits.may_open(len(self._sessions)):
            return True
        self._is_held = True
        return False

    def _is_over(self) -> bool:
        return time.monotonic() > self._begun_at + LONGEST_HOLD

    def _may_wait(self) -> bool:
        """True while what the relay limits is waited for."""
        return self._is_held and self._failure is None and time.monotonic() < self._moved_at + PATIENCE

    def _has_work(self) -> bool:
        if not self._waiting and (transfer := self._next()) is not None:
            self._waiting.append(transfer)
        return bool(self._waiting)

    def _drive(self) -> None:
        """Let the sessions work until one of them may need something of us."""
        # While the ring may grow, look after each turn; afterwards only when a session says so.
        self._stirred = self._failure is None and len(self._sessions) < self._settings.connections
        while True:
            for key, mask in self._selector.select(HELD_TICK if self._is_held else self._tick):
                key.data.on_ready(mask)
            now = time.monotonic()
            if now >= self._next_look:
                self._next_look = now + self._tick
                for session in list(self._sessions):
                    session.on_time(now)
            if self._stirred or self._is_held:
                return

    def _out_of_time(self, transfer: Transfer) -> None:
        """Others took the time of a message that certainly was not sent: as if there had been no session for it."""
        self._on_outcome(Outcome(transfer.envelope.id, AWAY, Phase.CONNECT, text=TOO_SLOW))

    def _give_back_held(self) -> None:
        """What the limits of the relay held: certainly not sent, and no attempt."""
        for transfer in (*self._retrying, *self._waiting):
            self._on_outcome(Outcome(transfer.envelope.id, AWAY, Phase.CONNECT, text=HELD))
        self._retrying.clear()
        self._waiting.clear()

    def _defer_waiting(self, failure: SessionFailedError) -> None:
        """Messages that were taken and found no session: certainly not sent."""
        phase = Phase(failure.phase)
        if failure.code is None and phase not in SESSION_PHASES:
            # It fell silent to another message; these were never named to it.
            phase = Phase.CONNECT
        verdict = NO_SESSION if failure.permanent else AWAY
        if failure.code is not None:
            verdict = judge(phase, failure.code, failure.enhanced, failure.reason)
        self._waiting.extend(self._retrying)
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
