"""Replies are read in any cut, within bounds, and tell nobody's address."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.smtp.replies import BrokenReplyError, Reply, ReplyReader, blame, scrubbed
from campaign.smtp.transport import Blame, Phase

STREAM = b"250-mail.example.org\r\n250-SIZE 100\r\n250 PIPELINING\r\n550 5.1.1 no\r\n354\r\n250 ok\n"
REPLIES = [
    Reply(250, ("mail.example.org", "SIZE 100", "PIPELINING")),
    Reply(550, ("5.1.1 no",)),
    Reply(354, ("",)),
    Reply(250, ("ok",)),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=10))
def test_replies_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    reader = ReplyReader()
    edges = [0, *sorted(cuts), len(STREAM)]

    found = [reply for start, end in itertools.pairwise(edges) for reply in reader.feed(STREAM[start:end])]

    assert found == REPLIES
    assert reader.is_empty


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400\r\n",
        b"\r\n",
        b"99 x\r\n",
        b"600 x\r\n",
        b"250x\r\n",
        b"250-a\r\n251 b\r\n",
        b"x" * 20_000,
        b"250-a\r\n" * 5000,
    ],
)
def test_what_is_no_reply_or_has_no_end_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenReplyError):
        ReplyReader().feed(data)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.1.1 <zahra@example.net>: unknown", "5.1.1 <address>: unknown"),
        ("no mailbox zahra@example.net here", "no mailbox <address> here"),
        ('"zahra@example.net" gone', '"<address>" gone'),
        ("rcpt=زهرا@example.net;", "rcpt=<address>;"),
        ("a\x00b\x1bc\nd", "a b c d"),
        ("x" * 500, "x" * 200),
    ],
)
def test_no_address_or_control_character_stays_in_the_text(text: str, expected: str) -> None:
    assert scrubbed(text) == expected


@given(st.text(max_size=300))
def test_no_text_keeps_an_address(text: str) -> None:
    assert "zahra@example" not in scrubbed(f"{text} zahra@example.net")


@pytest.mark.parametrize(
    ("code", "text", "phase", "expected"),
    [
        (550, "5.1.1 x", Phase.RCPT, Blame.RECIPIENT),
        (550, "5.1.10 x", Phase.RCPT, Blame.RECIPIENT),
        (550, "5.1.8 x", Phase.RCPT, Blame.US),
        (552, "5.2.2 x", Phase.DOT, Blame.RECIPIENT),
        (552, "5.3.4 x", Phase.DOT, Blame.US),
        (554, "5.4.4 x", Phase.RCPT, Blame.SERVER),
        (550, "5.7.26 x", Phase.RCPT, Blame.US),
        (550, "4.7.1 of another class", Phase.RCPT, Blame.RECIPIENT),
        (550, "x", Phase.DOT, Blame.US),
        (450, "4.1.1 x", Phase.RCPT, Blame.SERVER),
    ],
)
def test_blame_follows_the_enhanced_status_and_then_the_phase(
    code: int, text: str, phase: Phase, expected: Blame
) -> None:
    assert blame(phase, Reply(code, (text,))) is expected
