"""Signed return addresses."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from campaign.return_path import _text, message_of, return_address

SECRET = b"s" * 32


@given(st.binary(min_size=1, max_size=24))
def test_our_base_32_is_the_standard_one_in_lower_case_without_padding(raw):
    assert _text(raw) == base64.b32encode(raw).decode().rstrip("=").lower()


@given(st.integers(0, 2**48 - 1))
def test_a_return_address_tells_its_message(message_id):
    address = return_address(SECRET, message_id, "example.org")

    assert message_of(SECRET, address) == message_id
    assert message_of(b"t" * 32, address) is None
