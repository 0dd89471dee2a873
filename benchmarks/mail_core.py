"""What one mail costs, step by step, beside the obvious ways: ``python benchmarks/mail_core.py``.

All in one run on this machine, as only ratios carry over to another. Each figure is the best of several rounds:
microseconds per message by the wall clock, and by the processor time of this process (the sink runs in another).
"""

import smtplib
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import dkim
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from campaign.mail.compiled import CompiledMail
from campaign.mail.compose import ListIdentity, Sender, TemplateCompiler
from campaign.mail.dkim import DkimKey, Signer
from campaign.smtp.settings import SmtpSettings
from campaign.smtp.smtp import SmtpTransport
from campaign.smtp.transport import Envelope, Outcome
from campaign.variables import ROOT

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


BASE = "https://petitions.example.org"
DATE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TOKEN = "t" * 60
VALUES = {
    "name": "Zahra Müller",
    "link_manage": f"{BASE}/me/{TOKEN}",
    "link_unsubscribe": f"{BASE}/u/{TOKEN}",
}
ROUNDS = 5


def update() -> CompiledMail:
    """An update of about 6 KB."""
    sender = Sender("petitions@example.org", "Petitions", "Countersign", BASE, f"{BASE}/privacy", "1 Main Street")
    context = {
        "subject": "News about the river",
        "body_html": "<p>We were heard.</p>" * 12,
        "body_text": "We were heard.\n\n" * 12,
        "petition_title": "Protect the river",
        "author_name": "Friends of the river",
        "count": 1234,
        "link_petition": f"{BASE}/p/river",
        "link_update": f"{BASE}/p/river/updates/1",
    }
    identity = ListIdentity("Protect the river", "k3v9.lists.example.org", ("b17", "p3"), "countersign")
    composer = TemplateCompiler(ROOT / "templates" / "email")
    return composer.compile("update", locale="en", sender=sender, context=context, list_identity=identity)


def filled(mail: CompiledMail, signer: Signer | None = None) -> bytes:
    """One message."""
    return mail.fill(
        VALUES,
        to="zahra@example.net",
        message_id="<3f9a1b2c@example.org>",
        date=DATE,
        list_unsubscribe=VALUES["link_unsubscribe"],
        signer=signer,
    )


def obvious_message(text: str, html: str) -> bytes:
    """The same mail by EmailMessage, without rendering the templates."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address("Petitions", addr_spec="petitions@example.org")
    message["To"] = "zahra@example.net"
    message["Subject"] = "News about the river"
    message["Date"] = DATE
    message["Message-ID"] = "<3f9a1b2c@example.org>"
    message["List-Id"] = "Protect the river <k3v9.lists.example.org>"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return bytes(message)


def show(name: str, action: Callable[[], object], *, number: int, per_call: int = 1) -> float:
    """Print the best of several rounds; the result is microseconds by the wall clock."""
    best_wall = best_cpu = float("inf")
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(number):
            action()
        best_wall = min(best_wall, (time.perf_counter() - wall) / number / per_call)
        best_cpu = min(best_cpu, (time.process_time() - cpu) / number / per_call)
    print(f"{name:<46}{best_wall * 1e6:>12.1f}{best_cpu * 1e6:>12.1f}")
    return best_wall * 1e6


def building() -> bytes:
    """Fill against EmailMessage; the result is a message."""
    mail = update()
    raw = filled(mail)
    html = raw.decode().partition("<!DOCTYPE")[2]
    show("fill a compiled mail", lambda: filled(mail), number=5000)
    show("EmailMessage + bytes()", lambda: obvious_message("We were heard.\n" * 40, html), number=50)
    return raw


def signing(raw: bytes) -> None:
    """Ours against the bare signature and dkimpy."""
    mail = update()
    key = rsa.generate_private_key(65537, 2048)
    edwards = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    first, second = DkimKey("example.org", "s1", key), DkimKey("example.org", "s2", edwards)
    show("bare RSA-2048 signature", lambda: key.sign(raw[:900], padding.PKCS1v15(), hashes.SHA256()), number=300)
    show("fill + DKIM RSA-2048", lambda: filled(mail, Signer((first,))), number=300)
    show("DKIM RSA-2048 of a given message", lambda: Signer((first,)).sign(raw), number=300)
    show("dkimpy RSA-2048", lambda: dkim.sign(raw, b"s1", b"example.org", pem), number=10)
    show("bare Ed25519 signature", lambda: edwards.sign(raw[:32]), number=1000)
    show("fill + DKIM Ed25519", lambda: filled(mail, Signer((second,))), number=1000)
    show("fill + DKIM both", lambda: filled(mail, Signer((first, second))), number=300)


def sending(raw: bytes, port: int) -> None:
    """Ours against smtplib, into our sink."""
    number = 5000
    envelopes = [Envelope(row, f"bounce-{row}@example.org", f"r{row}@example.net", raw) for row in range(number)]
    outcomes: list[Outcome] = []
    for connections in (1, 4):
        settings = SmtpSettings("127.0.0.1", port, "bench.test", connections=connections, messages_per_connection=10**9)
        transport = SmtpTransport(settings)
        show(
            f"our client, {connections} connection{'s' if connections > 1 else ''}",
            lambda transport=transport: transport.deliver(
                envelopes, on_submit=lambda _: None, on_outcome=outcomes.append
            ),
            number=1,
            per_call=number,
        )
        transport.close()
    assert {outcome.code for outcome in outcomes} == {250}
    with smtplib.SMTP("127.0.0.1", port) as client:
        show(
            "smtplib, kept connection",
            lambda: client.sendmail("bounce@example.org", ["r@example.net"], raw),
            number=300,
        )


def main() -> None:
    """Print the table."""
    sink = subprocess.Popen(
        [sys.executable, "-m", "campaign.local.mailserver.sink"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert sink.stdout is not None
    port = int(sink.stdout.readline())
    print(f"{'microseconds per message':<46}{'wall':>12}{'cpu':>12}")
    try:
        raw = building()
        signing(raw)
        sending(raw, port)
    finally:
        sink.terminate()
        sink.communicate()


if __name__ == "__main__":
    main()
