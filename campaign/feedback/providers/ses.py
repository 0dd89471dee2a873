"""Amazon SES through SNS: event publishing of a configuration set, and the notifications of an identity.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from campaign.feedback.events import Event
from campaign.feedback.providers import sns
from campaign.feedback.providers.hook import KILOBYTE, Hook
from campaign.feedback.providers.payload import (
    NO_REPLY,
    Data,
    Meaning,
    Reply,
    UnreadableError,
    ignore,
    message_in,
    moment,
    plain_id,
    reply,
    whole,
)
from campaign.mail.verp import Names
from campaign.states import EventKind

PROVIDER: Final = "ses"

EVENTS: Final = {
    "Send": (EventKind.QUEUED, "send"),
    "Delivery": (EventKind.DELIVERED, "delivery"),
    "DeliveryDelay": (EventKind.DEFERRED, "deliveryDelay"),
    "Bounce": (EventKind.BOUNCED, "bounce"),
    "Complaint": (EventKind.COMPLAINED, "complaint"),
    # Its own check for viruses.
    "Reject": (EventKind.FAILED, "reject"),
    "Rendering Failure": (EventKind.FAILED, "failure"),
    "RenderingFailure": (EventKind.FAILED, "failure"),
    "Subscription": (EventKind.UNSUBSCRIBED, "subscription"),
}
"""Our kind, and the object that says more, by ``eventType`` or ``notificationType``."""

SILENT: Final = frozenset({"Open", "Click", "AmazonSnsSubscriptionSucceeded"})

_BOUNCED, _REJECTED = Meaning(EventKind.BOUNCED), Meaning(EventKind.REJECTED)

BOUNCES: Final[Mapping[tuple[str, str], Meaning]] = {
    ("Permanent", "General"): _BOUNCED,
    ("Permanent", "NoEmail"): _BOUNCED,
    ("Permanent", "Suppressed"): _REJECTED,
    ("Permanent", "OnAccountSuppressionList"): _REJECTED,
    ("Permanent", "UnsubscribedRecipient"): _REJECTED,
    ("Transient", "General"): Meaning(EventKind.BOUNCED, "4.0.0"),
    ("Transient", "MailboxFull"): Meaning(EventKind.BOUNCED, "4.2.2"),
    ("Transient", "MessageTooLarge"): Meaning(EventKind.BOUNCED, "5.3.4"),
    ("Transient", "ContentRejected"): Meaning(EventKind.BOUNCED, "5.6.0"),
    ("Transient", "AttachmentRejected"): Meaning(EventKind.BOUNCED, "5.6.1"),
    ("Transient", "CustomTimeoutExceeded"): Meaning(EventKind.BOUNCED, "4.4.7"),
    ("Undetermined", "Undetermined"): _BOUNCED,
}
"""Bounces by type and subtype."""

DELAYS: Final[Mapping[str, str]] = {
    "InternalFailure": "4.3.0",
    "General": "4.0.0",
    "MailboxFull": "4.2.2",
    "SpamDetected": "4.7.1",
    "RecipientServerError": "4.3.0",
    "IPFailure": "4.7.1",
    "TransientCommunicationFailure": "4.4.0",
    "BYOIPHostNameLookupUnavailable": "4.4.3",
    "Undetermined": "4.0.0",
    "SendingDeferral": "4.7.0",
}
"""Status by the type of a delay."""

VALIDATED: Final = "Successfully validated SNS topic"
"""How the text begins that a new event destination sends once; it is no JSON."""


def read(body: bytes, names: Names, now: datetime) -> list[Event]:
    """The event of a notification; a subscription or its end is none."""

    def notification(value: object) -> list[Event]:
        message = Data.of(value)
        if message.text("Type") != sns.NOTIFICATION:
            return []
        told = message.raw("Message")
        if not isinstance(told, str):
            raise UnreadableError("no message")
        if told.startswith(VALIDATED):
            return []
        event = _event(Data.parsed(told), names, now)
        return [] if event is None else [event]

    return whole(body, notification, now)


def _event(record: Data, names: Names, now: datetime) -> Event | None:
    word = record.text("eventType") or record.need("notificationType")
    if word in SILENT:
        return None
    if word not in EVENTS:
        ignore(PROVIDER, word)
        return None
    kind, place = EVENTS[word]
    details, mail = record.child(place), record.need_child("mail")
    said = NO_REPLY
    if kind is EventKind.BOUNCED:
        kind, said = _bounce(record.need_child(place))
    elif kind is EventKind.DEFERRED:
        said = _said(details.children("delayedRecipients"), DELAYS.get(details.text("delayType")))
    elif kind is EventKind.COMPLAINED:
        if details.text("complaintFeedbackType") == "not-spam":
            return None
        if details.text("complaintSubType") == "OnAccountSuppressionList":
            kind = EventKind.REJECTED
    elif kind is EventKind.UNSUBSCRIBED and not _is_leaving(details):
        return None
    else:
        said = reply(details.text("smtpResponse") or details.text("reason") or details.text("errorMessage"))
    told_at = details.text("timestamp") or mail.text("timestamp")
    return Event(
        id=plain_id(word, details.text("feedbackId") or f"{mail.need('messageId')}/{told_at}"),
        kind=kind,
        happened_at=moment(told_at, now),
        message_id=message_in(names, _names_of(mail)),
        status=said.status,
        code=said.code,
        text=said.words,
    )


def _names_of(mail: Data) -> list[str]:
    """Where our own names of a message are: the envelope sender, our Message-ID, and the tag that a relay adds."""
    headers = [header.text("value") for header in mail.children("headers")]
    return [
        mail.text("source"),
        mail.child("commonHeaders").text("messageId"),
        *mail.child("tags").texts(),
        *mail.child("commonHeaders").texts(),
        *headers,
    ]


def _bounce(bounce: Data) -> tuple[EventKind, Reply]:
    kinds = (bounce.need("bounceType"), bounce.text("bounceSubType"))
    meaning = BOUNCES.get(kinds) or BOUNCES.get((kinds[0], "General"), _BOUNCED)
    if meaning.kind is EventKind.REJECTED:
        # It was not tried: the status is SES's own, from its list.
        return meaning.kind, NO_REPLY
    return meaning.kind, _said(bounce.children("bouncedRecipients"), meaning.status)


def _said(recipients: list[Data], otherwise: str | None) -> Reply:
    """What the recipient's server said; our messages have one recipient."""
    one = recipients[0] if recipients else Data({})
    return reply(one.text("diagnosticCode"), status=one.text("status"), otherwise=otherwise)


def _is_leaving(subscription: Data) -> bool:
    wishes = subscription.child("newTopicPreferences")
    topics = [topic.text("subscriptionStatus") for topic in wishes.children("topicSubscriptionStatus")]
    return wishes.raw("unsubscribeAll") is True or "OptOut" in topics


HOOK: Final = Hook(
    PROVIDER,
    # SNS sends 256 KB at most, in which each quotation mark of the event has a backslash before it.
    max_body=512 * KILOBYTE,
    keys=lambda settings: settings.hook_ses_topic,
    prove=sns.prove,
    read=read,
    shake_hands=sns.shake_hands,
)
