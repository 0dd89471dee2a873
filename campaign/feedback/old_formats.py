"""Bounces in the formats of before RFC 3464, by flufl.bounce."""

import email.message
import logging

from flufl.bounce import all_failures

from campaign.states import EventKind

# It says at each mail which of its detectors it tries.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)


def read(message: email.message.Message) -> EventKind | None:
    """Bounced or deferred if a known old format says so; None for all else. Whom it names is not looked at."""
    try:
        temporary, permanent = all_failures(message)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # Its detectors expect well-formed mail.
        return None
    if permanent:
        return EventKind.BOUNCED
    return EventKind.DEFERRED if temporary else None
