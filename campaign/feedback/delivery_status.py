"""Delivery status notifications: the machine-readable part of RFC 3464 and RFC 6533, and replies quoted in words."""

import email.message
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from campaign.feedback.parsing import header_of, inside, lines_of, octets_of, parse, words_of
from campaign.states import EventKind

ACTIONS: Final = {
    "failed": EventKind.BOUNCED,
    "delayed": EventKind.DEFERRED,
    "delivered": EventKind.DELIVERED,
    # Passed on to a system that reports no more, or to several recipients.
    "relayed": EventKind.SENT,
    "expanded": EventKind.DELIVERED,
}
"""The Action field, RFC 3464 section 2.3.3."""

CLASSES: Final = {"5": EventKind.BOUNCED, "4": EventKind.DEFERRED}
"""The same by the class of the status, where a server wrote no action although it must."""

MAX_BLOCKS: Final = 50
MAX_WORDS: Final = 2000
MAX_NAMES: Final = 20
SHORTEST_NAME: Final = 3
"""Letters of a local part that is taken out of a server's words; shorter ones are in many words."""

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_REPLY = re.compile(r"(?<![\d.])([45][0-5]\d)[ :-]+(?:#?([45]\.\d{1,3}\.\d{1,3})(?![\d.]*\d))?", re.ASCII)
_UNSPECIFIC: Final = re.compile(r"[245]\.\d{1,3}\.0|[245]\.0\.\d{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Status:
    """What a report says about the one recipient of a message."""

    kind: EventKind
    status: str | None = None
    code: int | None = None
    text: str = field(default="", repr=False)


def read(part: email.message.Message) -> Status | None:
    """What a part of type ``message/delivery-status``, or ``message/global-delivery-status``, says.

    The first group of fields is about the message (RFC 3464 section 2.2), each further one about a recipient; ours has
    one recipient, so several are where an alias or a list led. It failed if it failed for all of them.
    """
    told = [status for block in groups_of(part) if (status := _recipient_status(block)) is not None]
    if not told:
        return None
    order = (EventKind.DELIVERED, EventKind.SENT, EventKind.DEFERRED, EventKind.BOUNCED)
    return min(told, key=lambda status: order.index(status.kind))


def _recipient_status(block: email.message.Message) -> Status | None:
    action = re.split(r"[\s;(]", header_of(block, "Action").strip().lower(), maxsplit=1)[0]
    found = _STATUS.search(header_of(block, "Status"))
    status = found[1] if found else None
    kind = ACTIONS.get(action) if action else CLASSES.get((status or "-")[0])
    if kind is None:
        return None
    # Some servers encode it, in which an address would not be recognised.
    words = words_of(header_of(block, "Diagnostic-Code")[: MAX_WORDS * 2])
    _, _, said = words.partition(";")
    quoted = status_in(said or words)
    if quoted is not None and (status is None or (_UNSPECIFIC.fullmatch(status) and quoted.status)):
        status = quoted.status
    # RFC 3463 section 2: the class of a failure is 4 or 5; a "2.0.0" beside "failed" is the server's slip.
    if kind is EventKind.BOUNCED and status is not None and status[0] == "2":
        status = None
    code = quoted.code if quoted is not None and (status is None or str(quoted.code)[:1] == status[0]) else None
    text = " ".join((said or words).split())[:MAX_WORDS]
    # Trusted for nothing, but to take it out of what is stored.
    recipients = [header_of(block, name).partition(";")[2] for name in ("Final-Recipient", "Original-Recipient")]
    return Status(kind, status, code, without_names(text, recipients))


def groups_of(part: email.message.Message) -> Iterator[email.message.Message]:
    """The groups of fields of a report, however the part is encoded and however far the parser took it apart."""
    encoding = header_of(part, "Content-Transfer-Encoding").strip().lower()
    blocks = inside(part) or [part]
    if encoding not in {"base64", "quoted-printable"}:
        for block in blocks[:MAX_BLOCKS]:
            # Of a global status the parser makes one message: its content holds the groups after the first.
            if block is not part:
                yield block
            yield from _parsed(octets_of(block))
        return
    # The parser takes the encoded lines for the fields, or the contents, of groups.
    carrier = email.message.Message()
    carrier["Content-Transfer-Encoding"] = encoding
    carrier.set_payload("\n\n".join(_as_text(block) for block in blocks[:MAX_BLOCKS]).strip())
    yield from _parsed(octets_of(carrier))


def _parsed(text: bytes) -> Iterator[email.message.Message]:
    for block in re.split(rb"\n[ \t]*\n", lines_of(text).strip())[:MAX_BLOCKS]:
        if block:
            yield parse(block)


def _as_text(block: email.message.Message) -> str:
    lines = [f"{name}: {value}" for name, value in block.raw_items() if not name.lower().startswith("content-")]
    rest = "" if block.is_multipart() else octets_of(block).decode("ascii", "surrogateescape")
    return "\n".join(lines) + (f"\n\n{rest}" if rest else "")


def status_in(words: str) -> Status | None:
    """The first reply of a mail server that a text quotes: with its enhanced code, or else by its three digits.

    Such as "550 5.1.1 no such user", "#5.1.1", "host mx.example.org said: 552-5.2.2". None if there is none. Its words
    end with the paragraph: behind it there may be a copy of the mail.
    """
    text = words[: MAX_WORDS * 8]
    replies = list(_REPLY.finditer(text))
    full = [reply for reply in replies if reply[2] and reply[2][0] == reply[1][0]]
    best = next(iter(full or replies), None)
    code = int(best[1]) if best else None
    status, begin = (best[2] if best in full else None, best.start()) if best else (None, 0)
    if status is None:
        found = next((one for one in _STATUS.finditer(text) if one[1][0] in "45"), None)
        if found is not None and (code is None or str(code)[0] == found[1][0]):
            status = found[1]
            begin = begin if best else text.rfind("\n", 0, found.start()) + 1
    if code is None and status is None:
        return None
    kind = EventKind.BOUNCED if (status or str(code))[0] == "5" else EventKind.DEFERRED
    said = re.split(r"\n\s*\n", text[begin:], maxsplit=1)[0]
    return Status(kind, status, code, " ".join(said.split())[:MAX_WORDS])


def without_names(text: str, addresses: Iterable[str]) -> str:
    """The text without the local parts of addresses: some servers name a mailbox without its domain."""
    local_parts = {address.rpartition("@")[0].strip("<\"' \t") for address in addresses}
    for local_part in sorted(local_parts, key=len, reverse=True)[:MAX_NAMES]:
        if len(local_part) >= SHORTEST_NAME:
            whole = rf"<?(?<!\w){re.escape(local_part)}(?!\w)(@[^\s<>\"'(),;]+)?>?"
            text = re.sub(whole, "<address>", text, flags=re.IGNORECASE)
    return text
