"""What a relay limits, as it taught us: messages in a session, connections, mails a second (ADR 24).

One mechanism for the three: a reply that speaks of a limit is a sign; the limit is set to what was counted when the
sign came; without another sign it grows again by itself. A :class:`LimitStore` shares it among processes.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from campaign.smtp.words import alike, period
from campaign.states import LimitKind

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at what other processes have learned."""

SESSION_CALM: Final = 3600.0
"""Seconds without a sign after which a session tries half as many messages more, and again after as many."""

CONNECTIONS_CALM: Final = 60.0
"""Seconds without a sign after which one more connection is tried."""

FORGOTTEN: Final = {LimitKind.SESSION: 14 * 86_400.0, LimitKind.CONNECTIONS: 3600.0, LimitKind.RATE: 1800.0}
"""Seconds without a sign after which a limit is no more."""

LEAST, MOST = 0.5, 0.97
"""A sign multiplies the rate by the share that was accepted since the last one, within these."""

FEW: Final = 5
"""Fewer mails than this tell nothing of what the relay accepts."""

SLOWEST: Final = 1 / 60

BURST: Final = 1.0
"""Answers of one burst are one sign: seconds for which the rate is not lowered again."""

PAUSES: Final = {None: 1.0, 1: 1.0, 60: 5.0, 3600: 60.0, 86_400: 300.0}
"""Seconds for which nothing is sent when nothing was accepted since the last sign, by the period that was named."""

LONGEST_PAUSE: Final = 15.0
"""The same where no long period is named: it doubles from time to time until this."""

QUOTA: Final = 3600
"""From this period on a limit is a quota: it is waited for, and the rate up to it is not lowered."""

UNLIMITED: Final = 1e6

JUST_CLOSED: Final = 0.5
"""Seconds for which a relay may still count a connection that was closed."""

SIGNS_FOR: Final = 60.0
"""Seconds for which a sign of one domain is remembered: the same words by another domain make it the relay's."""


@dataclass(frozen=True)
class Learned:
    """A limit as it was last taught. ``value`` is in messages, connections or mails a second."""

    value: float
    words: str
    age: float = 0.0
    """Seconds since the last sign."""
    pause: float = 0.0
    """Seconds, from the last sign, for which nothing is sent."""

    def now(self, kind: LimitKind) -> float | None:
        """What is tried at present; None if the limit is forgotten."""
        if self.age > FORGOTTEN[kind]:
            return None
        if kind is LimitKind.SESSION:
            steps = int(self.age / SESSION_CALM)
            return max(self.value + steps, math.floor(self.value * 1.5**steps))
        if kind is LimitKind.CONNECTIONS:
            return self.value + int(self.age / CONNECTIONS_CALM)
        # A step above what was accepted within seconds, several times as much within a minute.
        calm = max(0.0, self.age - self.pause)
        return self.value * (1 + 0.02 * calm + 0.004 * calm**2)

    def slower(self, *, offered: int, accepted: int, text: str) -> "Learned":
        """The rate after another sign, when so many of those ``offered`` since the last one were ``accepted``.

        Both as one process counted them; from a few nothing can be told, for others may have had all that was accepted.
        """
        rate = min(UNLIMITED, self.now(LimitKind.RATE) or self.value)
        said = period(text)
        if said is not None and said >= QUOTA:
            return Learned(max(self.value, rate), text, pause=PAUSES[said])
        if accepted or offered < FEW:
            share = accepted / offered if offered >= 4 * FEW else MOST
            return Learned(max(SLOWEST, rate * min(MOST, max(LEAST, share))), text)
        longest = max(LONGEST_PAUSE, PAUSES[said])
        return Learned(max(SLOWEST, self.value), text, pause=min(longest, max(PAUSES[said], 2 * self.pause)))


def first_rate(*, accepted: int, seconds: float, text: str) -> Learned:
    """The rate after the first sign, from what was accepted lately."""
    said = period(text)
    if said is not None and said >= QUOTA:
        return Learned(UNLIMITED, text, pause=PAUSES[said])
    # What it takes in the period was taken in a moment: the rest of the period is waited for.
    # Other processes had their part of it, so twice as much is tried: too much is corrected within seconds.
    return Learned(max(1.0, 2 * accepted / max(float(said or 1), seconds)), text, pause=PAUSES[said])


class LimitStore(Protocol):
    """Shares what relays taught among processes. It never raises because a database or Redis is away."""

    def load(self, relay: str) -> dict[LimitKind, Learned]:
        """What is known of a relay."""

    def teach(self, relay: str, kind: LimitKind, change: Callable[[Learned | None], Learned]) -> Learned:
        """Change what is known, one process at a time."""

    def slots(self, relay: str, wanted: int) -> int:
        """Say how many connections this process wants open; how many it may."""

    def others(self, relay: str) -> int:
        """Connections that other processes have open and use at present."""

    def enter(self, relay: str, rate: float) -> bool:
        """Ask for one mail to a relay that takes so many a second; False: not yet."""


@runtime_checkable
class LimitedTransport(Protocol):
    """A transport that keeps to what its relays limit."""

    def share_limits(self, store: LimitStore) -> None:
        """Share what is learned through a store; to be called before the first delivery."""

    def rest(self) -> None:
        """Nothing is due: give back what other processes may wait for, such as one of few connections."""


class LocalLimits:
    """A store for one process: tests, and transports outside of workers."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[tuple[str, LimitKind], tuple[Learned, float]] = {}
        self._next = 0.0

    def load(self, relay: str) -> dict[LimitKind, Learned]:
        """See :class:`LimitStore`."""
        return {kind: found for kind in LimitKind if (found := self._aged(relay, kind)) is not None}

    def teach(self, relay: str, kind: LimitKind, change: Callable[[Learned | None], Learned]) -> Learned:
        """See :class:`LimitStore`."""
        learned = change(self._aged(relay, kind))
        self._known[relay, kind] = learned, self._clock() - learned.age
        return learned

    def slots(self, relay: str, wanted: int) -> int:
        """See :class:`LimitStore`."""
        learned = self._aged(relay, LimitKind.CONNECTIONS)
        most = None if learned is None else learned.now(LimitKind.CONNECTIONS)
        return wanted if most is None else min(wanted, int(most))

    def others(self, relay: str) -> int:  # noqa: ARG002 - there are none
        """See :class:`LimitStore`."""
        return 0

    def enter(self, relay: str, rate: float) -> bool:  # noqa: ARG002 - one process, one relay
        """See :class:`LimitStore`."""
        now = self._clock()
        if now < self._next:
            return False
        self._next = max(self._next, now - 0.25) + 1 / rate
        return True

    def _aged(self, relay: str, kind: LimitKind) -> Learned | None:
        found = self._known.get((relay, kind))
        if found is None:
            return None
        learned, at = found
        return Learned(learned.value, learned.words, self._clock() - at, learned.pause)


class RelayLimits:
    """The limits of one relay as one transport keeps them."""

    def __init__(
        self,
        relay: str,
        store: LimitStore,
        *,
        fixed_messages: bool = False,
        fixed_rate: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wire the limits; what a setting fixes is not limited further by what was learned."""
        self.relay = relay
        self.messages: int | None = None
        """Messages in a session, if that is limited."""
        self.is_paced = False
        """True while the rate is limited: looked at for each message."""
        self.accepted = 0
        self.unsure: set[str] = set()
        """Words that a new session said again: they are not about a session."""
        self._store = store
        self._fixed_messages = fixed_messages
        self._fixed_rate = fixed_rate
        self._clock = clock
        self._rate: tuple[Learned, float] | None = None
        self._crowd: Learned | None = None
        self._looked_at = -LOOK_EVERY
        self._marks: deque[tuple[float, int]] = deque(maxlen=512)
        self._sign = (0.0, 0, 0)
        self._slowed = 0
        self._signs: dict[str, dict[str, float]] = {}
        self._weak: dict[int, int] = {}
        self._slots = 0
        self._denied_until = 0.0
        self._closed_at = -JUST_CLOSED

    def share(self, store: LimitStore) -> None:
        """Learn with other processes from now on."""
        self._store = store

    # --- What others learned ---

    def refresh(self, *, open_now: int | None = None) -> None:
        """Look at what other processes learned, at most once a second, and tell how many connections are open."""
        now = self._clock()
        if now - self._looked_at < LOOK_EVERY:
            return
        self._marks.append((now, self.accepted))
        if open_now is not None:
            self._slots = self._store.slots(self.relay, open_now) if open_now or self._slots else 0
        self._adopt(self._store.load(self.relay), now)

    def _adopt(self, known: dict[LimitKind, Learned], now: float) -> None:
        self._looked_at = now
        session, rate = known.get(LimitKind.SESSION), known.get(LimitKind.RATE)
        most = None if session is None or self._fixed_messages else session.now(LimitKind.SESSION)
        self.messages = None if most is None else int(most)
        self._crowd = known.get(LimitKind.CONNECTIONS)
        forgotten = rate is None or rate.now(LimitKind.RATE) is None
        self._rate = None if forgotten or rate is None else (rate, now)
        self.is_paced = self._rate is not None

    # --- Messages in a session ---

    def session_ended(self, number: int, words: str, *, named: bool) -> None:
        """A session that had carried ``number`` messages took no more, and a new one took the message.

        Unless the words ``named`` a session, it must have happened twice at the same number: some errors pass quickly.
        """
        self._weak[number] = self._weak.get(number, 0) + 1
        if not (named or self._weak[number] > 1):
            return
        learned = self._store.teach(self.relay, LimitKind.SESSION, lambda known: _lower(known, number, words))
        if not self._fixed_messages:
            self.messages = int(learned.value)

    # --- Connections ---

    def may_open(self, open_now: int) -> bool:
        """True if one more connection may be opened; asked for when work waits."""
        if open_now < self._slots and self._crowd is None:
            return True
        now = self._clock()
        if now < self._denied_until:
            return False
        granted = self._slots = self._store.slots(self.relay, open_now + 1)
        if granted <= open_now:
            self._denied_until = now + 0.25
        return granted > open_now

    @property
    def is_crowded(self) -> bool:
        """True while the number of connections is limited."""
        return self._crowd is not None and self._crowd.now(LimitKind.CONNECTIONS) is not None

    @property
    def granted(self) -> int:
        """How many connections this process may have open."""
        return self._slots

    def released(self, open_now: int) -> None:
        """Tell that fewer connections are open."""
        if self._slots > open_now:
            self._slots = self._store.slots(self.relay, open_now)

    def closed(self) -> None:
        """A connection of ours ended: the relay may count it for a moment."""
        self._closed_at = self._clock()

    def crowded(self, open_now: int, words: str, *, named: bool) -> bool:
        """A connection was refused while ``open_now`` of ours worked; False if we have none open: it is not our number.

        What is open now is what the relay allows. If the words do not say so (``named``), only what we see ourselves
        counts, or what is known already.
        """
        if not (named or open_now or self.is_crowded):
            return False
        total = open_now + self._store.others(self.relay)
        if total == 0:
            return False
        if self._clock() - self._closed_at < JUST_CLOSED:
            self._denied_until = self._clock() + JUST_CLOSED / 2
            return True
        self._crowd = self._store.teach(self.relay, LimitKind.CONNECTIONS, lambda known: _fewer(known, total, words))
        self._slots = self._store.slots(self.relay, open_now)
        self._denied_until = self._clock() + 1.0
        return True

    # --- The rate ---

    def is_relays(self, text: str, domain: str) -> bool:
        """True if a sign to slow down is the relay's: other domains gave the same words, or it is known for them."""
        now, words = self._clock(), alike(text)
        if self._rate is None:
            # Another process may have learned it a moment ago.
            self._adopt(self._store.load(self.relay), now)
        if self._rate is not None and alike(self._rate[0].words) == words:
            return True
        seen = self._signs.setdefault(words, {})
        seen[domain] = now
        return sum(1 for at in seen.values() if now - at < SIGNS_FOR) > 1

    def slow_down(self, text: str) -> None:
        """The relay asks for less."""
        now = self._clock()
        self._slowed += 1
        at, accepted, slowed = self._sign
        if self._rate is not None and now - at < BURST:
            return
        offered = self.accepted - accepted + self._slowed - slowed
        taken = self.accepted - accepted
        lately, seconds = self._lately(now, float(period(text) or 1))

        def change(known: Learned | None) -> Learned:
            if known is None or known.now(LimitKind.RATE) is None:
                return first_rate(accepted=lately, seconds=seconds, text=text)
            if known.age < BURST:
                return known
            return known.slower(offered=offered, accepted=taken, text=text)

        learned = self._store.teach(self.relay, LimitKind.RATE, change)
        self._rate, self.is_paced = (learned, now), True
        self._sign = now, self.accepted, self._slowed

    def _lately(self, now: float, seconds: float) -> tuple[int, float]:
        """How many were accepted within so many seconds, or somewhat more, and in how many."""
        before = next(((at, number) for at, number in self._marks if at >= now - max(seconds, 1.0)), None)
        if before is None:
            return self.accepted - (self._marks[-1][1] if self._marks else 0), seconds
        return self.accepted - before[1], max(seconds, now - before[0])

    def enter(self) -> bool:
        """True if a mail may go now; to be asked only while :attr:`is_paced`."""
        if self._rate is None or self._fixed_rate_goes():
            return True
        learned, at = self._rate
        age = learned.age + self._clock() - at
        if age < learned.pause:
            return False
        rate = Learned(learned.value, learned.words, age, learned.pause).now(LimitKind.RATE)
        return rate is None or rate >= UNLIMITED or self._store.enter(self.relay, rate)

    def _fixed_rate_goes(self) -> bool:
        # A setting wins; but what was just refused is not offered again within the same second.
        return self._fixed_rate and self._rate is not None and self._clock() - self._sign[0] >= BURST


def _lower(known: Learned | None, number: int, words: str) -> Learned:
    """A session's limit after another sign; two processes may learn it at once."""
    if known is not None and known.age < SESSION_CALM:
        number = min(number, int(known.value))
    return Learned(float(max(1, number)), words)


def _fewer(known: Learned | None, total: int, words: str) -> Learned:
    # One more was tried after a calm time, and refused: what was known before still holds.
    present = None if known is None or known.age > FORGOTTEN[LimitKind.CONNECTIONS] else known.value
    return Learned(float(max(1, total if present is None else min(total, int(present)))), words)
