"""Replies of a mail server: read within bounds, without addresses, and one table of what they mean.

Everything that reacts to a refusal reads the verdict of this table: session, retries, suppression, lanes, throttling.
"""

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from campaign.smtp import words
from campaign.smtp.transport import SESSION_PHASES, Blame, Bounce, Phase, Result, Verdict
from campaign.states import LimitKind

MAX_REPLY: Final = 16 * 1024
"""Octets of one reply with all its lines; RFC 5321 section 4.5.3.1.5 knows 512 a line."""
MAX_TEXT: Final = 200

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*))?\r?\n?")
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")
_ADDRESS = re.compile(r"<[^<>]*>|[^\s<>\"'(),:;=\[\]]+@[^\s<>\"'(),:;\]]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


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
    """``text`` without mail addresses, control characters and lone surrogates, at most 200 characters."""
    if "@" in text or "<" in text:
        text = _ADDRESS.sub("<address>", text)
    if not text.isprintable():
        text = _CONTROLS.sub(" ", text)
    return text[:MAX_TEXT].strip()


_ALL: Final = frozenset(Phase)
_MESSAGE: Final = _ALL - SESSION_PHASES
_MAIL, _RCPT, _DOT, _STARTTLS = (frozenset({phase}) for phase in (Phase.MAIL, Phase.RCPT, Phase.DOT, Phase.STARTTLS))
_WELCOME: Final = frozenset({Phase.BANNER, Phase.EHLO})
_BEFORE_DOT: Final = _MESSAGE - _DOT
_BODY: Final = frozenset({Phase.DATA, Phase.DOT})

NO_REPLY: Final = "none"
"""In place of a code: the connection was lost, or a deadline passed."""

_GONE, _FULL, _UNKNOWN = Bounce("gone", 1), Bounce("full", 4), Bounce("unknown", 2)

ACCEPTED: Final = Verdict(Result.ACCEPTED, Blame.NOBODY)
UNCERTAIN: Final = Verdict(Result.UNCERTAIN, Blame.SERVER)
AWAY: Final = Verdict(Result.TEMPORARY, Blame.SERVER)
"""Certainly not sent, and no fault of the message: the server is away, busy, or asks to try later."""
NO_SESSION: Final = Verdict(Result.TEMPORARY, Blame.US, pauses_lane=True)
"""The server will give no session until the configuration is changed."""
BAD_MESSAGE: Final = Verdict(Result.PERMANENT, Blame.US)
"""Our own finding, without a reply: this server can't take the message as it is."""
BAD_RECIPIENT: Final = Verdict(Result.PERMANENT, Blame.RECIPIENT)
"""A recipient who can't get this mail, though the mailbox may be there for others."""

_SLOWER: Final = Verdict(Result.TEMPORARY, Blame.SERVER, throttles=True)
_LEAVING: Final = replace(_SLOWER, ends_session=True)
_CROWDED: Final = replace(AWAY, limit=LimitKind.CONNECTIONS)
_SESSION_FULL: Final = replace(AWAY, limit=LimitKind.SESSION, tries_another_session=True)
_RATE: Final = replace(_SLOWER, limit=LimitKind.RATE)
_PERHAPS_FULL: Final = replace(AWAY, tries_another_session=True)
_CONFIGURATION: Final = Verdict(Result.PERMANENT, Blame.US, is_block=True, pauses_lane=True)
_REPUTATION: Final = Verdict(Result.PERMANENT, Blame.US, is_block=True)
REPUTATION: Final = _REPUTATION
"""A refusal that is about us and not about the recipient."""
_TEXT: Final = Verdict(Result.PERMANENT, Blame.US, is_block=True, is_text=True)


@cache
def _starts(patterns: str, end: str = "") -> tuple[str, ...]:
    return tuple(f"{pattern}{end}" for pattern in patterns.split())


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: which replies it fits, and what they mean."""

    phases: frozenset[Phase]
    codes: str
    """Reply codes, or their first digits, or :data:`NO_REPLY`, with blanks between; empty: all."""
    enhanced: str
    """Enhanced status codes, or their first numbers (5.7 is 5.7.1 and 5.7.26), with blanks between; empty: all."""
    verdict: Verdict
    words: str = ""
    """A regular expression to be found in the text, in any case; empty: all."""

    def fits(self, phase: Phase, code: int | None, enhanced: str | None, text: str) -> bool:
        """True if the row is about such a reply."""
        return (
            phase in self.phases
            and (not self.codes or str(code or NO_REPLY).startswith(_starts(self.codes)))
            and (not self.enhanced or f"{enhanced}.".startswith(_starts(self.enhanced, end=".")))
            and (not self.words or re.search(self.words, text, re.IGNORECASE) is not None)
        )


# Details of RFC 3463 that are our fault although their subject is not: bad sender's address (1.7, 1.8), message too
# long for the mailbox (2.3) or the system (3.4), not allowed to send as this sender (2.252, Exchange's); with all of
# protocol (5) and content (6).
_OURS: Final = "5.1.7 5.1.8 5.2.3 5.2.252 5.3.4 5.5 5.6"
# About the sender: policy (7), and the daily limit of an account (4.5, Google's).
_SENDER: Final = "5.7 5.4.5"

TABLE: Final = (
    # Accepted: 250 after the final dot (RFC 5321 section 4.2.5). No word after it: the server may have the message.
    Row(_DOT, "2", "", ACCEPTED),
    Row(_DOT, f"3 {NO_REPLY}", "", UNCERTAIN),
    # No session. 454 to STARTTLS is called temporary (RFC 3207), but without TLS nothing is sent: someone must look.
    Row(_STARTTLS, f"421 {NO_REPLY}", "", AWAY),
    Row(_STARTTLS, "", "", NO_SESSION),
    # A server that is full says so with 421 or 554 (RFC 5321 sections 3.1 and 3.8): fewer connections will do.
    Row(_WELCOME, "4 5", "", _CROWDED, words=words.CONNECTIONS),
    Row(_WELCOME, "4", "", replace(AWAY, limit=LimitKind.RATE), words=words.RATE),
    Row(SESSION_PHASES, f"4 {NO_REPLY}", "", AWAY),
    Row(SESSION_PHASES, "", "", NO_SESSION),
    # What a mailbox is full of, or asks for, is no limit of the relay (RFC 3463 section 3.3).
    Row(_MESSAGE, "450 451 452", "4.2", AWAY),
    # Limits of the relay (F59 to F61). A session that is full says so with 452, 451 or 421, some with 5xx.
    Row(_MESSAGE, "421", "", replace(_SESSION_FULL, ends_session=True), words=words.SESSION),
    Row(_MESSAGE, "4 5", "", _SESSION_FULL, words=words.SESSION),
    Row(_MESSAGE, "421", "", replace(_CROWDED, ends_session=True), words=words.CONNECTIONS),
    Row(_MESSAGE, "4", "", _CROWDED, words=words.CONNECTIONS),
    Row(_MESSAGE, "421", "", replace(_RATE, ends_session=True), words=words.RATE),
    Row(_MESSAGE, "4", "", _RATE, words=words.RATE),
    # Asks for less: 421 closes the connection (RFC 5321 section 3.8), 454 is Amazon SES's sending rate, 4.7 is policy.
    # With 4.4, not reachable, it is also a soft bounce, if it lasts until the message expires (RFC 3463 section 3.5).
    Row(_MESSAGE, "421", "4.4", replace(_LEAVING, bounce=_FULL)),
    Row(_MESSAGE, "421", "", _LEAVING),
    Row(_MESSAGE, "454", "4.4", replace(_SLOWER, bounce=_FULL)),
    Row(_MESSAGE, "454", "", _SLOWER),
    Row(_MESSAGE, "4", "4.7", _SLOWER),
    # Without words: storage (3.1) is the server's; at MAIL nothing else is named yet but the session.
    Row(_MESSAGE, "4", "4.3.1", AWAY),
    Row(_BEFORE_DOT, "451 452", "4.4.5 4.5.3", replace(_PERHAPS_FULL, bounce=None)),
    Row(_MESSAGE, "4", "4.4", replace(AWAY, bounce=_FULL)),
    Row(_MAIL, "4", "", _PERHAPS_FULL),
    Row(_BEFORE_DOT, "452", "", _PERHAPS_FULL),
    # Greylisting and all other 4xx say nothing about the recipient. Nor does a 2xx or 3xx where none belongs.
    Row(_MESSAGE, f"2 3 4 {NO_REPLY}", "", AWAY),
    # What a mailbox is full of is no quota of ours.
    Row(_MESSAGE, "5", "5.2.2", Verdict(Result.PERMANENT, Blame.RECIPIENT, _FULL)),
    # Said of us, whatever the code (F62): the sender may not relay, not send as this address, or not so much a day.
    Row(_MAIL, "5", "", _CONFIGURATION, words=words.ABOUT_US),
    Row(_MESSAGE, "5", "", _REPUTATION, words=words.ABOUT_US),
    Row(_MESSAGE, "5", "5.2.252 5.4.5", _REPUTATION),
    Row(_DOT, "5", "5.2.0", _REPUTATION),
    # No such mailbox or system, moved (RFC 3463 section 3.2), null MX (RFC 7505), disabled (RFC 3463 section 3.3).
    Row(_MESSAGE, "5", "5.1.1 5.1.2 5.1.3 5.1.6 5.1.10 5.2.1", Verdict(Result.PERMANENT, Blame.RECIPIENT, _GONE)),
    # The mailbox or its domain has another owner (RFC 7293): not for this recipient, and no dead address.
    Row(_MESSAGE, "5", "5.7.17 5.7.18", BAD_RECIPIENT),
    # Too many recipients: the server's limit (RFC 3463 section 3.6).
    Row(_MESSAGE, "5", "5.5.3", Verdict(Result.PERMANENT, Blame.SERVER)),
    # Our fault. At MAIL no recipient is named yet, so it can only be the configuration, such as a missing password.
    # 5.7 is about the sender, wherever it comes; without it, what comes after RCPT is about the text.
    Row(_MAIL, "5", f"{_OURS} {_SENDER}", _CONFIGURATION),
    Row(_RCPT, "5", f"{_OURS} {_SENDER}", _REPUTATION),
    Row(_BODY, "5", _SENDER, _REPUTATION),
    Row(_BODY, "5", f"{_OURS} 5.2.0", _TEXT),
    # The rest of addresses (1) and mailboxes (2), and of systems (3) and networks (4): RFC 3463 section 2.
    Row(_MESSAGE, "5", "5.1 5.2", Verdict(Result.PERMANENT, Blame.RECIPIENT, _UNKNOWN)),
    Row(_MESSAGE, "5", "5.3 5.4", Verdict(Result.PERMANENT, Blame.SERVER, _UNKNOWN)),
    # No enhanced code, or one that says nothing: the phase tells.
    Row(_RCPT, "5", "", Verdict(Result.PERMANENT, Blame.RECIPIENT, _UNKNOWN)),
    Row(_MAIL, "5", "", _CONFIGURATION),
    Row(_BODY, "5", "", _TEXT),
)

GONE_CODES: Final = frozenset(code for row in TABLE if row.verdict.bounce is _GONE for code in row.enhanced.split())
"""Enhanced status codes of an address that is not there."""


def judge(phase: Phase, code: int | None = None, enhanced: str | None = None, text: str = "") -> Verdict:
    """What a reply means, or with no ``code`` that there was none."""
    return next(row.verdict for row in TABLE if row.fits(phase, code, enhanced, text))
