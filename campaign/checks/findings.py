"""What a check found: what it is, why it matters, and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters."""

    FINE = "fine"
    LOOK = "look"
    """It works, and an admin should look at it."""
    STOP = "stop"
    """It can't work until an admin changes something."""
    UNKNOWN = "unknown"
    """It can't be checked here."""


@dataclass(frozen=True)
class Finding:
    """The result of one check. Sentences hold no password, no key and no data of signers."""

    check: str
    """A name that does not change, such as ``database.log_in``."""
    level: Level
    what: str
    why: str = ""
    remedy: str = ""
    passes: bool = False
    """True if the trouble may end by itself, as when a server is not up yet: worth waiting for at a start."""

    @property
    def sentence(self) -> str:
        """What it is and what to do, on one line."""
        return " ".join(filter(None, [self.what, self.remedy]))


def fine(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check, Level.FINE, what)


def unknown(check: str, reason: str, *, remedy: str = "") -> Finding:
    """It can't be checked here."""
    return Finding(check, Level.UNKNOWN, f"Can’t be checked here: {reason}.", remedy=remedy)
