"""Replies of a mail server: read with bounds, enhanced status codes (RFC 2034, 3463) parsed, addresses taken out."""

import re
from dataclasses import dataclass
from typing import Final

from campaign.smtp.transport import Blame, Phase

MAX_REPLY: Final = 16 * 1024
"""Octets of one reply with all its lines; RFC 5321 section 4.5.3.1.5 knows 512 a line."""
MAX_TEXT: Final = 200

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*))?\r?\n?")
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")
_ADDRESS = re.compile(r"<[^<>]*>|[^\s<>\"'(),:;=\[\]]+@[^\s<>\"'(),:;\]]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class BrokenReplyError(ValueError):
    """Raised when what the server says is no SMTP reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: code, and the text of its lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code such as 5.1.1, if there is one of the same class as the code."""
        return enhanced_code(self.code, self.lines[0])

    @property
    def text(self) -> str:
        """All lines as one, without addresses and control characters, cut."""
        return scrubbed(" ".join(self.lines))


def enhanced_code(code: int, text: str) -> str | None:
    """The enhanced status code that a reply's text begins with (RFC 2034), if it is of the same class as ``code``."""
    found = _ENHANCED.match(text)
    return found[1] if found and found[1][0] == str(code)[0] else None


class ReplyReader:
    """Cuts a stream of bytes into replies."""

    def __init__(self) -> None:
        self._buffer = b""
        self._lines: list[str] = []
        self._code = 0
        self._size = 0

    @property
    def is_empty(self) -> bool:
        """True if nothing is left over of what was fed."""
        return not self._buffer and not self._lines

    def clear(self) -> None:
        """Throw away what was read and not used yet (RFC 3207 section 4.2: after STARTTLS)."""
        self._buffer, self._lines, self._size = b"", [], 0

    def feed(self, data: bytes) -> list[Reply]:
        """All replies completed by ``data``.

        Raises:
            BrokenReplyError: for lines that are no reply, codes that change within one, or too many bytes.
        """
        buffer = self._buffer + data if self._buffer else data
        *lines, self._buffer = buffer.split(b"\n")
        replies = [reply for line in lines if (reply := self._line(line)) is not None]
        if self._size + len(self._buffer) > MAX_REPLY:
            raise BrokenReplyError("the reply is too long")
        return replies

    def _line(self, line: bytes) -> Reply | None:
        found = _LINE.fullmatch(line)
        if found is None:
            raise BrokenReplyError("what came is no SMTP reply")
        code = int(found[1])
        if self._lines and code != self._code:
            raise BrokenReplyError("the lines of a reply have different codes")
        text = (found[3] or b"").decode("utf-8", "replace")
        if found[2] == b"-":
            self._code = code
            self._lines.append(text)
            self._size += len(line)
            if self._size > MAX_REPLY:
                raise BrokenReplyError("the reply is too long")
            return None
        if not self._lines:
            return Reply(code, (text,))
        reply = Reply(code, (*self._lines, text))
        self._lines, self._size = [], 0
        return reply


def scrubbed(text: str) -> str:
    """``text`` without mail addresses and control characters, at most 200 characters."""
    if "@" in text or "<" in text:
        text = _ADDRESS.sub("<address>", text)
    if not text.isprintable():
        text = _CONTROLS.sub(" ", text)
    return text[:MAX_TEXT].strip()


# RFC 3463 subjects (second number), with the details that speak of somebody else.
_BY_SUBJECT = {
    "1": Blame.RECIPIENT,
    "2": Blame.RECIPIENT,
    "3": Blame.SERVER,
    "4": Blame.SERVER,
    "5": Blame.US,
    "6": Blame.US,
    "7": Blame.US,
}
_BY_DETAIL = {
    "1.7": Blame.US,  # bad sender's mailbox syntax
    "1.8": Blame.US,  # bad sender's system address
    "3.4": Blame.US,  # message too big for system
    "2.3": Blame.US,  # message too long for this mailbox
    "5.3": Blame.SERVER,  # too many recipients
    "7.17": Blame.RECIPIENT,  # mailbox owner has changed (RFC 7293)
    "7.18": Blame.RECIPIENT,  # domain owner has changed (RFC 7293)
}


def blame(phase: Phase, reply: Reply) -> Blame:
    """Who is to blame for a refusal. Greylisting and other 4xx say nothing about a person: the server."""
    if reply.code < 500:
        return Blame.SERVER
    if reply.enhanced is not None:
        _, subject, detail = reply.enhanced.split(".")
        return _BY_DETAIL.get(f"{subject}.{detail}") or _BY_SUBJECT.get(subject, _by_phase(phase))
    return _by_phase(phase)


def _by_phase(phase: Phase) -> Blame:
    return Blame.RECIPIENT if phase is Phase.RCPT else Blame.US
