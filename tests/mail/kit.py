"""Mails of every kind with plausible values, and a record of what a transport said."""

import email.policy
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from campaign.local.mailserver.protocol import Transaction
from campaign.local.mailserver.running import ServerThread
from campaign.local.mailserver.script import Fault, Script
from campaign.mail.compiled import CompiledMail
from campaign.mail.compose import ListIdentity, Sender, TemplateCompiler
from campaign.mail.dkim import Signer
from campaign.mail.kinds import KINDS
from campaign.smtp.settings import SmtpSettings
from campaign.smtp.smtp import SmtpTransport
from campaign.smtp.transport import Envelope, Outcome
from campaign.variables import ROOT

BASE = "https://petitions.example.org"
SENDER = Sender(
    address="petitions@example.org",
    name="Petitions for all",
    site_name="Countersign",
    base_url=BASE,
    link_privacy=f"{BASE}/privacy",
    postal_address="1 Main Street, Berlin",
)
IDENTITY = ListIdentity(
    list_name='Stop "it" in Zürich, now',
    list_id="k3v9xyz.lists.example.org",
    campaign_ids=("b17", "p3"),
    sender_id="countersign",
)
DATE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TOKEN = "AbC-dEf_" * 7 + "x"
MESSAGE_ID = "<3f9a1b2c4d5e6f70@example.org>"
UNSUBSCRIBE = f"{BASE}/u/{TOKEN}"

CONTEXT: dict[str, Any] = {
    "petition_title": 'Protect "the <river>" & its fish – جلوگیری از ظلم',
    "expiry_days": 7,
    "link_petition": f"{BASE}/p/river",
    "count": 1234,
    "goal": 5000,
    "wants_updates": True,
    "forget": False,
    "is_open": True,
    "author_name": "Ada & Co. <friends>",
    "threshold": 1000,
    "body_html": "<p>Good news: <b>we were heard</b>.</p><table><tr><td>1</td></tr></table>",
    "body_text": "Good news: we were heard.\n.\nFrom now on  two blanks\tand a tab.",
    "subject": "Neuigkeiten über den Fluss – und mehr, als in eine einzige Zeile von achtundsiebzig Zeichen passt",
    "link_code": f"{BASE}/p/river/code?lang=en",
    "link_update": f"{BASE}/p/river/updates/1",
    "link_mine": f"{BASE}/mine",
    "signatures": [
        {
            "title": 'Protect "the <river>" & its fish',
            "state": state,
            "link_own": f"{BASE}/me/{TOKEN}{state}",
            "link_confirm": f"{BASE}/c/{TOKEN}" if state == "pending" else "",
        }
        for state in ("pending", "confirmed", "withdrawn", "removed")
    ],
    "writer": "zahra@example.net",
    "written": "Good morning <b>&\nthis is what I think.",
    "quoted": "> Good morning <b>&\n> this is what I think.",
    "is_recipient": False,
    "is_cut": True,
    "has_attachments": True,
    "contact": "contact@example.org",
    "done": "stopped",
    "valid_hours": 24,
    "undo_days": 7,
    "valid_minutes": 15,
    "sentences": ("The bulk lane is paused.", "550 5.7.1 was said 12 times."),
    "link_monitor": f"{BASE}/admin",
    "is_blast": False,
    "is_admin": True,
}
VALUES = {
    "name": "Zahra O'Hara-Müller",
    "code": "048213",
    "own_code": "730915",
    "link_confirm": f"{BASE}/c/{TOKEN}",
    "link_deny": f"{BASE}/c/{TOKEN}/deny",
    "link_manage": f"{BASE}/me/{TOKEN}",
    "link_move": f"{BASE}/move/{TOKEN}",
    "link_move_back": f"{BASE}/move-back/{TOKEN}",
    "link_unsubscribe": UNSUBSCRIBE,
    "link_sign_in": f"{BASE}/sign-in/{TOKEN}",
}

composer = TemplateCompiler(ROOT / "templates" / "email")


def compile_mail(kind: str, locale: str = "en", **changes: Any) -> CompiledMail:
    spec = KINDS[kind]
    context = {name: CONTEXT[name] for name in spec.context} | changes
    return composer.compile(
        kind, locale=locale, sender=SENDER, context=context, list_identity=IDENTITY if spec.is_list else None
    )


def fill(compiled: CompiledMail, **changes: Any) -> bytes:
    arguments = {
        "to": "zahra@example.net",
        "message_id": MESSAGE_ID,
        "date": DATE,
        "list_unsubscribe": UNSUBSCRIBE if compiled.needs_list_unsubscribe else None,
    } | changes
    values = arguments.pop("values", VALUES)
    return compiled.fill(values, **arguments)


def parse(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, subtype: str) -> str:
    found = message.get_body((subtype,))
    assert found is not None
    return found.get_content()


def dns(signer: Signer) -> Callable[..., bytes]:
    records = {f"{key.selector}._domainkey.{key.domain}.": key.dns_record().encode() for key in signer.keys}
    return lambda name, **_: records[name.decode()]


class Deliveries:
    """Sends, and keeps what the transport said."""

    def __init__(self, transport: SmtpTransport) -> None:
        self.transport = transport
        self.submitted: list[int] = []
        self.outcomes: list[Outcome] = []

    def send(self, *envelopes: Envelope) -> list[Outcome]:
        self.transport.deliver(envelopes, on_submit=self.submitted.append, on_outcome=self.outcomes.append)
        return self.outcomes


def envelope(number: int, rcpt_to: str = "", *, data: bytes = b"", utf8: bool = False) -> Envelope:
    body = data or b"Message-ID: <%d@example.org>\r\nSubject: x\r\n\r\nHello\r\n" % number
    return Envelope(number, f"bounce-{number}@example.org", rcpt_to or f"r{number}@example.net", body, utf8)


def deliveries(port: int, *, patience: float = 20.0, **options: Any) -> Deliveries:
    settings = SmtpSettings(options.pop("host", "127.0.0.1"), port, "mail.example.org", **options)
    settings.deadlines.update(dict.fromkeys(settings.deadlines, patience))
    return Deliveries(SmtpTransport(settings))


def settle(server: ServerThread) -> None:
    """Wait until a server has done what it was told, and what that led to in the next turn of its loop."""
    for _ in range(2):
        turn = threading.Event()
        server.call(turn.set)
        turn.wait()


def script(*faults: Fault, **options: Any) -> Script:
    return Script(faults=faults, **options)


def transaction(*recipients: str) -> Transaction:
    return Transaction(mail_from="bounce@example.org", recipients=list(recipients), started=True)


def trusting(ca_file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


@pytest.fixture
def client() -> Iterator[Callable[..., Deliveries]]:
    made: list[Deliveries] = []

    def make(port: int, **options: Any) -> Deliveries:
        made.append(deliveries(port, **options))
        return made[-1]

    yield make
    for each in made:
        each.transport.close()
