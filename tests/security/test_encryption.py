"""Keyed hashes and tokens stay what databases and mailboxes already hold.

The values were computed by the first version of the code. A change that alters one of them breaks every link and index
in use.
"""

import pytest

from campaign.mail.verp import Names
from campaign.security.encryption import DataKey, Mac, derive, keyed_hash
from campaign.security.tokens import Purpose, Tokens
from campaign.variables import Key

SECRET = bytes(range(32))
OLD, NEW = Key("old", SECRET), Key("new", bytes(range(32, 64)))
NONCE = bytes(range(8))


def test_a_key_is_derived_as_ever():
    assert derive(SECRET, "address").hex() == "409a11fc6b69fbee6ae9e7c48b4fdb9d95015f4df116616d5bb2453bcf1eb273"


@pytest.mark.parametrize(
    ("key", "mac", "hashed"),
    [
        (
            b"",
            "414f40f4a2da657f10bff2a6ddb6f9dfea41cfddd0e86a6ec0175dfcf4b847f7",
            "15b91daff6b0477c9c42c111792870d4",
        ),
        (
            SECRET,
            "36cf31798000edbea7a744c16f21c532f4c49f4e1df6117f92b238fb64a05c69",
            "1a27cca20a97c33fb5a3f5c2bb3a108e",
        ),
        (
            b"k" * 65,
            "2c76c32fede0c775ef116b0604415cb8e918e201654699485acb8b3232b73e37",
            "454eebe7dfb9afe451c76f7e189402d7",
        ),
    ],
)
def test_a_hash_under_a_key_is_as_ever_however_often_it_is_computed(key: bytes, mac: str, hashed: str):
    keyed = Mac(key)

    assert [keyed(b"message.7").hex(), keyed(b"message.7").hex()] == [mac, mac]
    assert keyed_hash(key, "zahra@example.org").hex() == hashed


def test_an_index_is_as_ever():
    assert DataKey.of(SECRET).index("zahra@example.org").hex() == "507964e258e25177e688baf97547467d"
    assert keyed_hash(SECRET, "\ud800 زهرا").hex() == "2c60b675d3f33b715fcd22b0243a881f"


@pytest.mark.parametrize(
    ("purpose", "signature", "text_signature"),
    [
        ("confirm", "Bme3qxRcWm-DaTGdWPBU7oWSDbEvG9krMP2eWPcKJwM", "auXs53xNvEqvmYALodg7TW5r67t3Fhd-CwolwWEq7SY"),
        ("manage", "Flfnpw4T1gefjMh-oU436UuMGhGlXw5_rumrUQqpzfE", "8yxhvIk2opow-Wh6QYtMog7jkRd-CLOxx43JL9Ojr9c"),
        ("unsubscribe", "ulr8XnojRagEF6OWgI8YyoUGiSduqcxL31HjADXhz3Q", "e8F50KIeUDYxK_EY9e346rxnqwt3YjW7Kh2BvTgudnE"),
        ("sign-in", "Zq7ptraAiMb8OOKArdc2o2pQr94MJVupp5Dmx3Tqsh4", "p_kDA9z9cIP5UANGJiBrQriC2iiezZUnpp6NWTj8rY0"),
        ("stamp", "g0YHFtWwmb7UKVsPrqyzCewUdldW70LSin2GaiN_NpU", "7k3nBreh10f3MnpxTWp-rbKxDsbkMFvux3kNbieEZeQ"),
    ],
)
def test_a_token_is_as_ever(purpose: str, signature: str, text_signature: str):
    tokens = Tokens([NEW, OLD])

    assert tokens.issue(Purpose(purpose), 4711, NONCE) == f"AAAAABJnAAECAwQFBgc.{signature}"
    assert tokens.sign_text(Purpose(purpose), "1700000000") == f"1700000000.{text_signature}"


def test_a_token_of_an_older_key_still_opens():
    token = "AAAAABJnAAECAwQFBgc.PwigpKcww24xJ0GXP7r4D_LCiy8Ih5MNkKilEzVbejA"

    claim = Tokens([NEW, OLD]).read(Purpose.MANAGE, token)

    assert (claim.row_id, claim.nonce) == (4711, NONCE)


def test_a_message_is_named_as_ever():
    names = Names(Mac(SECRET), "example.org", "bounces.example.org")

    assert names.of(4711) == (
        "<6abb87a75ea3574bf93bf52066aeaeb0@example.org>",
        "b-000000001267-94d2da30834e51c844d1@bounces.example.org",
    )
