"""Signed return addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.return_path import message_of, return_address

SECRET = b"s" * 32


@given(st.integers(0, 2**48 - 1))
def test_a_return_address_tells_its_message(message_id):
    address = return_address(SECRET, message_id, "example.org")

    assert message_of(SECRET, address) == message_id
    assert message_of(SECRET, address.upper()) == message_id
    assert message_of(b"t" * 32, address) is None


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_a_signature_is_good_for_its_own_message_only(one, other):
    address, foreign = (return_address(SECRET, id_, "example.org") for id_ in (one, other))
    mixed = foreign[:15] + address[15:]

    assert message_of(SECRET, mixed) == (one if one == other else None)


@given(st.integers(0, 2**48 - 1))
def test_a_return_address_fits_into_a_local_part(message_id):
    local, _, domain = return_address(SECRET, message_id, "example.org").partition("@")

    assert domain == "example.org"
    assert len(local) <= 64
    assert local == local.lower()


@pytest.mark.parametrize("address", ["", "b-@example.org", "b-1-2@example.org", "postmaster@example.org", "b" * 300])
def test_what_we_did_not_make_tells_nothing(address):
    assert message_of(SECRET, address) is None
