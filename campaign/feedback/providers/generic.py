"""Our own webhook, for any other mail server: events in our own words, signed with a shared secret (HMAC-SHA256).

docs/operations.md describes it for those who write the other side.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Final

from campaign.feedback.events import Event
from campaign.feedback.providers.hook import KILOBYTE, Call, Hook, Tools, is_same
from campaign.feedback.providers.payload import (
    Data,
    UnreadableError,
    each,
    message_in,
    moment,
    moment_of,
    plain_id,
    reply,
    whole,
)
from campaign.mail.verp import Names
from campaign.states import EventKind

PROVIDER: Final = "generic"
TIMESTAMP: Final = "x-countersign-timestamp"
SIGNATURE: Final = "x-countersign-signature"

WINDOW: Final = timedelta(minutes=5)
"""How far the time stamp may be from our clock, either way; who tells again signs again."""

KINDS: Final = {str(kind): kind for kind in EventKind if kind is not EventKind.UNKNOWN}
SILENT: Final = frozenset({"opened", "clicked"})


def prove(call: Call, keys: tuple[str, ...], tools: Tools) -> bool:
    """True if time stamp, full stop and body were signed within the last minutes."""
    stamp = call.headers.get(TIMESTAMP, "")
    sent = call.headers.get(SIGNATURE, "").strip().lower().removeprefix("sha256=")
    signed = stamp.encode("utf-8", "replace") + b"." + call.body
    proven = any(is_same(sent, hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()) for key in keys)
    told_at = moment_of(stamp)
    return proven and told_at is not None and abs(told_at - tools.now) <= WINDOW


def read(body: bytes, names: Names, now: datetime) -> list[Event]:
    """The events of a list, or a single one."""

    def events(value: object) -> list[Event]:
        if not isinstance(value, dict | list):
            raise UnreadableError("no list")
        return each(value if isinstance(value, list) else [value], lambda item: _event(item, names, now), now)

    return whole(body, events, now)


def _event(item: Data, names: Names, now: datetime) -> Event | None:
    word = item.need("kind")
    if word in SILENT:
        return None
    if word not in KINDS:
        raise UnreadableError("an unknown kind")
    said = reply(item.text("text"), status=item.text("status"), code=item.raw("code"))
    return Event(
        id=plain_id(item.need("id")),
        kind=KINDS[word],
        happened_at=moment(item.raw("happened_at"), now),
        message_id=message_in(names, [item.need("message")]),
        status=said.status,
        code=said.code,
        text=said.words,
    )


HOOK: Final = Hook(
    PROVIDER,
    max_body=1024 * KILOBYTE,
    keys=lambda settings: settings.hook_generic_key,
    prove=prove,
    read=read,
)
