"""Keyed hashes: ours, which keep the states of their key, are the standard ones."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from campaign.security.encryption import INDEX, Mac, keyed_hash


@given(key=st.binary(max_size=200), data=st.binary(max_size=300), again=st.binary(max_size=300))
def test_a_mac_is_that_of_the_standard_library_however_often_it_is_asked(key: bytes, data: bytes, again: bytes):
    mac = Mac(key)

    found = [mac(data), mac(again), mac(data)]

    assert found == [hmac.digest(key, text, "sha256") for text in (data, again, data)]


@given(key=st.binary(min_size=32, max_size=32), text=st.text(max_size=100))
def test_a_keyed_hash_is_the_beginning_of_the_mac(key: bytes, text: str):
    assert keyed_hash(key, text) == hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")[:INDEX]
