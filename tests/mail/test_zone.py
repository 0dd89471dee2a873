"""DNS records to paste: a name server takes them, and they say what receivers must find."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from dns import zone as dns_zone

from campaign.mail import zone
from campaign.mail.dkim import DkimKey


def published(*relays: str) -> tuple[dns_zone.Zone, list[DkimKey]]:
    """The records as a name server reads them."""
    keys = [
        DkimKey("example.org", "countersign", generate_private_key(65537, 4096)),
        DkimKey("example.org", "countersign-ed", Ed25519PrivateKey.generate()),
    ]
    lines = zone.records(
        host="petitions.example.org", sender="example.org", back="bounces.example.org", keys=keys, relays=relays,
        local=frozenset({"localhost"}),
    )  # fmt: skip
    text = "$TTL 3600\n" + "\n".join(lines) + "\n"
    return dns_zone.from_text(text, origin="example.org.", relativize=False, check_origin=False), keys


def texts(found: dns_zone.Zone, name: str) -> list[str]:
    return [b"".join(record.strings).decode() for record in found.get_rdataset(name, "TXT")]


def test_a_name_server_takes_the_records_and_gives_back_what_receivers_must_find():
    found, keys = published("smtp.example.net")

    assert texts(found, "bounces.example.org.") == ["v=spf1 a:smtp.example.net ~all"]
    assert [record.to_text() for record in found.get_rdataset("bounces.example.org.", "MX")] == [
        "10 petitions.example.org."
    ]
    assert texts(found, "_dmarc.example.org.") == ["v=DMARC1; p=none"]
    for key in keys:
        assert texts(found, f"{key.selector}._domainkey.example.org.") == [key.dns_record()]


def test_spf_names_each_relay_once_and_this_host_for_one_on_it():
    found, _ = published("localhost", "email-smtp.eu-central-1.amazonaws.com", "smtp.postmarkapp.com", "localhost")

    assert texts(found, "bounces.example.org.") == [
        "v=spf1 a:petitions.example.org include:amazonses.com include:spf.mtasv.net ~all"
    ]
