"""Mailgun.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from campaign.feedback.events import Event
from campaign.feedback.providers.hook import KILOBYTE, Call, Hook, Tools, is_same
from campaign.feedback.providers.payload import (
    NO_REPLY,
    Data,
    Meaning,
    Reply,
    UnreadableError,
    meaning_of,
    message_in,
    moment,
    moment_of,
    plain_id,
    reply,
    single,
)
from campaign.mail.verp import Names
from campaign.states import EventKind

PROVIDER: Final = "mailgun"

OLDEST: Final = timedelta(hours=12)
"""Age of a time stamp that is still taken. Mailgun tells again for eight hours, and may do so with the first stamp.

So long a window is safe because a token is taken for one body only, and is remembered for longer than this.
"""
NEWEST: Final = timedelta(minutes=10)
"""How far a time stamp may be ahead of our clock."""

_REJECTED: Final = Meaning(EventKind.REJECTED)

EVENTS: Final[Mapping[str, Meaning]] = {
    "accepted": Meaning(EventKind.QUEUED),
    "delivered": Meaning(EventKind.DELIVERED),
    "failed": Meaning(EventKind.BOUNCED),
    # Mailgun refused to send it, for a reason of ours.
    "rejected": Meaning(EventKind.FAILED),
    "complained": Meaning(EventKind.COMPLAINED),
    "unsubscribed": Meaning(EventKind.UNSUBSCRIBED),
}

SILENT: Final = frozenset({"opened", "clicked", "stored"})

FAILURES: Final[Mapping[str, Meaning]] = {
    "suppress-bounce": _REJECTED,
    "suppress-complaint": _REJECTED,
    "suppress-unsubscribe": _REJECTED,
    # The receiver refuses us, not the address.
    "espblock": Meaning(EventKind.BOUNCED, "5.7.1"),
    "old": Meaning(EventKind.BOUNCED, "4.4.7"),
}
"""Permanent failures by their ``reason``; ``bounce`` and ``generic`` say no more than that it failed."""


def prove(call: Call, keys: tuple[str, ...], tools: Tools) -> bool:
    """True if time stamp and token were signed (HMAC-SHA256) not long ago, and the token comes with its first body.

    The signature does not cover the body: one that was seen could be put before another body, but for the token.
    """
    try:
        signature = Data.parsed(call.body).need_child("signature")
    except UnreadableError:
        return False
    stamp, token = signature.text("timestamp"), signature.text("token")
    sent = signature.text("signature").lower()
    told_at = moment_of(stamp)
    signed = (stamp + token).encode()
    proven = any(is_same(sent, hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()) for key in keys)
    if not proven or not token or told_at is None:
        return False
    if not tools.now - OLDEST <= told_at <= tools.now + NEWEST:
        return False
    return tools.tokens.is_new(PROVIDER, token, call.body)


def read(body: bytes, names: Names, now: datetime) -> list[Event]:
    """The event of a call."""
    return single(body, lambda data: _event(data.need_child("event-data"), names, now), now)


def _event(data: Data, names: Names, now: datetime) -> Event | None:
    word = data.need("event")
    meaning = meaning_of(PROVIDER, word, EVENTS, SILENT)
    if meaning is None:
        return None
    kind, said = meaning.kind, NO_REPLY
    if word == "failed":
        kind, said = _failure(data)
    headers, variables = data.child("message").child("headers"), data.child("user-variables")
    return Event(
        id=plain_id(data.need("id")),
        kind=kind,
        happened_at=moment(data.raw("timestamp"), now),
        message_id=message_in(
            names, [variables.text("countersign"), headers.text("message-id"), data.child("envelope").text("sender")]
        ),
        status=said.status,
        code=said.code,
        text=said.words or data.child("reject").text("reason"),
    )


def _failure(data: Data) -> tuple[EventKind, Reply]:
    meaning = FAILURES.get(data.text("reason"), Meaning(EventKind.BOUNCED))
    if meaning.kind is EventKind.REJECTED:
        return meaning.kind, NO_REPLY
    told = data.child("delivery-status")
    words = told.text("message") or told.text("description")
    said = reply(words, status=told.text("enhanced-code"), code=told.raw("code"), otherwise=meaning.status)
    if data.text("severity") == "temporary":
        return EventKind.DEFERRED, said
    return meaning.kind, said


HOOK: Final = Hook(
    PROVIDER,
    max_body=256 * KILOBYTE,
    keys=lambda settings: settings.hook_mailgun_key,
    prove=prove,
    read=read,
)
