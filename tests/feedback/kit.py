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


def reply(
    world: World,
    message_id: int,
    text: str,
    *,
    sender: str = "zahra@example.org",
    kind: str = "text/plain",
    more: str = "",
    number: int = 1,
) -> bytes:
    """What a person writes back to a message, as a mail program sends it to the reply address."""
    to = Names.by(world.runtime).reply_address(message_id)
    head = (
        f"Return-Path: <{sender}>\r\nFrom: Somebody <{sender}>\r\nTo: {to}\r\nSubject: Re: your email\r\n"
        f"Message-ID: <{number}@mail.example.org>\r\nMIME-Version: 1.0\r\n{more}"
    )
    if "Content-Type" not in more:
        head += f"Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    return (head + "\r\n").encode() + text.replace("\n", "\r\n").encode()


def answer(world: World, message_id: int, text: str, **options: object) -> Receipt:
    """Let a reply arrive, and deal with it."""
    receipt, _ = receive(world.runtime, reply(world, message_id, text, **options))
    applying.apply(world.runtime)
    return receipt
