"""What `countersign doctor` says of DNS: by a name server that answers as an admin may have set it up."""

import socket

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from campaign.checks import mail, names
from campaign.checks.findings import Level
from campaign.checks.names import NameServer
from campaign.settings import load_settings
from tests.kit.name_server import name_server
from tests.kit.worlds import KEYS

DOMAIN = "petitions.example.org"
DKIM = f"countersign._domainkey.{DOMAIN}"


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """The settings of a public site, and its DKIM record as strings of a TXT record."""
    path = tmp_path_factory.mktemp("dkim") / "dkim.pem"
    key = generate_private_key(65537, 2048)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    settings = load_settings(
        {
            "COUNTERSIGN_BASE_URL": f"https://{DOMAIN}",
            "COUNTERSIGN_KEYS": KEYS,
            "COUNTERSIGN_DKIM_KEY_FILE": str(path),
            "SMTP_URL": "smtps://relay.example.org",
        }
    )
    record = mail.dkim_keys(settings)[0].dns_record()
    return settings, f'"{record[:200]}" "{record[200:]}"'


def records(dkim):
    """As it should be."""
    return {
        (DKIM, "TXT"): [dkim],
        (DOMAIN, "TXT"): ['"other=1"', '"v=spf1 include:relay.example.org -all"'],
        ("relay.example.org", "TXT"): ['"v=spf1 ip4:192.0.2.1 -all"'],
        ("_dmarc.example.org", "TXT"): ['"v=DMARC1; p=none"'],
        (DOMAIN, "MX"): ["10 mx.example.org."],
    }


def told(settings, known):
    with name_server(known) as server:
        return {finding.check: finding for finding in names.check_all(settings, NameServer(server))}


def test_records_as_they_should_be_are_fine(public):
    settings, dkim = public
    found = told(settings, records(dkim))

    assert found.keys() == {"dkim.dns.countersign", "spf", "dmarc", "mx.return", "mx.from"}
    assert {finding.level for finding in found.values()} == {Level.FINE}, found


@pytest.mark.parametrize(
    ("place", "texts", "check", "words"),
    [
        ((DKIM, "TXT"), [], "dkim.dns.countersign", "no DKIM record"),
        ((DKIM, "TXT"), ['"v=DKIM1; k=rsa; p=AAAA"'], "dkim.dns.countersign", "another key"),
        ((DOMAIN, "TXT"), [], "spf", "no SPF record"),
        ((DOMAIN, "TXT"), ['"v=spf1 mx -all"', '"v=spf1 a -all"'], "spf", "2 SPF records"),
        ((DOMAIN, "TXT"), ['"v=spf1 +all"'], "spf", "everybody"),
        ((DOMAIN, "TXT"), ['"v=spf1 include:gone.example -all"'], "spf", "gone.example"),
        ((DOMAIN, "TXT"), [f'"v=spf1 {"a:x " * 11}-all"'], "spf", "more than 10 lookups"),
        (("_dmarc.example.org", "TXT"), [], "dmarc", "no DMARC record"),
        ((DOMAIN, "MX"), ["0 ."], "mx.return", "Nothing takes email"),
    ],
)
def test_each_mistake_is_told_with_what_to_publish(public, place, texts, check, words):
    settings, dkim = public
    found = told(settings, records(dkim) | {place: texts})

    level = Level.STOP if check.startswith("dkim") else Level.LOOK
    assert (found[check].level, words in found[check].what) == (level, True), found[check]
    assert found[check].remedy
    assert {one.level for name, one in found.items() if not name.startswith(check[:3])} == {Level.FINE}


def test_a_host_without_mx_gets_mail_at_its_address(public):
    settings, dkim = public
    known = records(dkim) | {(DOMAIN, "MX"): [], (DOMAIN, "A"): ["192.0.2.7"]}

    assert told(settings, known)["mx.return"].level is Level.FINE


def test_a_name_server_that_is_silent_leaves_it_unknown(public):
    settings, _ = public
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        found = names.check_all(settings, NameServer(f"127.0.0.1:{silent.getsockname()[1]}"))

    assert {finding.level for finding in found} == {Level.UNKNOWN}
    assert all(finding.what.startswith("Can’t be checked here") for finding in found)


def test_a_site_of_this_machine_alone_is_asked_nothing():
    [found] = names.check_all(load_settings({}), NameServer("127.0.0.1:1"))

    assert found.level is Level.UNKNOWN
