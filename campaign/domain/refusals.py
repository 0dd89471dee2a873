"""Refusals for our own sake: when the sender is at fault, and when only one receiver says so."""

from dataclasses import dataclass
from datetime import timedelta

ENOUGH = 5
"""So many in a row, by several receivers and without one acceptance between them, are no matter of a receiver."""

SEVERAL = 2

PROOF = timedelta(days=1)
"""A mail server that took mail within this time takes mail of ours: one receiver's refusal is its own."""


@dataclass(frozen=True)
class InARow:
    """Refusals for our own sake since the last acceptance. ``receivers`` are keys of :func:`receiver`."""

    number: int
    receivers: frozenset[bytes]

    def needs_a_person(self, *, proven: bool) -> bool:
        """True if the lane should stop.

        Args:
            proven: a mail server took mail of ours within :data:`PROOF`. Until it has, the first refusal is taken for
                what it most often is, a sender that was set up wrongly.
        """
        if not proven:
            return self.number > 0
        return self.number >= ENOUGH and len(self.receivers) >= SEVERAL


def receiver(domain: str) -> str:
    """Whom a domain belongs to, roughly: its last two labels, for subdomains cost nothing."""
    return ".".join(domain.lower().split(".")[-2:])


def is_share(refused: int, judged: int) -> bool:
    """True if more than one answer in ten says the same: that is the domain's opinion, not chance."""
    return refused * 10 > judged
