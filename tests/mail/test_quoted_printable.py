"""Our quoted-printable is read back by the standard library, and keeps its normal form."""

import quopri
import re

from hypothesis import given
from hypothesis import strategies as st

from campaign.mail.quoted_printable import encode_link, encode_literal, encode_value

LINE = st.text(
    st.one_of(st.sampled_from(" .=\t-aé"), st.characters(codec="utf-8", exclude_categories=["Cc"])), max_size=200
)
LINES = st.lists(LINE, max_size=6).map("\n".join)


def in_normal_form(encoded: bytes) -> bool:
    lines = encoded.split(b"\r\n")
    return (
        encoded.isascii()
        and all(len(line) <= 76 for line in lines)
        and encoded.count(b"\n") == encoded.count(b"\r") == len(lines) - 1
        and not re.search(rb"\A\.|\n\.|[ \t]\r|  |\t", encoded)
    )


@given(LINE)
def test_a_value_is_read_back_as_it_was(value: str) -> None:
    encoded = encode_value(value)

    assert quopri.decodestring(encoded).decode() == value
    assert in_normal_form(encoded + b"=\r\n")


@given(st.from_regex(r"https?://[A-Za-z0-9_.:~/=-]{0,300}", fullmatch=True))
def test_a_link_is_read_back_as_it_was(link: str) -> None:
    encoded = encode_link(link.encode())

    assert quopri.decodestring(encoded).decode() == link
    assert in_normal_form(encoded + b"=\r\n")


@given(st.lists(st.tuples(LINES, LINE), max_size=4), LINES)
def test_literals_and_values_join_to_the_text_they_came_from(pairs: list[tuple[str, str]], end: str) -> None:
    encoded, expected = b"", ""
    for index, (literal, value) in enumerate(pairs):
        encoded += encode_literal(literal, at_line_start=index == 0, before_slot=True) + encode_value(value)
        expected += literal + value
    encoded += encode_literal(end, at_line_start=not pairs, before_slot=False)

    assert quopri.decodestring(encoded).decode().replace("\r\n", "\n") == expected + end
    assert in_normal_form(encoded)
