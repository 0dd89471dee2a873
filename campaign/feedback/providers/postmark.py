"""Postmark.

https://postmarkapp.com/developer/webhooks/webhooks-overview
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from campaign.feedback.events import Event
from campaign.feedback.providers.hook import BASIC, KILOBYTE, Hook, has_credentials
from campaign.feedback.providers.payload import (
    NO_REPLY,
    Data,
    Meaning,
    ignore,
    message_in,
    moment,
    plain_id,
    reply,
    single,
)
from campaign.mail.verp import Names
from campaign.states import EventKind

PROVIDER: Final = "postmark"

RECORDS: Final = {
    "Delivery": "DeliveredAt",
    "Bounce": "BouncedAt",
    "SpamComplaint": "BouncedAt",
    "SubscriptionChange": "ChangedAt",
}
"""Where each type of record has its moment."""

SILENT: Final = frozenset({"Open", "Click", "Inbound", "SMTPApiError"})

_AUTOMATIC, _FAILED = Meaning(EventKind.AUTORESPONDED), Meaning(EventKind.FAILED)
_UNSUBSCRIBED, _COMPLAINED = Meaning(EventKind.UNSUBSCRIBED), Meaning(EventKind.COMPLAINED)
_REJECTED, _BLOCKED = Meaning(EventKind.REJECTED), Meaning(EventKind.BOUNCED, "5.7.1")

BOUNCES: Final[Mapping[int, Meaning | None]] = {
    1: Meaning(EventKind.BOUNCED, "5.1.1"),  # HardBounce
    2: Meaning(EventKind.DEFERRED),  # Transient: it tries on
    16: _UNSUBSCRIBED,  # Unsubscribe
    32: None,  # Subscribe
    64: _AUTOMATIC,  # AutoResponder
    128: _AUTOMATIC,  # AddressChange: a program tells of another address
    256: Meaning(EventKind.BOUNCED, "4.4.4"),  # DnsError
    512: _BLOCKED,  # SpamNotification
    1024: None,  # OpenRelayTest
    2048: Meaning(EventKind.BOUNCED),  # Unknown
    4096: Meaning(EventKind.BOUNCED, "4.2.2"),  # SoftBounce: full, or not able to take it now
    8192: Meaning(EventKind.BOUNCED, "5.7.1"),  # VirusNotification
    16384: _AUTOMATIC,  # ChallengeVerification
    100000: Meaning(EventKind.BOUNCED, "5.1.3"),  # BadEmailAddress
    100001: _COMPLAINED,  # SpamComplaint
    100002: _REJECTED,  # ManuallyDeactivated
    100003: Meaning(EventKind.REJECTED),  # Unconfirmed
    100006: _BLOCKED,  # Blocked
    100007: _FAILED,  # SMTPApiError
    100008: _FAILED,  # InboundError
    100009: Meaning(EventKind.BOUNCED, "5.7.1"),  # DMARCPolicy
    100010: _FAILED,  # TemplateRenderingFailed
}
"""Bounces by their ``TypeCode``."""

TYPES: Final = {
    "HardBounce": 1, "Transient": 2, "Unsubscribe": 16, "Subscribe": 32, "AutoResponder": 64, "AddressChange": 128,
    "DnsError": 256, "SpamNotification": 512, "OpenRelayTest": 1024, "Unknown": 2048, "SoftBounce": 4096,
    "VirusNotification": 8192, "ChallengeVerification": 16384, "BadEmailAddress": 100000, "SpamComplaint": 100001,
    "ManuallyDeactivated": 100002, "Unconfirmed": 100003, "Blocked": 100006, "SMTPApiError": 100007,
    "InboundError": 100008, "DMARCPolicy": 100009, "TemplateRenderingFailed": 100010,
}  # fmt: skip
"""The same by their ``Type``."""

CHANGES: Final[Mapping[str, Meaning]] = {
    "ManualSuppression": _UNSUBSCRIBED,
    "SpamComplaint": _COMPLAINED,
    "HardBounce": Meaning(EventKind.BOUNCED, "5.1.1"),
}
"""Why an address gets no more mail through Postmark, by ``SuppressionReason``."""


def read(body: bytes, names: Names, now: datetime) -> list[Event]:
    """The event of a call."""
    return single(body, lambda data: _event(data, names, now), now)


def _event(record: Data, names: Names, now: datetime) -> Event | None:
    word = record.need("RecordType")
    if word in SILENT:
        return None
    if word not in RECORDS:
        ignore(PROVIDER, word)
        return None
    meaning = _meaning(word, record)
    if meaning is None:
        return None
    told_at = record.text(RECORDS[word])
    words = record.text("Details") if word == "Bounce" else ""
    said = reply(words, otherwise=meaning.status)
    if meaning.kind not in {EventKind.BOUNCED, EventKind.DEFERRED}:
        said = NO_REPLY
    return Event(
        # A bounce has a number of its own; other records are told by what they are about.
        id=plain_id(word, record.text("ID") or f"{record.need('MessageID')}/{told_at}"),
        kind=meaning.kind,
        happened_at=moment(told_at, now),
        message_id=message_in(names, record.child("Metadata").texts()),
        status=said.status,
        code=said.code,
        text=said.words,
    )


def _meaning(word: str, record: Data) -> Meaning | None:
    if word == "Delivery":
        return Meaning(EventKind.DELIVERED)
    if word == "SpamComplaint":
        return _COMPLAINED
    if word == "SubscriptionChange":
        is_end = record.raw("SuppressSending") is True
        return CHANGES.get(record.text("SuppressionReason"), _UNSUBSCRIBED) if is_end else None
    code = record.raw("TypeCode")
    if isinstance(code, int) and not isinstance(code, bool) and code in BOUNCES:
        return BOUNCES[code]
    return BOUNCES[TYPES.get(record.text("Type"), TYPES["Unknown"])]


HOOK: Final = Hook(
    PROVIDER,
    # A bounce may hold what came back, if that is switched on.
    max_body=1024 * KILOBYTE,
    keys=lambda settings: settings.hook_postmark,
    prove=has_credentials,
    read=read,
    challenge=BASIC,
)
