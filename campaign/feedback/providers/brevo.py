"""Brevo, transactional webhooks.

https://developers.brevo.com/docs/transactional-webhooks
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

PROVIDER: Final = "brevo"

_UNSUBSCRIBED: Final = Meaning(EventKind.UNSUBSCRIBED)

EVENTS: Final[Mapping[str, Meaning]] = {
    "request": Meaning(EventKind.QUEUED),
    "delivered": Meaning(EventKind.DELIVERED),
    "deferred": Meaning(EventKind.DEFERRED),
    "soft_bounce": Meaning(EventKind.BOUNCED, "4.2.2"),
    "hard_bounce": Meaning(EventKind.BOUNCED, "5.1.1"),
    "invalid_email": Meaning(EventKind.BOUNCED, "5.1.3"),
    # By its own list.
    "blocked": Meaning(EventKind.REJECTED),
    "error": Meaning(EventKind.FAILED),
    "spam": Meaning(EventKind.COMPLAINED),
    "unsubscribed": _UNSUBSCRIBED,
    "unsubscribe": _UNSUBSCRIBED,
}

SILENT: Final = frozenset(
    {"opened", "unique_opened", "proxy_open", "unique_proxy_open", "loaded_by_proxy", "click", "list_addition"}
)

MOMENTS: Final = ("ts_epoch", "ts_event", "ts", "date")
"""Fields with the moment, the best first: only that in milliseconds is certainly UTC."""


def read(body: bytes, names: Names, now: datetime) -> list[Event]:
    """The event of a call, or the events of a batch."""

    def events(value: object) -> list[Event]:
        if not isinstance(value, dict | list):
            raise UnreadableError("no event")
        return each(value if isinstance(value, list) else [value], lambda item: _event(item, names, now), now)

    return whole(body, events, now)


def _event(item: Data, names: Names, now: datetime) -> Event | None:
    word = item.need("event")
    meaning = meaning_of(PROVIDER, word, EVENTS, SILENT)
    if meaning is None:
        return None
    told_at = next((item.raw(name) for name in MOMENTS if item.text(name)), None)
    words = item.text("reason")
    is_about_server = meaning.kind in {EventKind.BOUNCED, EventKind.DEFERRED}
    said = reply(words, otherwise=meaning.status) if is_about_server else NO_REPLY
    name = item.text("message-id")
    custom = item.text("X-Mailin-custom")
    if not name and not custom:
        raise UnreadableError("no message")
    return Event(
        # Brevo's id is that of the webhook: an event is told by what it is about.
        id=plain_id(word, name.strip("<>"), custom, str(told_at)),
        kind=meaning.kind,
        happened_at=moment(told_at, now),
        message_id=message_in(names, [custom, name]),
        status=said.status,
        code=said.code,
        text=words,
    )


HOOK: Final = Hook(
    PROVIDER,
    max_body=1024 * KILOBYTE,
    keys=lambda settings: settings.hook_brevo,
    prove=has_credentials,
    read=read,
    challenge=BASIC,
)
