"""What was written in a reply: the new text alone, as text, from whatever the mail program made of it.

Everyone can send mail here, so everything is bounded, and no part of the mail is passed on as it came.
"""

import email
import email.errors
import email.message
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from email.utils import getaddresses
from html.parser import HTMLParser
from typing import Final

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError
from campaign.feedback.parsing import BROKEN

MAX_DECODED: Final = 96 * 1024
"""Octets of a part that are decoded."""

MAX_WRITTEN: Final = 6_000
"""Characters that are passed on: in any script they fit into a mail that we send."""

MAX_LINES: Final = 2_000
"""Lines that are looked at."""

MAX_PARTS: Final = 50


@dataclass(frozen=True, slots=True)
class Written:
    """A reply."""

    sender: str = field(repr=False)
    """The address in From; empty if there is no such one, or several."""
    text: str = field(repr=False)
    """What is new in it, without the mail it quotes and without a signature."""
    is_cut: bool
    has_attachments: bool


def read(raw: bytes) -> Written | None:
    """Read a reply; None for one that can't be read.

    Args:
        raw: as it arrived, within the limits of returned mail; its end may be missing.
    """
    try:
        message = email.message_from_bytes(raw)
        plain, html, has_attachments = _parts(message)
        text = new_text(plain if plain.strip() else text_of_html(html))
        cut = text[:MAX_WRITTEN].rstrip()
        return Written(sender_of(message), cut, len(cut) < len(text), has_attachments)
    except BROKEN:
        return None


def sender_of(message: email.message.Message) -> str:
    """The one address in From, checked; empty if there is none, or more than one."""
    lines = message.get_all("From", [])
    if len(lines) != 1:
        return ""
    # Parsed before encoded words are decoded, for they may hold anything: RFC 2047 section 6.2.
    try:
        found = [address for _, address in getaddresses([str(lines[0])]) if address]
        if len(found) != 1 or len(found[0]) > 320:
            return ""
        return addresses.parse(str(make_header(decode_header(found[0])))).typed
    except (RuleError, RecursionError, ValueError, LookupError, email.errors.HeaderParseError):
        return ""


def _parts(message: email.message.Message) -> tuple[str, str, bool]:
    """The first text in plain and in HTML, and True if something is attached."""
    plain, html, attached = "", "", False
    for part in _leaves(message):
        kind = part.get_content_type()
        if part.get_content_disposition() == "attachment" or part.get_filename():
            attached = True
        elif kind == "text/plain" and not plain.strip():
            plain = _decoded(part)
        elif kind == "text/html" and not html.strip():
            html = _decoded(part)
    return plain, html, attached


def _leaves(message: email.message.Message) -> Iterator[email.message.Message]:
    """The parts that hold something, but none of mails that are attached."""
    for part in message.walk():
        if part.get_content_maintype() == "message" and part is not message:
            return
        if not part.is_multipart():
            yield part


def _decoded(part: email.message.Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload[:MAX_DECODED].decode(str(part.get_content_charset("utf-8")), "replace")
    except (LookupError, ValueError):
        return payload[:MAX_DECODED].decode("utf-8", "replace")


_BLOCKS: Final = frozenset(
    {"address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "header"}
    | {"hr", "li", "ol", "p", "pre", "section", "table", "tr", "ul"}
)
_SILENT: Final = frozenset({"head", "script", "style", "title", "template", "noscript", "textarea"})
_VOID: Final = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_QUOTING: Final = re.compile(
    r"gmail_quote|gmail_attr|moz-cite-prefix|yahoo_quoted|protonmail_quote|tutanota_quote|zmail_extra|"
    r"divRplyFwdMsg|appendonsend|x_divRplyFwdMsg|OLK_SRC_BODY_SECTION|reply-intro|AppleMailSignature"
)
_QUOTES: Final = frozenset({"quote", "quoted-content"})
"""Names of elements in which GMX and WEB.DE quote."""
_HIDDEN: Final = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_TO_THE_END: Final = re.compile(r"divRplyFwdMsg|appendonsend")


class _Reader(HTMLParser):
    """Takes the words out of HTML: no scripts, no styles, nothing that a mail program marked as quoted."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._open: list[str] = []
        self._silent_from: int | None = None
        """How many elements were open where the present silence began."""
        self._has_ended = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = " ".join(value or "" for name, value in attrs if name in {"class", "id"})
        style = " ".join(value or "" for name, value in attrs if name == "style")
        names = {value for name, value in attrs if name == "name"}
        if _TO_THE_END.search(named):
            self._has_ended = True
        if tag in _BLOCKS:
            self.pieces.append("\n")
        if tag in _VOID:
            return
        if len(self._open) > 400:
            raise ValueError("too deep")
        is_quote = tag == "blockquote" or _QUOTING.search(named) is not None or bool(names & _QUOTES)
        is_hidden = _HIDDEN.search(style) is not None
        if self._silent_from is None and (tag in _SILENT or is_quote or is_hidden):
            self._silent_from = len(self._open)
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")
        if tag not in self._open:
            return
        while self._open.pop() != tag:
            pass
        if self._silent_from is not None and len(self._open) <= self._silent_from:
            self._silent_from = None

    def handle_data(self, data: str) -> None:
        if self._silent_from is None and not self._has_ended:
            self.pieces.append(re.sub(r"\s+", " ", data))


_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_MARKUP: Final = re.compile(r"<[!?][^>]*(?:>|\Z)")
"""Declarations and processing instructions."""


def text_of_html(html: str) -> str:
    """The words of a mail in HTML, line by line."""
    reader = _Reader()
    # The parser takes time by the square of what is never closed.
    reader.feed(_MARKUP.sub("", _COMMENT.sub("", html[:MAX_DECODED])))
    reader.close()
    lines = [" ".join(line.split()) for line in "".join(reader.pieces).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


_WROTE: Final = re.compile(
    r"(^\W*(on|am|le|el|il|em|op|den)\b.*\b(wrote|writes|schrieb|écrit|escribió|scritto|escreveu|schreef|skrev)\b.{0,160}:"
    r"|^.{0,200}\b(wrote|schrieb)\s*:$"
    r"|^.{0,200}(نوشت|نوشته[\s\u200c]?است|نوشته|نوشتند)\s*:$"
    r"|^.{0,200}(نے لکھا|نے تحریر کیا|لکھا ہے|نے فرمایا)\s*[:۔]$)",
    re.IGNORECASE,
)
"""The line before a quoted mail."""

_NAMED: Final = re.compile(r"^(?=.*\d).{0,160}<[^<>\s]{1,64}@[^<>\s]{1,200}>.{0,80}[:：]$")
"""The same in any language: a date, an address, a colon at the end."""

_BEGINS: Final = re.compile(r"^\W*(on|am|در تاریخ|در|بتاریخ|مورخہ)\b.*\d", re.IGNORECASE)
"""The first half of such a line, where it was broken."""

_ORIGINAL: Final = re.compile(
    r"^[\s>]*[-_=]{2,}\s*(original message|original appointment|forwarded message|ursprüngliche nachricht|"
    r"originalnachricht|weitergeleitete nachricht|original-nachricht|پیام اصلی|پیغام اصلی|پیام هدایت شده|اصل پیغام|"
    r"اصل پیغام|آگے بھیجا گیا پیغام|message d.origine)\s*[-_=]*\s*$|^\s*_{20,}\s*$",
    re.IGNORECASE,
)
_FROM: Final = re.compile(
    r"^[\W_]*(from|von|de|از|فرستنده|از طرف|منجانب|بھیجنے والا|ارسال کنندہ)[*_\s]*:", re.IGNORECASE
)
_FIELD: Final = re.compile(
    r"^[\W_]*(sent|date|gesendet|datum|to|an|cc|subject|betreff|تاریخ|ارسال|ارسال شده|تاریخ ارسال|به|گیرنده|موضوع|"
    r"بھیجا گیا|ارسال کردہ|بنام|وصول کنندہ|عنوان)[*_\s]*:",
    re.IGNORECASE,
)
_SIGNATURE: Final = re.compile(r"^-- ?$|^—\s*$")


def new_text(text: str) -> str:
    """What was added to the mail that is replied to, above it, below it or in between."""
    lines = clean(text).split("\n")[:MAX_LINES]
    kept: list[str] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        if _ORIGINAL.match(line) or _SIGNATURE.match(line) or _is_header_block(lines, position):
            break
        if line.lstrip().startswith((">", "|>", "»>", "＞")):
            position += 1
            continue
        after = _after_attribution(lines, position)
        if after is not None:
            rest = next((one for one in lines[after:] if one.strip()), "")
            if not rest.lstrip().startswith(">"):
                # Quoted without marks: where it ends can't be told.
                break
            position = after
            continue
        kept.append(line.rstrip())
        position += 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def _after_attribution(lines: list[str], position: int) -> int | None:
    """The line behind "On … wrote:", which mail programs break over up to three lines."""
    line = lines[position].strip()
    if _WROTE.match(line[:400]) or _is_named(line):
        return position + 1
    if _BEGINS.match(line[:400]) or _DATED.match(line[:80]):
        for number in (2, 3):
            joined = " ".join(one.strip() for one in lines[position : position + number])
            if _WROTE.match(joined[:400]) or (len(joined) > len(line) and _is_named(joined)):
                return position + number
    return None


def _is_named(line: str) -> bool:
    """True for a line with a date, an address in angle brackets, and a colon at its end."""
    return len(line) <= 400 and _NAMED.match(line) is not None and _DATED.search(_ADDRESS.sub("", line)) is not None


_ADDRESS: Final = re.compile(r"<[^<>\s]+>")
_DATED: Final = re.compile(r".{0,60}(\d{1,2}:\d\d|\b\d{4}\b)")


def _is_header_block(lines: list[str], position: int) -> bool:
    """True at the headers of a quoted mail, where Outlook begins with From and GMX with Sent: three in seven lines."""
    block = [line[:200] for line in lines[position : position + 7]]
    if not (_FROM.match(block[0]) or _FIELD.match(block[0])):
        return False
    is_from = any(_FROM.match(line) for line in block)
    return is_from and sum(1 for line in block if _FIELD.match(line)) >= 2


_KEPT: Final = frozenset({"\u200c", "\u200d", "\n"})


def clean(text: str) -> str:
    """A text without characters that show nothing or turn the direction of others; joiners stay."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n")
    spaced = lines.replace("\t", " ").replace("\u00a0", " ").replace("\ufffc", "")
    return "".join(
        one for one in unicodedata.normalize("NFC", spaced) if one in _KEPT or unicodedata.category(one)[0] != "C"
    )
