"""Replies are read in any cut, within bounds, and tell nobody's address."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.smtp.replies import (
    ACCEPTED,
    AWAY,
    BAD_RECIPIENT,
    GONE_CODES,
    NO_SESSION,
    TABLE,
    UNCERTAIN,
    BrokenReplyError,
    Reply,
    ReplyReader,
    Row,
    judge,
    scrubbed,
)
from campaign.smtp.transport import SESSION_PHASES, Blame, Phase, Result

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
    reply = Reply(code, (text,))

    assert judge(phase, reply.code, reply.enhanced, reply.text).blame is expected


MESSAGE = [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT]


@pytest.mark.parametrize(
    ("code", "enhanced", "bounce", "limit"),
    [
        (550, "5.1.1", "gone", 1), (550, "5.1.10", "gone", 1), (550, "5.2.1", "gone", 1),
        (552, "5.2.2", "full", 4), (451, "4.4.1", "full", 4), (421, "4.4.2", "full", 4),
        (550, None, "unknown", 2), (550, "5.0.0", "unknown", 2), (550, "5.1.11", "unknown", 2),
        (554, "5.4.4", "unknown", 2),
    ],
)  # fmt: skip
def test_a_refused_recipient_counts_as_a_bounce_of_one_kind(code, enhanced, bounce, limit) -> None:
    found = judge(Phase.RCPT, code, enhanced).bounce

    assert found is not None
    assert (found.kind, found.limit) == (bounce, limit)


@pytest.mark.parametrize(
    ("code", "enhanced"),
    [
        (550, "5.7.1"), (554, "5.6.0"), (552, "5.3.4"), (501, "5.5.4"), (None, None), (450, "4.7.1"), (452, "4.2.2"),
        (550, "5.7.17"), (550, "5.1.8"), (552, "5.2.3"), (452, "4.5.3"), (550, "5.5.3"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("phase", MESSAGE)
def test_what_is_not_about_the_mailbox_is_no_bounce(phase, code, enhanced) -> None:
    assert judge(phase, code, enhanced).bounce is None


def test_only_answers_that_ask_for_less_throttle_a_domain() -> None:
    asked = [(421, None), (454, None), (450, "4.7.28")]
    others = [(450, "4.2.2"), (451, None), (550, "5.7.1"), (250, None), (None, None)]

    assert [judge(phase, *reply).throttles for phase in MESSAGE for reply in asked] == [True] * 12
    assert [judge(phase, *reply).throttles for phase in MESSAGE for reply in others] == [False] * 20


def test_only_421_ends_the_session() -> None:
    ending = {code for code in range(200, 600) for phase in MESSAGE if judge(phase, code).ends_session}

    assert ending == {421}


@pytest.mark.parametrize("enhanced", [None, "5.3.4", "5.5.1", "5.6.0", "5.7.1"])
def test_our_fault_is_the_configuration_at_mail_the_reputation_at_rcpt_and_the_text_after_it(enhanced) -> None:
    at_mail, at_rcpt, at_data, at_dot = (judge(phase, 550, enhanced) for phase in MESSAGE)

    assert (at_mail.is_block, at_mail.pauses_lane, at_mail.is_text) == (True, True, False)
    assert (at_rcpt.is_block, at_rcpt.pauses_lane, at_rcpt.is_text) == (enhanced is not None, False, False)
    assert at_data is at_dot
    assert (at_dot.is_block, at_dot.pauses_lane, at_dot.is_text) == (True, False, enhanced != "5.7.1")


def test_without_a_reply_only_a_final_dot_is_uncertain() -> None:
    assert {phase for phase in Phase if judge(phase) is UNCERTAIN} == {Phase.DOT}
    assert {judge(phase) for phase in Phase if phase is not Phase.DOT} == {AWAY}


def test_before_mail_nothing_blames_a_recipient_and_a_lasting_refusal_pauses_the_lane() -> None:
    verdicts = {judge(phase, code) for phase in SESSION_PHASES for code in range(200, 600)}

    assert verdicts == {AWAY, NO_SESSION}
    assert judge(Phase.BANNER, 554) is judge(Phase.AUTH, 535) is judge(Phase.STARTTLS, 454) is NO_SESSION
    assert judge(Phase.BANNER, 421) is judge(Phase.AUTH, 454) is judge(Phase.STARTTLS, 421) is AWAY


def test_every_reply_has_a_verdict_and_only_250_after_the_dot_is_an_acceptance() -> None:
    codes, enhanced = [None, *range(200, 600)], [None, "2.0.0", "4.0.0", "5.0.0", "5.9.9"]
    accepted = {
        (phase, code) for phase in Phase for code in codes for each in enhanced if judge(phase, code, each) is ACCEPTED
    }

    assert accepted == {(Phase.DOT, code) for code in range(200, 300)}


def test_every_row_of_the_table_is_reached() -> None:
    codes = [None, 250, 354, 421, 450, 452, 454, 550]
    texts = ["", "too many messages per session", "too many connections", "sending rate", "relay not permitted"]
    enhanced = [None, *(f"{c}.{s}.{d}" for c in (4, 5) for s in range(8) for d in range(19))]
    reached = {
        next(number for number, row in enumerate(TABLE) if row.fits(phase, code, each, text))
        for phase in Phase for code in codes for each in enhanced for text in texts
    }  # fmt: skip

    assert reached == set(range(len(TABLE)))
    assert sorted(GONE_CODES) == ["5.1.1", "5.1.10", "5.1.2", "5.1.3", "5.1.6", "5.2.1"]


def test_a_row_may_ask_for_words() -> None:
    row = Row(frozenset({Phase.RCPT}), "550", "", BAD_RECIPIENT, words="relay(ing)? (not permitted|denied)")

    assert row.fits(Phase.RCPT, 550, None, "Relay not permitted")
    assert not row.fits(Phase.RCPT, 550, None, "no such user")
    assert BAD_RECIPIENT.result is Result.PERMANENT
