"""What kinds of events mean."""

import re
from collections.abc import Mapping
from typing import Final

from campaign.states import CameBack, EventKind

CAME_BACK: Final[Mapping[EventKind, CameBack]] = {
    EventKind.DEFERRED: CameBack.DEFERRED,
    EventKind.DELIVERED: CameBack.DELIVERED,
    # Who answers has it, and so has a program that answers for its reader.
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

ABOUT_US: Final = re.compile(
    r"spam|\bblock(ed|list)|black ?list|\b(dns)?bl\b|\brbl\b|reputation|polic(y|ies)|unsolicited|\bcontent\b|"
    r"\b(spf|dkim|dmarc)\b|rate limit|limit exceeded|too many (messages|connections)|"
    r"relay(ing)? (access|denied|not)|to relay",
    re.IGNORECASE,
)
"""Words of a server that are about the sender or the text, where its enhanced code says nothing."""

UNSPECIFIC: Final = frozenset({None, "5.0.0", "4.0.0"})
"""Enhanced codes that say nothing (RFC 3463 section 3.1)."""
