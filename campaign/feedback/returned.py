"""Read a mail that came to a return address: a delivery report, a complaint, an automatic answer, or a reply.

Formats: RFC 3464 and RFC 6533 (delivery status), RFC 5965 (complaints), RFC 3834 (automatic answers), and the older
formats that flufl.bounce knows. The only thing believed about *whose* message it is, is a signature of ours: the return
address it was sent to, or for complaints the one of the message they quote. Addresses in a report are never used.

Everything is bounded before the parser sees it, for anybody can send mail here: size, headers, parts.
"""

import email
import email.errors
import email.message
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from email.header import decode_header, make_header
from typing import Final

from campaign.feedback import delivery_status, old_formats
from campaign.feedback.delivery_status import Status
from campaign.feedback.events import Event
from campaign.mail.verp import Names
from campaign.states import EventKind

MAX_MAIL: Final = 256 * 1024
"""Octets of a mail that is read; doors hand over one more than that, so that a larger one is known as such."""
MAX_HEADERS: Final = 16 * 1024
"""Octets of the headers of a mail, and of any one header in it."""
MAX_PARTS: Final = 50
MAX_TEXT: Final = 16 * 1024
"""Octets of a text in which words of a mail server are looked for."""

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
_MACHINES: Final = re.compile(r"(mailer-daemon|postmaster|mail-daemon|mdaemon)@", re.IGNORECASE)


class UnreadableMailError(ValueError):
    """Raised for a mail beyond the limits; ``problem`` is a code of the quarantine."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a mail is. ``event`` is None for mail that is none of our business."""

    event: Event | None
    is_signed: bool
    """True if it came to a return address of ours."""


def read(raw: bytes, names: Names, *, now: datetime, recipient: str = "", signed: int | None = None) -> Returned:
    """What a mail tells, and of which message.

    Args:
        raw: the mail as it arrived, with its headers; at most one octet more than :data:`MAX_MAIL` is looked at.
        names: who signs return addresses.
        now: the moment of its arrival.
        recipient: the envelope's recipient (RCPT TO), if the door knows it; else headers tell.
        signed: the message that was proven when the mail was read before.
    """
    replied = None
    if recipient:
        signed, replied = names.message_of(recipient), names.replied(recipient)
    try:
        _check_bounds(raw)
        message = email.message_from_bytes(raw)
        _check_parts(message)
        if signed is None and not recipient:
            signed = _signed_in(message, names)
            replied = _signed_in(message, names, replies=True) if signed is None else None
        if replied is not None:
            return _Mail(raw, message, names, now, replied).to_reply_address()
        return _Mail(raw, message, names, now, signed).read()
    except UnreadableMailError as error:
        problem = error.problem
    except (RecursionError, LookupError, ValueError, TypeError, AttributeError, email.errors.MessageError):
        # The parser takes what it gets for well-formed mail in many places.
        problem = "unreadable"
    if signed is None and not recipient:
        start = re.split(rb"\r?\n\r?\n", raw[:MAX_HEADERS], maxsplit=1)[0]
        signed = next(iter(names.messages_in(start.decode("latin-1"))), None)
        replied = next(iter(names.replied_in(start.decode("latin-1"))), None) if signed is None else None
    if replied is not None:
        return _held(raw, now, replied, "reply")
    return _held(raw, now, signed, problem)


def _check_bounds(raw: bytes) -> None:
    if len(raw) > MAX_MAIL:
        raise UnreadableMailError("too_large")
    if len(re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]) > MAX_HEADERS:
        raise UnreadableMailError("headers")
    # One header over many lines, anywhere: the parser takes time by the square of its length.
    run = 0
    for line in raw.split(b"\n"):
        run = run + len(line) if line[:1] in {b" ", b"\t"} else len(line)
        if run > MAX_HEADERS:
            raise UnreadableMailError("headers")
    lower = raw.lower()
    # Each nested part costs the parser a level of the stack: count them before it does.
    if lower.count(b"boundary") > MAX_PARTS or lower.count(b"message/") > MAX_PARTS:
        raise UnreadableMailError("parts")


def _check_parts(message: email.message.Message) -> None:
    for number, part in enumerate(message.walk(), 1):
        if number > MAX_PARTS:
            raise UnreadableMailError("parts")
        if sum(len(name) + len(str(value)) for name, value in part.items()) > 4 * MAX_HEADERS:
            raise UnreadableMailError("headers")


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
        for value in message.get_all(header, []):
            for found in signed_in(str(value)):
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
        return self._told(Status(EventKind.AUTORESPONDED)) if is_automatic(self.message) else self._written()

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
        own = str(self.message.get("Message-ID") or "").strip()
        told = own.encode("utf-8", "replace") if own else self.raw
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
        fields = report.get_payload(0) if report.is_multipart() else None
        if not isinstance(fields, email.message.Message):
            return self._held("unreadable")
        kind = str(fields.get("Feedback-Type", "")).strip().lower()
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
        quoted = [str(value) for value in fields.get_all("Original-Mail-From", [])]
        for part in parts:
            kind = part.get_content_type()
            if kind in {"message/rfc822", "message/global"} and part.is_multipart():
                original = part.get_payload(0)
                if isinstance(original, email.message.Message):
                    quoted += [str(value) for value in original.get_all("Return-Path", [])]
            elif kind in {"text/rfc822-headers", "message/global-headers"}:
                quoted.append(text_of(part))
        return next((found for value in quoted for found in self.names.messages_in(value)), None)

    def _without_report(self, parts: list[email.message.Message]) -> Returned:
        """No report in a format of its own: an old kind of bounce, an automatic answer, or what a person wrote."""
        old = old_formats.read(self.message)
        from_machine = is_from_machine(self.message)
        if old is None and not from_machine:
            if is_automatic(self.message):
                return self._told(Status(EventKind.AUTORESPONDED))
            return self._written()
        words = "\n".join(text_of(part) for part in parts if part.get_content_maintype() == "text")
        status = delivery_status.status_in(words)
        if status is None or old not in {None, status.kind}:
            return self._held("unreadable") if old is None else self._told(Status(old))
        return self._told(status)


def _own_parts(message: email.message.Message) -> Iterator[email.message.Message]:
    """The parts of a mail, but not those of mails it quotes: their reports are about others."""
    yield message
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, email.message.Message):
                yield from _own_parts(part)


def is_from_machine(message: email.message.Message) -> bool:
    """True if a mail system wrote it: the null sender (RFC 5321 section 4.5.5), or its usual names."""
    path = str(message.get("Return-Path", "")).strip()
    return path == "<>" or _MACHINES.search(str(message.get("From", ""))) is not None


def is_automatic(message: email.message.Message) -> bool:
    """True if a program answered: RFC 3834 section 5, and what older programs write. It must not be answered."""
    submitted = str(message.get("Auto-Submitted", "no")).strip().lower()
    if submitted and not submitted.startswith("no"):
        return True
    precedence = str(message.get("Precedence", "")).strip().lower().replace("-", "_")
    if precedence in {"auto_reply", "bulk", "junk", "list"} or "auto_reply" in str(message.get("Preference", "")):
        return True
    if any(message.get(name) is not None for name in AUTOMATIC):
        return True
    return _AUTOMATIC_SUBJECT.match(subject_of(message)) is not None


def subject_of(message: email.message.Message) -> str:
    """The subject in clear; as it stands if it can't be decoded."""
    raw = str(message.get("Subject", ""))[:1000]
    try:
        return str(make_header(decode_header(raw)))
    except (ValueError, LookupError, email.errors.HeaderParseError):
        return raw


def text_of(part: email.message.Message) -> str:
    """The beginning of a text part in clear, whatever its charset claims to be."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    charset = str(part.get_content_charset("utf-8"))
    try:
        return payload[:MAX_TEXT].decode(charset, "replace")
    except (LookupError, ValueError):
        return payload[:MAX_TEXT].decode("utf-8", "replace")
