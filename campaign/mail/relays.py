"""Several mail servers as one transport: shared by weight, and by the others when one gives no session."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from campaign.errors import SessionFailedError
from campaign.mail.smtp import SmtpTransport
from campaign.mail.smtp_settings import SmtpSettings
from campaign.mail.transport import Envelope, OnOutcome, OnSubmit, Outcome, Phase, Result, Transport

log = logging.getLogger(__name__)

FIRST_REST: Final = 5.0
LONGEST_REST: Final = 300.0
"""Seconds for which a relay that gave no session is not asked, doubling from the first to the longest."""

_SESSION: Final = frozenset({Phase.CONNECT, Phase.BANNER, Phase.EHLO, Phase.STARTTLS, Phase.AUTH})

Admit = Callable[[str, float], bool]
"""Asks a shared bucket for one mail: the relay's name and its rate a second; False: not yet."""


@dataclass
class Relay:
    """One mail server of several. ``rate`` is in mails a second over all workers, 0 for no limit."""

    name: str
    transport: Transport
    weight: int = 1
    rate: float = 0.0
    credit: float = 0.0
    failures: int = 0
    rests_until: float = 0.0

    @classmethod
    def of(cls, settings: SmtpSettings) -> "Relay":
        """A relay with kept connections of its own."""
        name = f"{settings.host}:{settings.port}"
        return cls(name, SmtpTransport(settings), weight=settings.weight, rate=settings.rate)

    def failed(self, now: float) -> None:
        """It gave no session: let it rest, longer each time."""
        self.rests_until = now + min(LONGEST_REST, FIRST_REST * 2.0 ** min(self.failures, 10))
        self.failures += 1

    def worked(self) -> None:
        """It gave a session."""
        self.failures, self.rests_until = 0, 0.0


class RelayTransport:
    """See :class:`~campaign.mail.transport.Transport`. Each batch goes to one relay, in turn by weight.

    A message is offered to another relay only if the first certainly never heard of it. The lane fails only when every
    relay has.
    """

    def __init__(
        self, relays: Sequence[Relay], *, admit: Admit | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._relays = relays
        self._admit = admit
        self._clock = clock

    def deliver(self, envelopes: Iterable[Envelope], *, on_submit: OnSubmit, on_outcome: OnOutcome) -> None:
        """See :class:`~campaign.mail.transport.Transport`."""
        if len(self._relays) == 1 and not (self._admit and self._relays[0].rate):
            self._relays[0].transport.deliver(envelopes, on_submit=on_submit, on_outcome=on_outcome)
            return
        work = _Work(iter(envelopes), on_outcome)
        failure: SessionFailedError | None = None
        for relay in self._in_order():
            try:
                relay.transport.deliver(work.feed(relay, self._admit), on_submit=on_submit, on_outcome=work.noted)
            except SessionFailedError as error:
                log.warning("relay %s: %s", relay.name, error)
                relay.failed(self._clock())
                # A person is needed only if no relay would mend by itself.
                failure = error if failure is None or failure.permanent else failure
                continue
            finally:
                work.unfinished()
            if work.used:
                relay.worked()
            if not work.returned:
                return
        work.give_up()
        if failure is not None:
            raise failure

    def close(self) -> None:
        """End kept connections politely."""
        for relay in self._relays:
            relay.transport.close()

    def _in_order(self) -> list[Relay]:
        """The relay whose turn it is, then the others as a fallback; resting ones last, the earliest first."""
        now = self._clock()
        awake = [relay for relay in self._relays if relay.rests_until <= now]
        resting = sorted((relay for relay in self._relays if relay.rests_until > now), key=lambda r: r.rests_until)
        if not awake:
            return resting
        # Smooth weighted turns: the richest goes, and pays for all.
        for relay in awake:
            relay.credit += relay.weight
        awake.sort(key=lambda relay: -relay.credit)
        awake[0].credit -= sum(relay.weight for relay in awake)
        return awake


class _Work:
    """What one call has to send: what a relay gave back goes to the next."""

    def __init__(self, envelopes: Iterator[Envelope], on_outcome: OnOutcome) -> None:
        self._envelopes = envelopes
        self._on_outcome = on_outcome
        self._taken: dict[int, Envelope] = {}
        self._last: dict[int, Outcome] = {}
        self.returned: deque[Envelope] = deque()
        self.used = False

    def feed(self, relay: Relay, admit: Admit | None) -> Iterator[Envelope]:
        """What the relay is to send, as fast as its rate allows."""
        self.used = False
        again = len(self.returned)
        while True:
            if again:
                envelope, again = self.returned.popleft(), again - 1
            else:
                following = next(self._envelopes, None)
                if following is None:
                    return
                envelope = following
            while admit is not None and relay.rate and not admit(relay.name, relay.rate):
                time.sleep(min(0.05, 1 / relay.rate))
            self._taken[envelope.id] = envelope
            yield envelope

    def noted(self, outcome: Outcome) -> None:
        """Pass an outcome on, unless the message never came to a session: then another relay may have it."""
        envelope = self._taken.pop(outcome.id, None)
        if envelope is not None and outcome.result is Result.TEMPORARY and outcome.phase in _SESSION:
            self.returned.append(envelope)
            self._last[outcome.id] = outcome
            return
        self.used = True
        self._on_outcome(outcome)

    def unfinished(self) -> None:
        """Forget what the relay took: its outcomes have been told."""
        self._taken.clear()

    def give_up(self) -> None:
        """No relay was left: what each said last is what became of the message."""
        while self.returned:
            self._on_outcome(self._last[self.returned.popleft().id])
