"""The rules for one network: what is limited is the number of confirmations that are not answered yet.

A network begins with a few places. Each confirmation takes one; each answer frees it at once and adds one, like the
slow start of TCP (RFC 5681 section 3.1). A place without an answer is free again after an hour, and takes one place
away. A request that finds no place free is promised the minute at which one is free even if nothing is answered: a
booking, which is kept whatever happens to the places. Answers move bookings forward. All times are whole minutes since
1970 (UTC).
"""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

LIFE: Final = 60
"""Minutes for which a confirmation without an answer takes a place."""

HORIZON: Final = 6 * 60
"""Minutes that a request may be booked ahead; beyond, the form takes no more."""

PATIENCE: Final = 10
"""Minutes that people are given to answer before a confirmation counts as unanswered in the ratio."""

JUDGED: Final = 50
"""The newest confirmations, of which the ratio of a network is taken."""

FEWEST: Final = 20
"""With fewer confirmations a network is not judged."""

LEAST: Final = 0.2
"""A network with a smaller share of answers is put under the shield."""

SHIELDED_PLACES: Final = 5
"""Places of a network under the shield, at most."""

UNPROVEN_WAIT: Final = 30
"""Minutes that a request without a proof of work waits under the shield, at least."""

_HALVINGS: Final = 20


def minute_of(moment: datetime) -> int:
    """The whole minute of a moment."""
    return int(moment.timestamp()) // 60


def moment_of(minute: int) -> datetime:
    """The moment at which a minute begins."""
    return datetime.fromtimestamp(minute * 60, UTC)


@dataclass(frozen=True)
class Limits:
    """Places of a network: at the beginning and after a fall, and at most."""

    start: int
    cap: int


@dataclass(frozen=True)
class Booking:
    """What a request was promised: the minute of its email, and its number in the line if that is later."""

    minute: int
    ticket: int | None = None


@dataclass(frozen=True)
class Network:
    """What is known about one network at present: numbers and minutes."""

    window: int
    seen: int
    """The minute up to which the past was looked at."""
    booked: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By minute, past or future: confirmations, and how many of these were answered."""
    unproven: dict[int, int] = field(default_factory=dict)
    """By minute in the future: how many of these are without a proof of work, and never move forward."""
    issued: int = 0
    """Numbers of the line that were given out."""
    answered_at: int = 0
    """The minute of the last answer, or of the last fall for the lack of one."""
    lifted_at: int = 0
    """Confirmations of before this minute are not judged."""

    def _taken(self, minute: int) -> int:
        """Places that are taken at a minute if nothing more is answered."""
        return sum(sent - answered for when, (sent, answered) in self.booked.items() if minute - LIFE < when <= minute)

    @property
    def out(self) -> int:
        """Places that are taken now."""
        return self._taken(self.seen)

    @property
    def _line(self) -> dict[int, int]:
        """Bookings that an answer moves forward, by minute."""
        ahead = {
            when: sent - self.unproven.get(when, 0)
            for when, (sent, _) in sorted(self.booked.items())
            if when > self.seen
        }
        return {when: number for when, number in ahead.items() if number > 0}

    @property
    def waiting(self) -> int:
        """Bookings of later minutes."""
        return sum(sent for when, (sent, _) in self.booked.items() if when > self.seen)

    @property
    def released(self) -> int:
        """Requests with a smaller number in the line may be decided now."""
        return self.issued - sum(self._line.values())

    def ratio(self) -> tuple[int, int]:
        """Of the newest confirmations that have had time: how many were answered, and how many were sent."""
        answered = sent = 0
        for minute in sorted(self.booked, reverse=True):
            if sent >= JUDGED or minute < self.lifted_at:
                break
            if minute <= self.seen - PATIENCE:
                sent, answered = sent + self.booked[minute][0], answered + self.booked[minute][1]
        return answered, sent

    @property
    def is_shielded(self) -> bool:
        """True if hardly any confirmation there is answered."""
        answered, sent = self.ratio()
        return sent >= FEWEST and answered < LEAST * sent

    @property
    def capacity(self) -> int:
        """Places there are."""
        return min(self.window, SHIELDED_PLACES) if self.is_shielded else self.window

    def at(self, now: int, limits: Limits) -> "Network":
        """The network at a later minute: old places are free again, and the window has fallen for them."""
        now = max(now, self.seen)
        window, answered_at = self.window, self.answered_at
        for minute, (sent, answered) in self.booked.items():
            if self.seen - LIFE < minute <= now - LIFE:
                window -= sent - answered
        if answered_at and (hours := (now - answered_at) // LIFE) > 0:
            window, answered_at = window >> min(hours, _HALVINGS), answered_at + hours * LIFE
        return replace(
            self,
            window=max(limits.start, min(window, limits.cap)),
            seen=now,
            booked=self._kept(now),
            unproven={minute: number for minute, number in self.unproven.items() if minute > now},
            answered_at=answered_at,
        )

    def _kept(self, now: int) -> dict[int, tuple[int, int]]:
        """What takes a place or is judged at a minute."""
        kept: dict[int, tuple[int, int]] = {}
        judged = 0
        for minute in sorted(self.booked, reverse=True):
            if minute <= now - LIFE and judged >= JUDGED:
                break
            kept[minute] = self.booked[minute]
            judged += self.booked[minute][0] if minute <= now - PATIENCE else 0
        return kept

    def _free_minute(self, earliest: int) -> int | None:
        """The first minute from one on with a free place if nothing is answered; None if that is too far away."""
        capacity = self.capacity
        ends = (minute + LIFE for minute, (sent, answered) in self.booked.items() if sent > answered)
        for minute in (earliest, *sorted(end for end in ends if end > earliest)):
            if minute > self.seen + HORIZON:
                break
            later = (when for when in self.booked if minute < when < minute + LIFE)
            if all(self._taken(when) < capacity for when in (minute, *later)):
                return minute
        return None

    def book(self, *, proven: bool = True) -> "tuple[Network, Booking | None]":
        """Promise one more request a minute; None if all of the next hours are promised.

        Args:
            proven: False for a request without a proof of work while the network is under the shield.
        """
        earliest = self.seen + UNPROVEN_WAIT if self.is_shielded and not proven else max(self._line, default=self.seen)
        minute = self._free_minute(earliest)
        if minute is None:
            return self, None
        sent, answered = self.booked.get(minute, (0, 0))
        after = replace(self, booked=self.booked | {minute: (sent + 1, answered)})
        if minute == self.seen:
            return after, Booking(minute)
        if self.is_shielded and not proven:
            unproven = self.unproven | {minute: self.unproven.get(minute, 0) + 1}
            return replace(after, unproven=unproven), Booking(minute)
        return replace(after, issued=self.issued + 1), Booking(minute, self.issued)

    def answered(self, limits: Limits) -> "Network":
        """A confirmation was answered: its place is free, there is one more, and bookings move forward."""
        booked = dict(self.booked)
        for minute in sorted(self.booked, reverse=True):
            sent, answered = self.booked[minute]
            if minute <= self.seen and answered < sent:
                booked[minute] = sent, answered + 1
                break
        window = min(limits.cap, self.window + 1)
        return replace(self, booked=booked, window=window, answered_at=self.seen).moved()

    def moved(self) -> "Network":
        """Let the first of the line have what places are free."""
        free, booked = max(0, self.capacity - self.out), dict(self.booked)
        for minute, number in self._line.items():
            going = min(free, number)
            if going:
                sent, answered = booked.get(self.seen, (0, 0))
                booked[self.seen] = sent + going, answered
                booked[minute] = booked[minute][0] - going, 0
                free -= going
        return replace(self, booked={minute: pair for minute, pair in booked.items() if pair[0] > 0})

    def lifted(self) -> "Network":
        """The shield is taken away: what was sent before this minute is not judged."""
        return replace(self, lifted_at=self.seen + 1)

    def as_text(self) -> str:
        """What is kept of it."""
        rows = [[minute, *pair] for minute, pair in sorted(self.booked.items())]
        values = [self.window, self.seen, rows, list(self.unproven.items()), self.issued, self.answered_at]
        return json.dumps([1, *values, self.lifted_at], separators=(",", ":"))


def fresh(now: int, limits: Limits) -> Network:
    """A network that nothing is known about."""
    return Network(window=limits.start, seen=now)


def from_text(text: str | bytes) -> Network:
    """What :meth:`Network.as_text` wrote.

    Raises:
        ValueError: another release wrote it.
    """
    version, window, seen, rows, unproven, issued, answered_at, lifted_at = json.loads(text)
    if version != 1:
        raise ValueError("a network of another version")
    booked = {minute: (sent, answered) for minute, sent, answered in rows}
    return Network(window, seen, booked, dict(unproven), issued, answered_at, lifted_at)
