"""Returned mail and events for tests."""

from campaign.feedback import applying, events
from campaign.feedback.events import Event
from campaign.feedback.mailboxes import Receipt, receive
from campaign.mail.verp import Names
from campaign.states import EventKind
from tests.kit.worlds import World

DSN = """Return-Path: <>
Message-ID: <{number}@mx.example.net>
From: Mail Delivery System <MAILER-DAEMON@mx.example.net>
To: {address}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="cut"

--cut
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--cut
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; canary@example.org
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {words}

--cut--
"""


def return_address(world: World, message_id: int) -> str:
    """The signed return address of a message."""
    return Names.by(world.runtime).of(message_id)[1]


def dsn(
    address: str,
    *,
    action: str = "failed",
    status: str = "5.1.1",
    words: str = "550 5.1.1 No such user",
    number: int = 1,
) -> bytes:
    """A delivery status notification as a mail server sends it to a return address."""
    text = DSN.format(address=address, action=action, status=status, words=words, number=number)
    return text.replace("\n", "\r\n").encode()


def bring(world: World, message_id: int, **report: object) -> Receipt:
    """Let a report about a message arrive; nothing is applied yet."""
    receipt, _ = receive(world.runtime, dsn(return_address(world, message_id), **report))
    return receipt


def tell(world: World, kind: EventKind, message_ids: list[int], **detail: object) -> int:
    """Store events as a door does, and apply them."""
    now = world.clock()
    told = [Event(f"{kind}-{message_id}-{now}", kind, now, message_id, **detail) for message_id in message_ids]
    stored = events.store(world.runtime, "test", told)
    applying.apply(world.runtime)
    return stored
