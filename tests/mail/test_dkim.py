"""DKIM, verified by dkimpy over thousands of messages and by tampering."""

import random
import re
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.errors import SettingsError
from campaign.mail.compiled import BOUNDARY
from campaign.mail.dkim import DkimKey, Signer, load_key, relaxed_body
from campaign.mail.headers import relaxed
from tests.mail import kit

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
CLEAR = serialization.NoEncryption()


class Ed25519Verifier(dkim.DKIM):  # type: ignore[misc]  # dkimpy has no types
    """dkimpy with the bare Ed25519 step done by ``cryptography``, as its own needs PyNaCl. RFC 8463."""

    def __init__(self, message: bytes, public: ed25519.Ed25519PublicKey) -> None:
        super().__init__(message)
        self.public = public

    def verify_sig(self, sig: Any, include_headers: Any, sig_header: Any, dnsfunc: Any) -> bool:
        verifier = self

        class Key:
            def verify(self, digest: bytes, signature: bytes) -> None:
                verifier.public.verify(signature, digest)

        self.pk, self.ktag, self.keysize, self.seqtlsrpt = Key(), b"ed25519", 256, False
        try:
            return bool(self.verify_sig_process(sig, include_headers, sig_header, dnsfunc))
        except InvalidSignature:
            return False


def ed25519_verdict(raw: bytes, signer: Signer) -> bool:
    public = signer.keys[1].private_key.public_key()
    assert isinstance(public, ed25519.Ed25519PublicKey)
    try:
        return Ed25519Verifier(raw, public).verify(idx=1)
    except dkim.ValidationError:
        return False


def test_two_thousand_different_messages_are_verified(signer: Signer) -> None:
    dice = random.Random(3)  # noqa: S311 - a repeatable choice
    mails = [
        kit.compile_mail(kind, locale) for kind in ("thank_you", "update", "confirmation") for locale in ["en", "fa"]
    ]
    letters = "aä ظ=.<&'🌍 \u200c"

    for number in range(2000):
        name = "".join(dice.choices(letters, k=dice.randrange(60)))
        mail = dice.choice(mails)
        raw = kit.fill(mail, values=kit.VALUES | {"name": name}, signer=signer, message_id=f"<{number:x}@example.org>")

        assert dkim.verify(raw, dnsfunc=kit.dns(signer)), (number, name)
        assert ed25519_verdict(raw, signer), (number, name)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_changing_any_byte_that_is_signed_breaks_both_signatures(signer: Signer, data: st.DataObject) -> None:
    raw = kit.fill(kit.compile_mail("update"), signer=signer)
    body = raw.index(f"--{BOUNDARY}".encode())
    at = data.draw(st.integers(body, len(raw) - 5).filter(lambda index: raw[index] not in b" \r\n"))
    changed = raw[:at] + (b"x" if raw[at : at + 1] != b"x" else b"y") + raw[at + 1 :]

    assert not dkim.verify(changed, dnsfunc=kit.dns(signer))
    assert not ed25519_verdict(changed, signer)


def test_both_signatures_stand_beside_each_other_and_cover_the_same_headers(signer: Signer) -> None:
    raw = kit.fill(kit.compile_mail("update"), signer=signer)

    found = [re.sub(r"\s+", "", str(value)) for value in kit.parse(raw).get_all("DKIM-Signature", [])]

    assert [re.search("a=([^;]*)", value)[1] for value in found] == ["rsa-sha256", "ed25519-sha256"]  # type: ignore[index]
    assert len({re.search(";h=([^;]*)", value)[1] for value in found}) == 1  # type: ignore[index]


MESSAGES = st.builds(
    lambda headers, body: b"".join(headers) + b"\r\n" + body + b"\r\n",
    st.lists(
        st.builds(
            lambda name, value: name + b":" + value + b"\r\n",
            st.sampled_from([b"From", b"Subject", b"SUBJECT", b"To", b"X-Other", b"References"]),
            st.lists(st.sampled_from([b" ", b"\t", b"a", b"=", b";", b"\r\n ", b"\r\n\tx", b"  "]), max_size=12).map(
                lambda pieces: b"".join(pieces) + b"v"
            ),
        ),
        max_size=6,
    ).map(lambda lines: [b"From: a@example.org\r\n", *lines]),
    st.lists(st.sampled_from([b" ", b"\t", b"a", b".", b"\r\n", b"\r\n\r\n", b"=", b" \r\n"]), max_size=30).map(
        b"".join
    ),
)


@settings(max_examples=300, deadline=None)
@given(message=MESSAGES)
def test_any_message_signed_as_it_is_is_verified(rsa_signer: Signer, message: bytes) -> None:
    signed = rsa_signer.sign(message, timestamp=1_700_000_000)

    assert signed.endswith(message)
    assert dkim.verify(signed, dnsfunc=kit.dns(rsa_signer))


@given(st.lists(st.sampled_from([b" ", b"\t", b"a", b"\r\n", b".", b"\r\n "]), max_size=30).map(b"".join))
def test_the_relaxed_body_is_dkimpys(body: bytes) -> None:
    body += b"\r\n"
    policy = dkim.canonicalization.CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")

    assert relaxed_body(body) == policy.canonicalize_body(body)


def test_a_relaxed_header_follows_the_example_of_rfc_6376() -> None:
    assert relaxed(b"SubjeCT : \tAbc \r\n\t  def  \r\n") == b"subject:Abc def\r\n"


def test_a_short_rsa_key_is_refused(tmp_path: Path) -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - what must be refused
    file = tmp_path / "short.pem"
    file.write_bytes(short.private_bytes(PEM, PKCS8, CLEAR))

    with pytest.raises(SettingsError, match="2048"):
        load_key(file, domain="example.org", selector="s")


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", ec.generate_private_key(ec.SECP256R1()).private_bytes(PEM, PKCS8, CLEAR)]
)
def test_a_file_that_holds_no_usable_key_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(content)

    with pytest.raises(SettingsError):
        load_key(file, domain="example.org", selector="s")


def test_an_ed25519_key_never_signs_alone() -> None:
    lonely = DkimKey("example.org", "s", ed25519.Ed25519PrivateKey.generate())

    with pytest.raises(SettingsError):
        Signer.create(lonely)


def test_a_loaded_key_signs_and_does_not_show_itself(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(PEM, PKCS8, CLEAR))

    key = load_key(file, domain="example.org", selector="s")
    signed = Signer.create(key).sign(b"From: a@example.org\r\n\r\nHello\r\n")

    assert dkim.verify(signed, dnsfunc=lambda *_, **__: key.dns_record().encode())
    assert "private" not in repr(key).replace("private_key", "")
