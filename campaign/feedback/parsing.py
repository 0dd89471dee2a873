"""Parse mail that anyone may have written: the standard library's parser, with bounds that hold whatever it reads.

The parser makes a message of each part, of each nested mail, and of each group of fields of a delivery status, and it
compares each line with each boundary it is inside of. So parts are counted as they are made and headers as they are
read, not afterwards, and the number of comparisons is known before it begins.
"""

import codecs
import email
import email.errors
import email.message
import email.policy
import re
from collections.abc import Sequence
from email.header import decode_header
from typing import Final

MAX_HEADERS: Final = 16 * 1024
"""Octets of the headers of a mail, and of any one header in it."""
MAX_ALL_HEADERS: Final = 4 * MAX_HEADERS
"""Octets of all headers in a mail: of its parts, of the mails it quotes, and of the fields of a report."""
MAX_CONTENT_HEADER: Final = 2 * 1024
"""Octets of a header such as Content-Type: reading its parameters takes time by the square of its length."""
MAX_PARTS: Final = 50
"""Parts, nested mails and groups of fields."""
MAX_COMPARISONS: Final = 120_000
"""Lines times boundaries, and twice the lines for reading them: about a tenth of a second. Ten parts: 10,000 lines."""
MAX_TEXT: Final = 16 * 1024
"""Octets of a text in which words of a mail server are looked for."""
MAX_SUBJECT: Final = 1000

BROKEN: Final = (
    RecursionError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    email.errors.MessageError,
)
"""What the standard library raises on mail that is not well formed: it takes that for granted in many places."""

_UNSAFE_CODECS: Final = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})
"""Codecs that are no charset of mail: slow by the square of the length, or a way to write what is no text."""
_CHARSET: Final = re.compile(r"[a-z0-9][a-z0-9._:+-]{0,39}", re.IGNORECASE)
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class UnreadableMailError(ValueError):
    """Raised for a mail beyond the limits; ``problem`` is a code of the quarantine."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


class _Budget:
    """What is left of the bounds of one mail."""

    def __init__(self) -> None:
        self.messages = -1  # the parser makes one for trying
        self.octets = 0

    def message(self, policy: email.policy.Policy) -> email.message.Message:
        self.messages += 1
        if self.messages > MAX_PARTS:
            raise UnreadableMailError("parts")
        return email.message.Message(policy)

    def header(self, lines: Sequence[str]) -> None:
        size = sum(map(len, lines))
        self.octets += size
        limit = MAX_CONTENT_HEADER if lines[0][:8].lower() == "content-" else MAX_HEADERS
        if size > limit or self.octets > (MAX_HEADERS if self.messages <= 1 else MAX_ALL_HEADERS):
            raise UnreadableMailError("headers")


class _Bounded(email.policy.Compat32):
    """The parser's usual policy, which counts."""

    budget: _Budget | None = None

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """Called with the lines of each header."""
        if self.budget is not None:
            self.budget.header(sourcelines)
        return super().header_source_parse(sourcelines)


def parse(raw: bytes) -> email.message.Message:
    """Parse a mail, or a group of fields.

    Raises:
        UnreadableMailError: it has too many parts or too long headers.
        ValueError: or another of :data:`BROKEN`; the parser broke off.
    """
    lines = raw.count(b"\n") + raw.count(b"\r")
    if lines * (raw.lower().count(b"boundary") + 2) > MAX_COMPARISONS:
        raise UnreadableMailError("parts")
    budget = _Budget()
    # A policy takes values for all attributes of its class; typeshed knows those of the library.
    policy = _Bounded(budget=budget, message_factory=budget.message)  # type: ignore[call-arg]
    return email.message_from_bytes(raw, policy=policy)


def lines_of(raw: bytes) -> bytes:
    """The same with one kind of line end; the parser takes a CR alone for one, too."""
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def inside(part: email.message.Message) -> list[email.message.Message]:
    """What the parser has put into a part: parts, a nested mail, or groups of fields."""
    content = part.get_payload() if part.is_multipart() else []
    return [one for one in content if isinstance(one, email.message.Message)]


def octets_of(part: email.message.Message) -> bytes:
    """The content of a part that has no parts, its transfer encoding undone; empty if it has."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def text_of(part: email.message.Message) -> str:
    """The beginning of a text part in clear, whatever its charset claims to be."""
    charset = part.get_param("charset", "utf-8")
    return decoded(octets_of(part)[:MAX_TEXT], str(charset[2] if isinstance(charset, tuple) else charset))


def decoded(octets: bytes, charset: str) -> str:
    """Text of some octets, without lone surrogates; as UTF-8 if the charset is unknown, or none."""
    try:
        if _CHARSET.fullmatch(charset) and codecs.lookup(charset).name not in _UNSAFE_CODECS:
            return _SURROGATES.sub("\ufffd", octets.decode(charset, "replace"))
    except (LookupError, ValueError):
        pass
    return octets.decode("utf-8", "replace")


def in_clear(text: str) -> str:
    """The value of a header: octets that are not ASCII, as the parser keeps them, are read as UTF-8 (RFC 6532)."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def header_of(message: email.message.Message, name: str) -> str:
    """The first header of a name as it came, without its encoded words undone; empty if there is none."""
    return next((in_clear(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")


def headers_of(message: email.message.Message, name: str) -> list[str]:
    """All headers of a name, as they came."""
    return [in_clear(value) for key, value in message.raw_items() if key.lower() == name.lower()]


def subject_of(message: email.message.Message) -> str:
    """The subject in clear; as it came if it can't be decoded."""
    return words_of(header_of(message, "Subject")[:MAX_SUBJECT])


def words_of(raw: str) -> str:
    """The value of a header with its encoded words (RFC 2047) in clear; as it came if they can't be decoded."""
    if "=?" not in raw:
        return raw
    try:
        words = decode_header(raw)
    except (ValueError, LookupError, email.errors.HeaderParseError):
        return raw
    return "".join(word if isinstance(word, str) else decoded(word, charset or "utf-8") for word, charset in words)
