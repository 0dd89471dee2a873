"""What a message is called outside: Message-ID and signed return address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.mail.verp import Names
from campaign.security.encryption import Mac

NAMES = Names(Mac(b"s" * 32), "example.org", "bounces.example.org")
OTHERS = Names(Mac(b"t" * 32), "example.org", "bounces.example.org")
IDS = st.integers(0, 2**48 - 1)


@given(IDS)
def test_a_return_address_tells_its_message(message_id):
    _, address = NAMES.of(message_id)

    assert NAMES.message_of(address) == message_id
    assert NAMES.message_of(address.upper()) == message_id
    assert OTHERS.message_of(address) is None


@given(IDS, IDS)
def test_a_signature_is_good_for_its_own_message_only(one, other):
    mixed = NAMES.of(other)[1][:15] + NAMES.of(one)[1][15:]

    assert NAMES.message_of(mixed) == (one if one == other else None)


@given(IDS)
def test_a_return_address_fits_into_a_local_part(message_id):
    local, _, domain = NAMES.of(message_id)[1].partition("@")

    assert domain == "bounces.example.org"
    assert len(local) <= 64
    assert local == local.lower()


@given(IDS)
def test_a_message_id_tells_neither_the_row_nor_the_return_address(message_id):
    name, address = NAMES.of(message_id)

    assert name == NAMES.of(message_id)[0]
    assert name != OTHERS.of(message_id)[0]
    assert name.endswith("@example.org>")
    assert address.partition("@")[0].rpartition("-")[2] not in name


@pytest.mark.parametrize("address", ["", "b-@example.org", "b-1-2@example.org", "postmaster@example.org", "b" * 300])
def test_what_we_did_not_make_tells_nothing(address):
    assert NAMES.message_of(address) is None


@given(IDS)
def test_a_reply_address_proves_its_message_and_shares_no_hash_with_the_return_address(message_id):
    address, (name, return_address) = NAMES.reply_address(message_id), NAMES.of(message_id)
    mac = address.partition("@")[0].rpartition("-")[2]

    assert NAMES.replied(address.upper()) == message_id
    assert NAMES.replied_in(f"for <{address}>; today") == [message_id]
    assert OTHERS.replied(address) is None
    assert NAMES.message_of(address) is None
    assert NAMES.replied(return_address) is None
    assert NAMES.message_of("b" + address[1:]) is None
    assert NAMES.replied("r" + return_address[1:]) is None
    assert mac not in name
    assert len(address.partition("@")[0]) <= 64
