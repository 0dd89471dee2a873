"""Twilio SendGrid, Event Webhook.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from campaign.feedback.events import Event
from campaign.feedback.providers.hook import KILOBYTE, Call, Hook, Tools, decoded
from campaign.feedback.providers.payload import (
    NO_REPLY,
    Data,
    Meaning,
    UnreadableError,
    each,
    meaning_of,
    message_in,
    moment,
    plain_id,
    reply,
    whole,
)
from campaign.mail.verp import Names
from campaign.states import EventKind

PROVIDER: Final = "sendgrid"
SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"

_BOUNCED, _FAILED, _REJECTED = (Meaning(kind) for kind in (EventKind.BOUNCED, EventKind.FAILED, EventKind.REJECTED))

EVENTS: Final[Mapping[str, Meaning]] = {
    "processed": Meaning(EventKind.QUEUED),
    "deferred": Meaning(EventKind.DEFERRED),
    "delivered": Meaning(EventKind.DELIVERED),
    "bounce": _BOUNCED,
    "dropped": _REJECTED,
    "spamreport": Meaning(EventKind.COMPLAINED),
    "unsubscribe": Meaning(EventKind.UNSUBSCRIBED),
    "group_unsubscribe": Meaning(EventKind.UNSUBSCRIBED),
}

SILENT: Final = frozenset({"open", "click", "group_resubscribe"})

BOUNCES: Final[Mapping[str, Meaning]] = {
    "bounce": _BOUNCED,
    # For reasons that are not the address's: reputation, content, a policy.
    "blocked": Meaning(EventKind.BOUNCED, "5.7.1"),
    "expired": Meaning(EventKind.BOUNCED, "4.4.7"),
}
"""Bounces by their ``type``."""

DROPS: Final[Mapping[str, Meaning]] = {
    "bounced address": _REJECTED,
    "unsubscribed address": _REJECTED,
    "spam reporting address": _REJECTED,
    "invalid": Meaning(EventKind.REJECTED, "5.1.3"),
    "invalid smtpapi header": _FAILED,
    "spam content (if spam checker app is enabled)": _FAILED,
    "spam content": _FAILED,
    "recipient list over package quota": _FAILED,
}
"""Drops by their ``reason``, in small letters."""


def prove(call: Call, keys: tuple[str, ...], _tools: Tools) -> bool:
    """True if the body was signed with one of the keys (ECDSA, P-256): the time stamp and the body, as they came.

    An old time stamp is no reason to refuse: SendGrid tells again for a day, and what is told twice changes nothing.
    """
    signature = decoded(call.headers.get(SIGNATURE, ""))
    stamp = call.headers.get(TIMESTAMP, "")
    if not signature or not stamp:
        return False
    return any(_is_signed(key, signature, stamp.encode("utf-8", "replace") + call.body) for key in keys)


def _is_signed(key: str, signature: bytes, signed: bytes) -> bool:
    public = load_der_public_key(base64.b64decode(key))
    if not isinstance(public, ec.EllipticCurvePublicKey):
        return False
    try:
        public.verify(signature, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def read(body: bytes, names: Names, now: datetime) -> list[Event]:
    """The events of a batch."""

    def batch(value: object) -> list[Event]:
        if not isinstance(value, list):
            raise UnreadableError("no list")
        return each(value, lambda item: _event(item, names, now), now)

    return whole(body, batch, now)


def _event(item: Data, names: Names, now: datetime) -> Event | None:
    word = item.need("event")
    meaning = meaning_of(PROVIDER, word, EVENTS, SILENT)
    if meaning is None:
        return None
    words = item.text("reason") or item.text("response")
    if word == "bounce":
        meaning = BOUNCES.get(item.text("type").lower(), _BOUNCED)
    elif word == "dropped":
        meaning = DROPS.get(words.strip().lower(), _REJECTED)
    if meaning.kind in {EventKind.REJECTED, EventKind.FAILED}:
        # It was not tried: no server said anything.
        said = reply(words, otherwise=meaning.status) if meaning.status else NO_REPLY
    else:
        said = reply(words, status=item.text("status"), otherwise=meaning.status)
    return Event(
        id=plain_id(item.need("sg_event_id")),
        kind=meaning.kind,
        happened_at=moment(item.raw("timestamp"), now),
        # Our argument, which SendGrid puts beside its own fields, or our Message-ID.
        message_id=message_in(
            names, [item.text("countersign"), item.text("smtp-id"), *item.child("unique_args").texts()]
        ),
        status=said.status,
        code=said.code,
        text=words,
    )


HOOK: Final = Hook(
    PROVIDER,
    # A batch ends at 1,000 events or 768 KB, whichever is first.
    max_body=2048 * KILOBYTE,
    keys=lambda settings: settings.hook_sendgrid_key,
    prove=prove,
    read=read,
)
