"""The keys of webhooks in the settings: what is accepted, in which spellings, and what is said about mistakes."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from campaign.errors import SettingsError
from campaign.settings import VARIABLES, child_environment, load_settings

ELLIPTIC, OTHER_CURVE = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)
TOPIC = "arn:aws:sns:eu-central-1:123456789012:mail-events"


def der(key) -> str:
    """The public key as base64 of DER."""
    made = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(made).decode()


def pem(key) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@pytest.mark.parametrize(
    "raw",
    [der(RSA), pem(RSA), pem(RSA).replace("\n", "\\n").replace("\\n", " "), f"v=DKIM1; t=s; h=sha256; p={der(RSA)};",
     f"k=rsa;p={der(RSA)}"],
    ids=lambda raw: raw[:12],
)  # fmt: skip
def test_the_key_of_postal_is_read_as_base64_pem_or_dkim_record(raw: str):
    assert load_settings({}, hook_postal_key=raw).hook_postal_key == (der(RSA),)


@pytest.mark.parametrize("between", [" ", ",", "\n", ", "])
def test_several_keys_are_all_taken(between: str):
    other = ec.generate_private_key(ec.SECP256R1())

    assert load_settings({}, hook_sendgrid_key=between.join([der(ELLIPTIC), der(other)])).hook_sendgrid_key == (
        der(ELLIPTIC),
        der(other),
    )
    assert load_settings({}, hook_mailgun_key=between.join(["a" * 16, "b" * 16])).hook_mailgun_key == (
        "a" * 16,
        "b" * 16,
    )


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("hook_sendgrid_key", der(RSA)), ("hook_sendgrid_key", der(OTHER_CURVE)), ("hook_sendgrid_key", "AAAA"),
        ("hook_postal_key", der(ELLIPTIC)), ("hook_postal_key", "v=DKIM1; p=AAAA"),
        ("hook_postal_key", "-----BEGIN X-----"),
        ("hook_mailgun_key", "short"), ("hook_mailgun_key", "with a blank in it"), ("hook_generic_key", "x" * 201),
        ("hook_postmark", "user:password-long"), ("hook_postmark", "user:short/a-long-secret-path"),
        ("hook_postmark", "user:a-long-password/short"), ("hook_brevo", "a-long-password/a-long-secret-path"),
        ("hook_brevo", "user:pass:word-is-long/a-long-secret-path"),
        ("hook_brevo", "user:a-long-password/path/of-three-parts"),
        ("hook_ses_topic", "a-topic"), ("hook_ses_topic", "arn:aws:sqs:eu-central-1:123456789012:mail-events"),
        ("hook_ses_topic", f"{TOPIC}:sub-1"), ("hook_ses_topic", TOPIC.replace("123456789012", "1234")),
    ],
    ids=lambda raw: raw[:17],
)  # fmt: skip
def test_a_key_that_is_none_is_named_at_the_start_without_its_value(name: str, raw: str):
    with pytest.raises(SettingsError) as caught:
        load_settings({}, **{name: raw})

    [problem] = caught.value.problems
    assert problem.startswith(f"{VARIABLES[name].name} must ")
    assert raw not in problem


def test_child_processes_get_the_same_keys():
    made = load_settings(
        {}, hook_ses_topic=TOPIC, hook_sendgrid_key=der(ELLIPTIC), hook_mailgun_key=f"{'a' * 16} {'b' * 16}",
        hook_postmark="user:a-long-password/a-long-secret-path", hook_postal_key=pem(RSA), hook_generic_key="c" * 20,
    )  # fmt: skip

    again = load_settings({name: value for name, value in child_environment(made).items() if "HOOK" in name})

    names = [name for name in VARIABLES if name.startswith("hook_")]
    assert [getattr(again, name) for name in names] == [getattr(made, name) for name in names]
    assert again.hook_brevo == ()
