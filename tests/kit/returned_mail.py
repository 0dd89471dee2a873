"""Returned mail for tests: the samples with a return address of ours filled in, and a message that they are about."""

from dataclasses import dataclass
from pathlib import Path

from campaign.feedback import applying, mailboxes
from campaign.feedback.mailboxes import Receipt
from campaign.mail.verp import Names
from campaign.states import CameBack
from tests.kit.worlds import World

SAMPLES = Path(__file__).parent.parent / "feedback" / "samples"

CANARY = "zahra.canary@example.org"
"""The recipient of the samples: it must be in no event and in no log."""

HEADERS = (
    "Return-Path: <>\nDelivered-To: {address}\nFrom: MAILER-DAEMON@mx.example.org\nMessage-ID: <{id}@mx.example.org>\n"
)


def sample(name: str, address: str, *, recipient: str = CANARY) -> bytes:
    """A sample, as it would be sent back to a return address."""
    raw = (SAMPLES / f"{name}.eml").read_bytes()
    return raw.replace(b"RETURN-ADDRESS", address.encode()).replace(b"RECIPIENT", recipient.encode())


def report(
    address: str, *, action: str = "failed", status: str = "5.1.1", words: str = "", own_id: str = "r1"
) -> bytes:
    """The shortest delivery report there is."""
    diagnostic = f"Diagnostic-Code: smtp; {words}\n" if words else ""
    return f"""{HEADERS.format(address=address, id=own_id)}Content-Type: multipart/report; boundary=b

--b

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; someone@example.org
Action: {action}
Status: {status}
{diagnostic}
--b--
""".encode()


@dataclass
class Sent:
    """A message that was accepted, and what can come back of it."""

    world: World
    id: int

    @property
    def address(self) -> str:
        """Its signed return address."""
        return Names.by(self.world.runtime).of(self.id)[1]

    def returns(self, raw: bytes, *, recipient: str = "") -> Receipt:
        """A mail comes back, and is applied."""
        receipt, _ = mailboxes.receive(self.world.runtime, raw, recipient=recipient)
        applying.apply(self.world.runtime)
        return receipt

    def bounces(self, **report_of: str) -> Receipt:
        """A delivery report comes back, and is applied."""
        return self.returns(report(self.address, **report_of))

    @property
    def came_back(self) -> CameBack | None:
        """What is known of it since it was accepted."""
        [(known,)] = self.world.sql("select came_back from message where id = %(id)s", id=self.id)
        return known and CameBack(known)

    @property
    def state(self) -> str:
        """Its state in the ledger."""
        [(state,)] = self.world.sql("select state from message where id = %(id)s", id=self.id)
        return state


def send(world: World, slug: str | None = None, email: str = CANARY) -> Sent:
    """Sign, and have the confirmation accepted by a mail server."""
    world.sign(slug or world.petition(), email)
    world.deliver()
    [(message_id,)] = world.sql("select max(id) from message where state = 'accepted'")
    return Sent(world, message_id)


def suppressions(world: World) -> list[str]:
    """The reasons of all suppressions in force."""
    rows = world.sql("select reason from suppression where lifted_at is null order by id")
    return [reason for (reason,) in rows]


def soft_bounces(world: World) -> list[str]:
    """The kinds of all soft bounces that count."""
    return [kind for (kind,) in world.sql("select kind from bounce_strike order by day, kind")]


def stored(world: World) -> list[tuple]:
    """The events: kind, status, code, cause, problem."""
    return [
        tuple(row)
        for row in world.sql("""
            select kind, status, cast(detail ->> 'code' as int), cause, quarantine_reason
            from delivery_event order by id""")
    ]
