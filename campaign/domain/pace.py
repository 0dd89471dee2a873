"""How fast mail may go: buckets that fill at a rate, domains that ask for less, and days of warming up."""

from dataclasses import dataclass
from datetime import datetime, timedelta

SLICE = 0.25
"""Seconds whose worth of mail may go at once: short, so that a rate means what it says within each second."""

DOMAIN_SLICE = 1.25
"""The same for one recipient domain: its mail waits in the table, and is looked at each second, or a little later."""

SLOWED = 60.0
"""Mails a second to a domain that has no limit of its own, before it is slowed for the first time."""

SLOWEST = 1 / 64
HELD = 1 / 4096
"""A domain that refuses our mail for our own sake gets one mail a minute, and is as before after an hour."""

AGAIN = timedelta(seconds=30)
"""Answers of one burst are one sign: a domain is slowed at most once in this time."""

RECOVERY = timedelta(minutes=5)
"""After each of these without another sign the rate of a slowed domain doubles."""


@dataclass(frozen=True)
class Bucket:
    """What was left of a rate at a moment. ``left`` is negative after mail that may not wait."""

    left: float
    at: float

    def take(
        self, wanted: int, *, rate: float, now: float, must: bool = False, slice_: float = SLICE
    ) -> "tuple[int, Bucket]":
        """Take up to ``wanted`` mails; how many may go, and the bucket afterwards.

        Args:
            wanted: at most so many.
            rate: mails a second.
            now: seconds of the clock of ``at``.
            must: all of them go (urgent mail never waits), and others wait for it.
            slice_: seconds whose worth the bucket holds.
        """
        filled = min(max(1.0, rate * slice_), self.left + max(0.0, now - self.at) * rate)
        taken = wanted if must else max(0, min(wanted, int(filled)))
        return taken, Bucket(filled - taken, now)


@dataclass(frozen=True)
class Slowness:
    """A domain that asked for less mail: 421, or 4.7.x."""

    factor: float
    since: datetime

    def now(self, now: datetime) -> float:
        """The share of the usual rate that may go at present, up to 1."""
        return float(min(1.0, self.factor * 2.0 ** int((now - self.since) / RECOVERY)))

    def asked_again(self, now: datetime) -> "Slowness":
        """Half of the present rate, but once per burst."""
        if now - self.since < AGAIN:
            return self
        return Slowness(min(self.now(now), max(SLOWEST, self.now(now) / 2)), now)


def first_sign(now: datetime) -> Slowness:
    """The first time a domain asks for less."""
    return Slowness(0.5, now)


def held(now: datetime) -> Slowness:
    """A domain that refuses our mail for our own sake."""
    return Slowness(HELD, now)


def is_sign(code: int | None, enhanced: str | None) -> bool:
    """True if an answer asks for less mail: 421, a temporary refusal for policy (RFC 3463 section 3.8), or 454.

    454 is how Amazon SES says that its sending rate was passed. It is about a message here: outcomes of STARTTLS and
    AUTH, where RFC 3207 and RFC 4954 use it, are never asked about.
    """
    return code in {421, 454} or (enhanced or "").startswith("4.7.")
