"""Postal, a mail server to run oneself.

https://docs.postalserver.io/developer/webhooks
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from campaign.feedback.events import Event
from campaign.feedback.providers.hook import KILOBYTE, Call, Hook, Tools, decoded
from campaign.feedback.providers.payload import (
    NO_REPLY,
    Data,
    Meaning,
    meaning_of,
    message_in,
    moment,
    plain_id,
    reply,
    single,
)
from campaign.mail.verp import Names
from campaign.states import EventKind

PROVIDER: Final = "postal"
NEWER: Final = "x-postal-signature-256"
OLDER: Final = "x-postal-signature"

EVENTS: Final[Mapping[str, Meaning]] = {
    "MessageSent": Meaning(EventKind.DELIVERED),
    "MessageDelayed": Meaning(EventKind.DEFERRED),
    "MessageDeliveryFailed": Meaning(EventKind.BOUNCED),
    "MessageBounced": Meaning(EventKind.BOUNCED),
    # It may be released later.
    "MessageHeld": Meaning(EventKind.QUEUED),
}

SILENT: Final = frozenset(
    {"MessageLinkClicked", "MessageLoaded", "DomainDNSError", "SendLimitApproaching", "SendLimitExceeded"}
)

ON_LIST: Final = "is on the suppression list"
"""Words of Postal where it holds a message for its own list."""


def prove(call: Call, keys: tuple[str, ...], _tools: Tools) -> bool:
    """True if Postal signed the body (RSA, PKCS #1 v1.5).

    Newer versions send two signatures; then the one with SHA-256 counts, and the older one is not asked.
    """
    name, algorithm = (NEWER, SHA256()) if NEWER in call.headers else (OLDER, SHA1())  # noqa: S303
    signature = decoded(call.headers.get(name, ""))
    return bool(signature) and any(_is_signed(key, signature, call.body, algorithm) for key in keys)


def _is_signed(key: str, signature: bytes, body: bytes, algorithm: SHA1 | SHA256) -> bool:
    public = load_der_public_key(base64.b64decode(key))
    if not isinstance(public, RSAPublicKey):
        return False
    try:
        public.verify(signature, body, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True


def read(body: bytes, names: Names, now: datetime) -> list[Event]:
    """The event of a call."""
    return single(body, lambda data: _event(data, names, now), now)


def _event(call: Data, names: Names, now: datetime) -> Event | None:
    word = call.need("event")
    meaning = meaning_of(PROVIDER, word, EVENTS, SILENT)
    if meaning is None:
        return None
    payload = call.need_child("payload")
    message = payload.need_child("original_message" if word == "MessageBounced" else "message")
    if message.text("direction") == "incoming":
        return None
    kind, said = meaning.kind, NO_REPLY
    if ON_LIST in payload.text("details"):
        kind = EventKind.REJECTED
    elif kind in {EventKind.BOUNCED, EventKind.DEFERRED}:
        said = reply(payload.text("output") or payload.text("details"))
    return Event(
        id=plain_id(call.need("uuid")),
        kind=kind,
        happened_at=moment(payload.raw("timestamp") or call.raw("timestamp"), now),
        message_id=message_in(names, [message.text("from"), message.text("message_id"), message.text("tag")]),
        status=said.status,
        code=said.code,
        text=said.words or payload.text("details"),
    )


HOOK: Final = Hook(
    PROVIDER,
    max_body=256 * KILOBYTE,
    keys=lambda settings: settings.hook_postal_key,
    prove=prove,
    read=read,
)
