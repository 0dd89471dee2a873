"""Several mail servers as one transport: shared by weight, and by the others when one gives no session."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from campaign.errors import SessionFailedError
from campaign.smtp.limits import LimitedTransport, LimitStore
from campaign.smtp.settings import SmtpSettings
from campaign.smtp.smtp import SmtpTransport
from campaign.smtp.transport import Envelope, OnOutcome, OnSubmit, Outcome, Transport

log = logging.getLogger(__name__)

FIRST_REST: Final = 5.0
LONGEST_REST: Final = 300.0
"""Seconds for which a relay that gave no session is not asked, doubling from the first to the longest."""

PATIENCE: Final = 2.0
"""Seconds to wait for relays whose rate is used up; what is left then is the caller's to offer again."""

NEXT_RELAY: Final = 15.0
"""Seconds of a call after which no other relay is asked in it: a few slow ones in turn must not hold a worker."""

_TURN: Final = 0.02
"""Seconds between two looks at relays whose rate is used up."""


class OnOffer(Protocol):
    """Hears whether a relay takes addresses that are not ASCII before the @."""

    def __call__(self, name: str, /, *, smtputf8: bool) -> None:
        """A session with a relay has begun."""


class RateLimiter(Protocol):
    """Keeps the rate of each relay, over all workers."""

    def enter(self, relay: str, rate: float) -> bool:
        """Ask for one mail to a relay with so many mails a second; False: not yet."""

    def leave(self, relay: str, rate: float) -> None:
        """Give one back that was not needed."""


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
    def of(cls, settings: SmtpSettings, *, on_offer: OnOffer | None = None) -> "Relay":
        """A relay with kept connections of its own; ``on_offer`` hears what it offers as each session begins."""
        name = f"{settings.host}:{settings.port}"

        def offered(capabilities: Mapping[str, str]) -> None:
            if on_offer is not None:
                on_offer(name, smtputf8="SMTPUTF8" in capabilities)

        transport = SmtpTransport(settings, on_offer=offered)
        return cls(name, transport, weight=settings.weight, rate=settings.rate)

    def failed(self, now: float, *, permanent: bool) -> None:
        """It gave no session: let it rest, longer each time, and longest if it refuses us (no lock-out loop)."""
        rest = LONGEST_REST if permanent else min(LONGEST_REST, FIRST_REST * 2.0 ** min(self.failures, 10))
        self.rests_until = now + rest
        self.failures += 1

    def worked(self) -> None:
        """It gave a session."""
        self.failures, self.rests_until = 0, 0.0


@contextmanager
def _naming(relay: Relay) -> Iterator[None]:
    """Name the relay in the error that it raises."""
    try:
        yield
    except SessionFailedError as error:
        error.relay = relay.name
        raise


class RelayTransport:
    """See :class:`~campaign.smtp.transport.Transport`. Each batch goes to one relay, in turn by weight.

    What is over the rate of that relay goes to the others, but not to those without weight. A message is offered to
    another relay only if the first certainly never heard of it. The lane fails only when every relay has.
    """

    def __init__(
        self,
        relays: Sequence[Relay],
        *,
        gate: RateLimiter | None = None,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE,
    ) -> None:
        self._relays = relays
        self._gate = gate
        self._clock = clock
        self._patience = patience

    def deliver(self, envelopes: Iterable[Envelope], *, on_submit: OnSubmit, on_outcome: OnOutcome) -> None:
        """See :class:`~campaign.smtp.transport.Transport`. It may return before all was taken: see :data:`PATIENCE`."""
        if len(self._relays) == 1 and not (self._gate and self._relays[0].rate):
            with _naming(self._relays[0]):
                self._relays[0].transport.deliver(envelopes, on_submit=on_submit, on_outcome=on_outcome)
            return
        work = _Work(iter(envelopes), on_outcome)
        begun = self._clock()
        until, hurry_at = begun + self._patience, begun + NEXT_RELAY
        relays = self._in_order()
        failure: SessionFailedError | None = None
        while relays and not work.is_done:
            failures, held = self._pass(relays, work, on_submit, hurry_at=hurry_at)
            for error in failures:
                # An operator is needed only if no relay would recover by itself.
                failure = error if failure is None or failure.permanent else failure
            if held and self._clock() <= until:
                time.sleep(_TURN)
            elif not failures or self._clock() > hurry_at:
                break
        work.give_up()
        if failure is not None and not relays:
            raise failure

    def _pass(
        self, relays: list[Relay], work: "_Work", on_submit: OnSubmit, *, hurry_at: float
    ) -> tuple[list[SessionFailedError], bool]:
        """Offer the work to each relay, best first; those that fail are taken out, and told, and whether one is held.

        Relays without weight get their turn when no other is left.
        """
        failures, held = [], False
        for relay in [relay for relay in relays if relay.weight] or list(relays):
            error = self._offer(relay, work, on_submit)
            if error is not None:
                relays.remove(relay)
                failures.append(error)
            if work.is_done or self._clock() > hurry_at:
                break
            held = held or work.is_held
        return failures, held

    def _offer(self, relay: Relay, work: "_Work", on_submit: OnSubmit) -> SessionFailedError | None:
        """Let one relay send what it may; returns why it gave no session."""
        try:
            with _naming(relay):
                relay.transport.deliver(work.feed(relay, self._gate), on_submit=on_submit, on_outcome=work.noted)
        except SessionFailedError as error:
            log.warning("relay %s: %s", relay.name, error)
            relay.failed(self._clock(), permanent=error.permanent)
            return error
        finally:
            work.unfinished()
        if work.used:
            relay.worked()
        return None

    def share_limits(self, store: LimitStore) -> None:
        """See :class:`~campaign.smtp.limits.LimitedTransport`."""
        for transport in self._limited():
            transport.share_limits(store)

    def rest(self) -> None:
        """See :class:`~campaign.smtp.limits.LimitedTransport`."""
        for transport in self._limited():
            transport.rest()

    def _limited(self) -> list[LimitedTransport]:
        return [relay.transport for relay in self._relays if isinstance(relay.transport, LimitedTransport)]

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
        awake.sort(key=lambda relay: (relay.weight == 0, -relay.credit))
        awake[0].credit -= sum(relay.weight for relay in awake)
        return awake


class _Work:
    """What one call has to send: what a relay gave back goes to the next."""

    def __init__(self, envelopes: Iterator[Envelope], on_outcome: OnOutcome) -> None:
        self._envelopes = envelopes
        self._on_outcome = on_outcome
        self._taken: dict[int, Envelope] = {}
        self._last: dict[int, Outcome] = {}
        self._returned: deque[Envelope] = deque()
        self._exhausted = False
        self.used = False
        self.is_held = False

    @property
    def is_done(self) -> bool:
        """True if everything was taken and nothing came back."""
        return self._exhausted and not self._returned

    def feed(self, relay: Relay, gate: RateLimiter | None) -> Iterator[Envelope]:
        """What the relay is to send, until its rate is used up."""
        self.used, self.is_held = False, False
        again = len(self._returned)
        while True:
            if gate is not None and relay.rate and not gate.enter(relay.name, relay.rate):
                self.is_held = True
                return
            envelope = self._returned.popleft() if again else next(self._envelopes, None)
            again = max(0, again - 1)
            if envelope is None:
                self._exhausted = True
                if gate is not None and relay.rate:
                    gate.leave(relay.name, relay.rate)
                return
            self._taken[envelope.id] = envelope
            yield envelope

    def noted(self, outcome: Outcome) -> None:
        """Pass an outcome on, unless the message never came to a session: then another relay may have it."""
        envelope = self._taken.pop(outcome.id, None)
        if envelope is not None and outcome.is_about_session:
            self._returned.append(envelope)
            self._last[outcome.id] = outcome
            return
        self.used = True
        self._on_outcome(outcome)

    def unfinished(self) -> None:
        """Forget what the relay took: its outcomes have been told."""
        self._taken.clear()

    def give_up(self) -> None:
        """No relay was left: what each said last is what became of the message."""
        while self._returned:
            self._on_outcome(self._last[self._returned.popleft().id])
