"""What a refusal by a mail server says about the mailbox: gone, full, or nothing that a person can be blamed for."""

from collections.abc import Iterable
from datetime import date, timedelta
from enum import StrEnum

GONE_CODES = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""RFC 3463 3.2 and 3.3, RFC 7505: no such mailbox or system, moved, null MX, disabled."""

WINDOW = timedelta(days=30)
"""Strikes older than this do not count any more."""


class Meaning(StrEnum):
    """What a refusal means for further mail to the address."""

    GONE = "gone"
    """Nobody is there: suppressed at once."""
    FULL = "full"
    """Mailbox full, or not reachable for days: one strike a day, suppressed at four within :data:`WINDOW`."""
    UNKNOWN = "unknown"
    """A refusal without a usable code: two strikes on different days within :data:`WINDOW`."""
    OURS = "ours"
    """Policy, content, size or protocol (5.7.x, 5.6.x, 5.3.4, 5.5.x): our fault, no person is blamed."""


ENOUGH = {Meaning.GONE: 1, Meaning.FULL: 4, Meaning.UNKNOWN: 2}
"""Strikes on different days after which an address is suppressed."""


def meaning(code: int | None, enhanced: str | None) -> Meaning:
    """What a reply means.

    Args:
        code: the SMTP reply code; None if the server said nothing (then it is our own finding, nobody's fault).
        enhanced: the enhanced status code (RFC 3463), if there was one.
    """
    if code is None:
        return Meaning.OURS
    if enhanced in GONE_CODES:
        return Meaning.GONE
    if enhanced == "5.2.2" or (enhanced or "").startswith("4.4."):
        return Meaning.FULL
    if enhanced == "5.3.4" or (enhanced or "").startswith(("5.5.", "5.6.", "5.7.")):
        return Meaning.OURS
    return Meaning.UNKNOWN if code >= 500 else Meaning.OURS


def is_enough(kind: Meaning, days: Iterable[date], today: date) -> bool:
    """True if strikes of one kind on these days, today's included, suppress an address."""
    recent = {day for day in days if day > today - WINDOW}
    return kind in ENOUGH and len(recent | {today}) >= ENOUGH[kind]
