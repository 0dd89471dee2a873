"""Read a mail that came to a return address: a delivery report, a complaint, an automatic answer, or a reply.

Formats: RFC 3464 and RFC 6533 (delivery status), RFC 5965 (complaints), RFC 3834 (automatic answers), and the older
formats that flufl.bounce knows. The only thing believed about *whose* message it is, is a signature of ours: the return
address it was sent to, or for complaints the one of the message they quote. Addresses in a report are never used.

Everything is bounded while it is parsed, because anyone can send mail here: size, headers, parts.
"""

import email.message
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from campaign.feedback import delivery_status, old_formats
from campaign.feedback.delivery_status import Status
from campaign.feedback.events import Event
from campaign.feedback.parsing import (
    BROKEN,
    MAX_HEADERS,
    UnreadableMailError,
    header_of,
    headers_of,
    inside,
    lines_of,
    parse,
    subject_of,
    text_of,
)
from campaign.mail.verp import Names
from campaign.states import EventKind

MAX_MAIL: Final = 256 * 1024
"""Octets of a mail that is read; doors hand over one more than that, so that a larger one is known as such."""

PROVIDER: Final = "returned"
"""The door of events that came by mail."""

TRACES: Final = (
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Delivered-To",
    "X-RCPT-TO",
    "Apparently-To",
    "To",
    "Received",
)
"""Headers in which mail servers write whom a mail was delivered to, the most direct first."""

COMPLAINTS: Final = frozenset({"abuse", "fraud", "virus", "other"})
"""Feedback types (RFC 5965 section 7.3) that are complaints."""

NO_COMPLAINTS: Final = frozenset({"not-spam", "auth-failure", "dmarc"})
"""The opposite (RFC 6430), and reports about our DNS records (RFC 6591), which tell of no recipient."""

STATUS_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})

AUTOMATIC: Final = (
    "X-Autoreply",
    "X-Autorespond",
    "X-Auto-Response-Suppress",
    "X-Autoreply-From",
    "X-Mail-Autoreply",
    "List-Id",
)
"""Headers that only programs write, whatever their value."""

_AUTOMATIC_SUBJECT: Final = re.compile(
    r"\s*(auto(matic)?[ -]?(reply|response|answer)|out of (the )?office|automatische antwort|abwesenheits|"
    r"r[ée]ponse automatique|respuesta autom|risposta automatica|автоответ|پاسخ خودکار|خودکار جواب)",
    re.IGNORECASE,
)
_MACHINES: Final = re.compile(
    r"\b(mailer[-_ ]?daemon|postmaster|mail-daemon|mdaemon)\b|mail delivery (sub)?system", re.IGNORECASE
)

MAX_INTRODUCTION: Final = 3000
"""Letters of a report in which it says whether it is a warning only."""
_DELAY: Final = re.compile(
    r"not yet been delivered|warning (message )?only|still undelivered|still being (re)?tried|"
    r"(keep|continue) (trying|to try)|attempts will continue|wird weiter(hin)? versucht",
    re.IGNORECASE,
)
_DELAY_SUBJECT: Final = re.compile(r"\s*(warning:|delay)|.*(\(delay\)|delayed \d+ )", re.IGNORECASE)
_COPY: Final = re.compile(
    r"^\s*-{2,}.*(copy|original|header|below this line)|^(Return-Path|Received):", re.MULTILINE | re.IGNORECASE
)
"""Where a copy of the returned mail begins, in reports of old kinds."""
_NULL_SENDER: Final = re.compile(r"<?(mailer-daemon(@[^>]*)?)?>?", re.IGNORECASE)
"""The null sender (RFC 5321 section 4.5.5), and what Postfix's pipe(8) writes for it."""
_ADDRESSES: Final = re.compile(r"[^\s<>\"'(),:;@]{1,64}@[^\s<>\"'(),:;@]{1,255}")


@dataclass(frozen=True, slots=True)
class Returned:
    """What a mail is. ``event`` is None for mail that is none of our business."""

    event: Event | None
    is_signed: bool
    """True if it came to a return address of ours."""


def read(
    raw: bytes,
    names: Names,
    *,
    now: datetime,
    recipient: str = "",
    sender: str | None = None,
    signed: int | None = None,
) -> Returned:
    """What a mail tells, and of which message.

    Args:
        raw: the mail as it arrived, with its headers; at most one octet more than :data:`MAX_MAIL` is looked at.
        names: who signs return addresses.
        now: the moment of its arrival.
        recipient: the envelope's recipient (RCPT TO), if the door knows it; else headers tell.
        sender: the envelope's sender (MAIL FROM), empty for the null sender; None if the door does not know it, and
            the header Return-Path tells.
        signed: the message that was proven when the mail was read before.
    """
    replied = None
    if recipient:
        signed, replied = names.message_of(recipient), names.replied(recipient)
    try:
        message = _parsed(raw)
        if signed is None and not recipient:
            signed = _signed_in(message, names)
            replied = _signed_in(message, names, replies=True) if signed is None else None
        if replied is not None:
            return _Mail(raw, message, names, now, replied, sender).to_reply_address()
        return _Mail(raw, message, names, now, signed, sender).read()
    except UnreadableMailError as error:
        problem = error.problem
    except BROKEN:
        problem = "unreadable"
    if signed is None and not recipient:
        signed = _signed_above(raw, names)
        replied = _signed_above(raw, names, replies=True) if signed is None else None
    if replied is not None:
        return _held(raw, now, replied, "reply")
    return _held(raw, now, signed, problem)


def _parsed(raw: bytes) -> email.message.Message:
    if len(raw) > MAX_MAIL:
        raise UnreadableMailError("too_large")
    return parse(raw)


def _signed_above(raw: bytes, names: Names, *, replies: bool = False) -> int | None:
    """As :func:`_signed_in`, for what could not be parsed: looked for in the first octets of the headers."""
    headers = lines_of(raw[:MAX_HEADERS]).partition(b"\n\n")[0].decode("latin-1")
    for line in re.findall(rf"(?im)^(?:{'|'.join(TRACES)}):.*(?:\n[ \t].*)*", headers):
        for found in names.replied_in(line) if replies else names.messages_in(line):
            return found
    return None


def _held(raw: bytes, now: datetime, signed: int | None, problem: str) -> Returned:
    event = Event(
        id=hashlib.sha256(raw).hexdigest(),
        kind=EventKind.UNKNOWN,
        happened_at=now,
        message_id=signed,
        problem=problem,
        raw=raw,
    )
    return Returned(event, is_signed=signed is not None)


def _signed_in(message: email.message.Message, names: Names, *, replies: bool = False) -> int | None:
    """The message whose return address, or reply address, the mail servers wrote into the headers."""
    signed_in = names.replied_in if replies else names.messages_in
    for header in TRACES:
        for value in headers_of(message, header):
            for found in signed_in(value):
                return found
    return None


@dataclass(frozen=True, slots=True)
class _Mail:
    """A mail within the limits, and the message that its return address proves."""

    raw: bytes
    message: email.message.Message
    names: Names
    now: datetime
    signed: int | None
    sender: str | None

    def read(self) -> Returned:
        """What it tells."""
        parts = list(_own_parts(self.message))
        complaint = next((part for part in parts if part.get_content_type() == "message/feedback-report"), None)
        if complaint is not None:
            return self._complaint(complaint, parts)
        for part in parts:
            if part.get_content_type() in STATUS_TYPES:
                status = delivery_status.read(part)
                return self._held("unreadable") if status is None else self._told(status)
        if any(part.get_content_type() == "message/disposition-notification" for part in parts):
            return self._told(Status(EventKind.AUTORESPONDED))
        if self.signed is None:
            return Returned(None, is_signed=False)
        return self._without_report(parts)

    def to_reply_address(self) -> Returned:
        """What it tells, at an address that every reader of the mail knows: a reply, never a report."""
        if is_from_machine(self.message):
            return Returned(None, is_signed=True)
        if is_automatic(self.message):
            return self._told(Status(EventKind.AUTORESPONDED))
        is_null = self.sender == "" or header_of(self.message, "Return-Path").strip() == "<>"
        return Returned(None, is_signed=True) if is_null else self._written()

    def _written(self) -> Returned:
        """A reply: kept until :mod:`campaign.feedback.replies` has dealt with it."""
        event = self._told(Status(EventKind.REPLIED)).event
        return Returned(None if event is None else replace(event, raw=self.raw, is_reply=True), is_signed=True)

    def _held(self, problem: str) -> Returned:
        return _held(self.raw, self.now, self.signed, problem)

    def _told(self, status: Status, signed: int | None = None) -> Returned:
        signed = self.signed if signed is None else signed
        if signed is None:
            return self._held("unsigned")
        # Its own Message-ID: the same report by two doors, or read twice, is one event.
        own = header_of(self.message, "Message-ID").strip()
        told = own.encode() if own else self.raw
        event = Event(
            id=hashlib.sha256(b"%d %s " % (signed, status.kind.encode()) + told).hexdigest(),
            kind=status.kind,
            happened_at=self.now,
            message_id=signed,
            status=status.status,
            code=status.code,
            text=status.text,
        )
        return Returned(event, is_signed=True)

    def _complaint(self, report: email.message.Message, parts: list[email.message.Message]) -> Returned:
        fields = next((one for one in delivery_status.groups_of(report) if header_of(one, "Feedback-Type")), None)
        if fields is None:
            return self._held("unreadable")
        kind = header_of(fields, "Feedback-Type").strip().lower()
        signed = self.signed if self.signed is not None else self._quoted(fields, parts)
        if kind in COMPLAINTS:
            return self._told(Status(EventKind.COMPLAINED, text=kind), signed)
        if kind == "opt-out":
            return self._told(Status(EventKind.UNSUBSCRIBED, text=kind), signed)
        if kind in NO_COMPLAINTS:
            return Returned(None, is_signed=signed is not None)
        return self._held("unreadable")

    def _quoted(self, fields: email.message.Message, parts: list[email.message.Message]) -> int | None:
        """The message that a complaint quotes: by the return address in its headers, which only we can have signed."""
        quoted = headers_of(fields, "Original-Mail-From")
        for part in parts:
            kind = part.get_content_type()
            if kind in {"message/rfc822", "message/global"}:
                for original in inside(part):
                    quoted += headers_of(original, "Return-Path")
            elif kind in {"text/rfc822-headers", "message/global-headers"}:
                quoted += re.findall(r"(?im)^(Return-Path:.*)$", text_of(part))
        return next((found for value in quoted for found in self.names.messages_in(value)), None)

    def _without_report(self, parts: list[email.message.Message]) -> Returned:
        """No report in a format of its own: an old kind of bounce, an automatic answer, or a reply.

        Automatic answers have the null sender too (RFC 3834 section 3.3), and some bounces say that they are automatic
        (Exim's): what is known as a bounce counts first, then what is known as an answer.
        """
        is_machines = is_from_machine(self.message)
        null_sender = is_machines or self._has_null_sender()
        old = old_formats.read(self.raw) if null_sender else None
        if old is None and not is_machines and is_automatic(self.message):
            return self._told(Status(EventKind.AUTORESPONDED))
        if not null_sender:
            return self._written()
        words = "\n".join(text_of(part) for part in parts if part.get_content_maintype() == "text")
        words = _COPY.split(words.replace("\r", ""), maxsplit=1)[0]
        status = delivery_status.status_in(words)
        if status is None and old is None:
            return self._held("unreadable")
        # A report of an old kind may quote a 4xx reply when the server gave up, and flufl.bounce takes some warnings of
        # a delay for bounces.
        kind = EventKind.DEFERRED if self._is_delay(words) else old or (status.kind if status else EventKind.UNKNOWN)
        status = status or Status(kind)
        if kind is EventKind.DEFERRED and status.kind is EventKind.BOUNCED:
            status = Status(kind)
        text = delivery_status.without_names(status.text, _ADDRESSES.findall(words))
        return self._told(replace(status, kind=kind, text=text))

    def _is_delay(self, words: str) -> bool:
        is_told = _DELAY.search(words[:MAX_INTRODUCTION]) is not None
        return is_told or _DELAY_SUBJECT.match(subject_of(self.message)) is not None

    def _has_null_sender(self) -> bool:
        """True for the null sender. Where neither envelope nor header tells, what answers no mail is taken for such."""
        sender = self.sender
        if sender is None and "Return-Path" in self.message:
            sender = header_of(self.message, "Return-Path").strip()
        if sender is None:
            return "In-Reply-To" not in self.message and "References" not in self.message
        return _NULL_SENDER.fullmatch(sender) is not None


def _own_parts(message: email.message.Message) -> Iterator[email.message.Message]:
    """The parts of a mail, but not those of mails it quotes: their reports are about others."""
    yield message
    if message.get_content_maintype() == "multipart":
        for part in inside(message):
            yield from _own_parts(part)


def is_from_machine(message: email.message.Message) -> bool:
    """True if it is from a mail system, by one of the usual names."""
    return _MACHINES.search(header_of(message, "From")) is not None


def is_automatic(message: email.message.Message) -> bool:
    """True if a program answered: RFC 3834 section 5, and what older programs write. It must not be answered."""
    submitted = header_of(message, "Auto-Submitted").strip().lower()
    if submitted and not submitted.startswith("no"):
        return True
    precedence = {header_of(message, name).strip().lower().replace("-", "_") for name in ("Precedence", "Preference")}
    if precedence & {"auto_reply", "bulk", "junk", "list"}:
        return True
    if any(name in message for name in AUTOMATIC):
        return True
    return _AUTOMATIC_SUBJECT.match(subject_of(message)) is not None
