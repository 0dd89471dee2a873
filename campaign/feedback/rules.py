"""What kinds of events mean."""

from collections.abc import Mapping
from typing import Final

from campaign.states import CameBack, EventKind

CAME_BACK: Final[Mapping[EventKind, CameBack]] = {
    EventKind.DEFERRED: CameBack.DEFERRED,
    EventKind.DELIVERED: CameBack.DELIVERED,
    # Who answers has it, and so has a program that answers in somebody's place.
    EventKind.AUTORESPONDED: CameBack.DELIVERED,
    EventKind.REPLIED: CameBack.DELIVERED,
    EventKind.UNSUBSCRIBED: CameBack.DELIVERED,
    EventKind.BOUNCED: CameBack.BOUNCED,
    EventKind.REJECTED: CameBack.BOUNCED,
    EventKind.FAILED: CameBack.BOUNCED,
    EventKind.COMPLAINED: CameBack.COMPLAINED,
}
"""What is known of a message after such an event; the others say nothing about its arrival."""

HANDED_OVER: Final = frozenset(EventKind) - {EventKind.UNKNOWN}
"""Events that can only exist because the mail server took the message: they settle an uncertain one."""
