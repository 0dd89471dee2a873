"""The header by which a relay's webhooks name a message: in front of the mail, on the wire of that relay alone."""

import email
import json
from collections.abc import Callable

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from campaign.errors import SettingsError
from campaign.feedback.hooks import HOOKS
from campaign.local.mailserver.faults import FaultServer
from campaign.mail.dkim import DkimKey, Signer
from campaign.smtp.echo import HEADERS, with_name
from campaign.smtp.settings import SmtpSettings
from tests.mail import kit
from tests.mail.kit import Deliveries, envelope

Client = Callable[..., Deliveries]
NAME = "3f9a1b2c4d5e6f703f9a1b2c4d5e6f70"
MAIL = f"From: a@example.org\r\nMessage-ID: <{NAME}@example.org>\r\n\r\n.dot\r\nMessage-ID: <{'0' * 32}@x>\r\n".encode()


def received(client: Client, data: bytes, provider: str | None) -> bytes:
    with FaultServer() as server:
        client(server.port, provider=provider).send(envelope(1, data=data))
        [(_, _, found)] = server.rules.received
    return found


def test_every_provider_that_echoes_a_header_has_a_hook():
    assert HEADERS.keys() <= HOOKS.keys()


@pytest.mark.parametrize("provider", sorted(HEADERS))
def test_one_header_with_the_opaque_name_goes_in_front_and_the_rest_stays(client: Client, provider: str):
    found = received(client, MAIL, provider)

    header, _, rest = found.partition(b"\r\n")
    assert rest == MAIL
    assert header.count(NAME.encode()) == 1
    assert header.isascii()
    assert len(header) <= 120
    assert email.message_from_bytes(found).items()[0][1]


@pytest.mark.parametrize(
    ("provider", "path"), [("sendgrid", ["unique_args", "countersign"]), ("mailgun", ["countersign"])]
)
def test_what_is_json_to_the_provider_is_json(client: Client, provider: str, path: list[str]):
    value = json.loads(email.message_from_bytes(received(client, MAIL, provider)).items()[0][1])

    for step in path:
        value = value[step]
    assert value == NAME


def test_other_relays_get_the_mail_as_it_is(client: Client):
    assert received(client, MAIL, None) == MAIL


@pytest.mark.parametrize(
    "data", [b"Subject: x\r\n\r\nMessage-ID: <%s@x>\r\n" % NAME.encode(), b"no header", b"", b"\r\n\r\n"]
)
def test_a_mail_without_a_name_of_ours_stays_as_it_is(data: bytes):
    assert with_name(data, "postmark") == data


def test_the_signature_holds_with_the_header_in_front(client: Client):
    key = rsa.generate_private_key(65537, 2048)
    signer = Signer.create(DkimKey("example.org", "s1", key))
    signed = signer.sign(kit.fill(kit.compile_mail("confirmation")))

    found = received(client, signed, "mailgun")

    assert found.startswith(b"X-Mailgun-Variables: ")
    assert dkim.verify(found, dnsfunc=kit.dns(signer))


@pytest.mark.parametrize("provider", ["postal", "Mandrill", ""])
def test_another_provider_in_the_url_is_a_mistake(provider: str):
    url = f"smtp://localhost:25?provider={provider or 'x'}"

    with pytest.raises(SettingsError, match="provider must be one of brevo, mailgun, postmark, sendgrid, ses"):
        SmtpSettings.from_url(url, ehlo_name="a.test")


def test_each_relay_has_a_provider_of_its_own():
    urls = "smtp://localhost:25?provider=ses smtp://localhost:26?lane=bulk"

    assert [relay.provider for relay in SmtpSettings.all_from(urls, ehlo_name="a.test", lane="bulk")] == ["ses", None]
