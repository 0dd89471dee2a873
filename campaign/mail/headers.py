"""Header fields as bytes: our own, because ``email`` folds List-Unsubscribe into encoded words (cpython#85725).

Every function returns whole lines that end in CRLF, and refuses what could begin another header.
"""

import base64
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Final

from campaign.errors import MailValueError

MAX_LINE: Final = 998
"""Octets on one line without its CRLF, RFC 5322 section 2.1.1."""
FOLD: Final = 76
MAX_WORD: Final = 75
"""Characters of one encoded word, RFC 2047 section 2."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_ONE_LINE_ASCII = re.compile(r"[ -~]+")
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,120}@[A-Za-z0-9.-]{1,190}>")
_BLANKS = re.compile(rb"[ \t\r\n]+")
# RFC 2047 section 5 (3): what may stand for itself in a Q-encoded word inside a phrase, the strictest place.
_Q_LITERAL = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


def unfolded(name: str, value: str) -> bytes:
    """A header on one line, whatever its length up to 998: for values in which a fold or an encoded word does harm.

    Raises:
        MailValueError: when the value is not printable ASCII or the line is too long.
    """
    line = f"{name}: {value}"
    if not _NAME.fullmatch(name) or not _ONE_LINE_ASCII.fullmatch(value) or len(line) > MAX_LINE:
        raise MailValueError({name: "header"})
    return line.encode("ascii") + b"\r\n"


def text(name: str, value: str) -> bytes:
    """An unstructured header such as Subject, folded, in encoded words where it is not ASCII.

    Raises:
        MailValueError: for control characters, line ends and lone surrogates.
    """
    _refuse_controls(name, value)
    if not value.isascii() or "=?" in value or value != " ".join(value.split()):
        return name.encode() + b": " + _encoded_words(value, used=len(name) + 2) + b"\r\n"
    lines, line = [], f"{name}:"
    for word in value.split():
        if len(word) > FOLD - 2:
            return name.encode() + b": " + _encoded_words(value, used=len(name) + 2) + b"\r\n"
        if len(line) + 1 + len(word) > FOLD and line.strip() != f"{name}:":
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line]).encode("ascii") + b"\r\n"


def mailbox(name: str, display: str | None, address: str) -> bytes:
    """A header with one mailbox, the display name quoted or encoded as it needs (RFC 5322 section 3.4, RFC 2047).

    A non-ASCII local part is written in UTF-8 (RFC 6532); the message then needs SMTPUTF8.
    """
    if not display:
        return f"{name}: {address}\r\n".encode()
    return name.encode() + b": " + phrase(name, display) + f" <{address}>\r\n".encode()


def phrase(name: str, display: str) -> bytes:
    """A display name: as it is, as a quoted string, or in encoded words."""
    _refuse_controls(name, display)
    if _ATOM.fullmatch(display) and "=?" not in display and len(display) < FOLD:
        return display.encode("ascii")
    if display.isascii() and "=?" not in display and len(display) < FOLD:
        return b'"' + re.sub(r'(["\\])', r"\\\1", display).encode("ascii") + b'"'
    return _encoded_words(display, used=len(name) + 2)


def message_id(value: str) -> bytes:
    """The Message-ID header; ``value`` with its angle brackets.

    Raises:
        MailValueError: when it is not one dot-atom id at a domain.
    """
    if not _MESSAGE_ID.fullmatch(value):
        raise MailValueError({"message_id": "header"})
    return b"Message-ID: " + value.encode("ascii") + b"\r\n"


@lru_cache(maxsize=8)
def _date_at(second: int) -> bytes:
    return f"Date: {format_datetime(datetime.fromtimestamp(second, UTC))}\r\n".encode("ascii")


def date(when: datetime) -> bytes:
    """The Date header in UTC, cut to the second."""
    return _date_at(int(when.timestamp()))


def name_of(header: bytes) -> str:
    """The name of a header line, in lower case."""
    return header.partition(b":")[0].strip().decode("ascii").lower()


def relaxed(header: bytes) -> bytes:
    """The relaxed canonical form of one header (RFC 6376 section 3.4.2), with its CRLF."""
    name, _, value = header.partition(b":")
    return name.strip().lower() + b":" + _BLANKS.sub(b" ", value).strip() + b"\r\n"


def _refuse_controls(name: str, value: str) -> None:
    if any(
        char < " " or "\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\udfff" or char in "\u2028\u2029"
        for char in value
    ):
        raise MailValueError({name: "control_characters"})


def _encoded_words(value: str, *, used: int) -> bytes:
    """``value`` in UTF-8 encoded words of whole characters, the first shorter by ``used``, one per line."""
    quoted = sum(1 if byte in _Q_LITERAL or byte == 32 else 3 for byte in value.encode())
    based = 4 * len(value.encode()) / 3
    encode, prefix = (_q_word, "=?utf-8?q?") if quoted <= based else (_b_word, "=?utf-8?b?")
    words: list[str] = []
    chunk = ""
    for char in value:
        room = MAX_WORD - (used if not words else 1)
        if chunk and len(prefix) + len(encode(chunk + char)) + 2 > room:
            words.append(chunk)
            chunk = ""
        chunk += char
    words.append(chunk)
    return "\r\n ".join(f"{prefix}{encode(word)}?=" for word in words).encode("ascii")


def _q_word(value: str) -> str:
    return "".join(
        chr(byte) if byte in _Q_LITERAL else "_" if byte == 32 else f"={byte:02X}" for byte in value.encode()
    )


def _b_word(value: str) -> str:
    return base64.b64encode(value.encode()).decode("ascii")
