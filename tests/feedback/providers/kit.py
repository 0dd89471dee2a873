"""Providers as a test plays them: keys of their own, requests with a proof, and the door they knock at."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.feedback import applying
from campaign.feedback.providers.certificates import Certificates, HookAwayError
from campaign.mail.verp import Names
from campaign.views.public import hooks
from tests.kit.memory_transport import MemoryTransport
from tests.kit.worlds import START, World

TOPIC = "arn:aws:sns:eu-central-1:123456789012:mail-events"
CERTIFICATE_URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
CREDENTIALS = "countersign:a-long-password/a-long-secret-path"
SECRET = "a-secret-of-this-test-alone"
SOMEONE = "parisa@example.net"


@cache
def elliptic_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    """A key of a test; another one for each number."""
    del number
    return rsa.generate_private_key(65537, 2048)


def public_text(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    """A public key as base64 of DER, as providers show it."""
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


@cache
def certificate(number: int = 0, *, expired: bool = False) -> bytes:
    """A certificate as SNS shows it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    begins = START - dt.timedelta(days=400 if expired else 30)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key(number).public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=365))
        .sign(rsa_key(number), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def keys() -> dict[str, str]:
    """Settings with which every hook is there."""
    return {
        "hook_ses_topic": TOPIC,
        "hook_sendgrid_key": public_text(elliptic_key()),
        "hook_mailgun_key": SECRET,
        "hook_postmark": CREDENTIALS,
        "hook_brevo": CREDENTIALS,
        "hook_postal_key": public_text(rsa_key(1)),
        "hook_generic_key": SECRET,
    }


@dataclass
class Elsewhere:
    """What is to be had by https, and what was asked for."""

    pages: dict[str, bytes] = field(default_factory=lambda: {CERTIFICATE_URL: certificate()})
    asked: list[str] = field(default_factory=list)

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.pages:
            raise HookAwayError("nothing there")
        return self.pages[url]


@dataclass
class Sent:
    """A mail that was handed over, and what providers may know it by."""

    id: int
    return_address: str
    message_id: str
    email: str

    @property
    def name(self) -> str:
        """The opaque part of the Message-ID, as a relay's own header echoes it."""
        return self.message_id.strip("<>").partition("@")[0]


@dataclass
class Request:
    """A call of a provider."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Door:
    """The site with its hooks, and what happens behind it."""

    world: World
    app: Flask
    client: FlaskClient
    elsewhere: Elsewhere

    def mail(self, email: str = SOMEONE) -> Sent:
        """Sign with an address, and let the confirmation be sent."""
        self.world.sign("a-petition", email)
        transport = MemoryTransport()
        self.world.deliver(transport=transport)
        (envelope,) = transport.sent
        message_id = Names.by(self.world.runtime).of(envelope.id)[0]
        assert message_id.encode() in envelope.data
        return Sent(envelope.id, envelope.mail_from, message_id, email)

    def call(self, request: Request) -> TestResponse:
        return self.client.post(request.path, data=request.body, headers=request.headers)

    def told(self, request: Request) -> int:
        """Call, see that it is well taken, and apply; returns how many events were new."""
        answer = self.call(request)
        assert answer.status_code == 200, answer.text
        assert "Set-Cookie" not in answer.headers
        applying.apply(self.world.runtime)
        found = re.fullmatch(r"New events: (\d+)\n", answer.text)
        assert found is not None
        return int(found[1])

    def events(self) -> list[tuple]:
        """Kind, status and cause of what is stored, in the order of its coming."""
        return self.world.sql("select kind, status, cause from delivery_event order by id")

    def kinds(self) -> list[str]:
        return [kind for kind, *_ in self.events()]

    def problems(self) -> list[str]:
        return [reason for (reason,) in self.world.sql("select quarantine_reason from delivery_event") if reason]

    def came_back(self, sent: Sent) -> str | None:
        return self.world.sql("select came_back from message where id = %(id)s", id=sent.id)[0][0]

    def suppressions(self) -> list[str]:
        return [reason for (reason,) in self.world.sql("select reason from suppression")]

    def everything(self) -> str:
        """All that is stored of events, as text, but for what is sealed."""
        rows = self.world.sql("select to_jsonb(e) - 'sealed' from delivery_event e")
        return json.dumps([row for (row,) in rows])


Payload = Callable[[Sent], object]


def sns(message: object, *, number: int = 0, version: str = "1", **changes: object) -> Request:
    """A notification of SNS, signed."""
    told = {
        "Type": "Notification",
        "MessageId": secrets.token_hex(16),
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2026-11-22T10:00:05.123Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe",
    } | changes
    return signed_sns(told, number=number)


def signed_sns(told: dict[str, object], *, number: int = 0) -> Request:
    if told["Type"] == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{told[name]}\n" for name in names if name in told)
    algorithm = hashes.SHA1() if told["SignatureVersion"] == "1" else hashes.SHA256()  # noqa: S303
    signature = rsa_key(number).sign(text.encode(), padding.PKCS1v15(), algorithm)
    body = json.dumps(told | {"Signature": base64.b64encode(signature).decode()}).encode()
    return Request("/hooks/ses", body, {"Content-Type": "text/plain; charset=UTF-8"})


def sendgrid(payload: object, *, key: ec.EllipticCurvePrivateKey | None = None, stamp: str = "1795341600") -> Request:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signature = (key or elliptic_key()).sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return Request(
        "/hooks/sendgrid",
        body,
        {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
            "Content-Type": "application/json",
        },
    )


def mailgun(data: object, *, key: str = SECRET, token: str | None = None, age: float = 5) -> Request:
    stamp = str(int(START.timestamp() - age))
    token = token or secrets.token_hex(25)
    signature = hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    told = {"signature": {"timestamp": stamp, "token": token, "signature": signature}, "event-data": data}
    return Request("/hooks/mailgun", json.dumps(told).encode(), {"Content-Type": "application/json"})


def basic(provider: str, payload: object, *, credentials: str = CREDENTIALS) -> Request:
    """A call of Postmark or Brevo."""
    pair, _, path = credentials.partition("/")
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Request(f"/hooks/{provider}/{path}", body, {"Authorization": authorization})


def postal(payload: object, *, number: int = 1, names: tuple[str, ...] = ("", "-256")) -> Request:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    headers = {}
    for name in names:
        algorithm = hashes.SHA256() if name else hashes.SHA1()  # noqa: S303
        signature = rsa_key(number).sign(body, padding.PKCS1v15(), algorithm)
        headers[f"X-Postal-Signature{name}"] = base64.b64encode(signature).decode()
    return Request("/hooks/postal", body, headers)


def generic(payload: object, *, key: str = SECRET, age: float = 0) -> Request:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    stamp = str(int(START.timestamp() - age))
    signature = hmac.new(key.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    headers = {"X-Countersign-Timestamp": stamp, "X-Countersign-Signature": f"sha256={signature}"}
    return Request("/hooks/generic", body, headers)


def open_door(world: World, app: Flask) -> Door:
    """The site, which asks elsewhere only what a test knows."""
    elsewhere = Elsewhere()
    app.extensions[hooks.PLACE] = hooks.Doors(Certificates(elsewhere.fetch))
    return Door(world, app, app.test_client(), elsewhere)
