"""Bounces in the formats of before RFC 3464, by flufl.bounce."""

import email.message
import logging
from typing import Final

from flufl.bounce import all_failures

from campaign.feedback.parsing import BROKEN, lines_of, parse
from campaign.states import EventKind

# It says at each mail which of its detectors it tries, and in case of an error what it read.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)

MAX_OCTETS: Final = 12 * 1024
"""Octets of the text that its detectors see; what they look for comes first."""
MAX_LINES: Final = 300
MAX_LINE: Final = 200
"""Octets of a line that they see: some take time by the square of its length."""


def read(raw: bytes) -> EventKind | None:
    """Bounced or deferred if a known old format says so; None for all else. Whom it names is not looked at."""
    headers, _, text = lines_of(raw).partition(b"\n\n")
    lines = [line[:MAX_LINE] for line in text[:MAX_OCTETS].split(b"\n")[:MAX_LINES]]
    try:
        temporary, permanent = all_failures(_plain(parse(b"\n".join([headers, b"", *lines]))))
    except BROKEN:
        # Its detectors expect well-formed mail.
        return None
    if permanent:
        return EventKind.BOUNCED
    return EventKind.DEFERRED if temporary else None


def _plain(message: email.message.Message) -> email.message.Message:
    """The mail without the mails in it, which are about others, and without the parameters of its parts.

    So their texts are read as ASCII, whatever they claim to be.
    """
    for part in message.walk():
        if part.get_content_maintype() == "message":
            part.set_payload("")
        if "Content-Type" in part:
            part.replace_header("Content-Type", part.get_content_type())
    return message
