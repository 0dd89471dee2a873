"""Mail that anyone may have written: reading it is bounded, never raises, and believes signatures alone."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.feedback import mailboxes, parsing, returned
from campaign.feedback.events import (
    BEGINNING,
    KEPT_WHOLE,
    MAX_PER_MESSAGE,
    MAX_QUARANTINED,
    MAX_QUARANTINED_OCTETS,
    Event,
    store,
    unsealed,
)
from campaign.feedback.mailboxes import Receipt
from campaign.feedback.returned import MAX_MAIL
from campaign.mail.verp import Names
from campaign.security.encryption import Mac
from campaign.states import EventKind
from tests.kit.returned_mail import SAMPLES, report, sample, send, soft_bounces, stored, suppressions

NAMES = Names(Mac(b"k" * 32), "petitions.example", "petitions.example")
ADDRESS, OTHER = NAMES.of(1)[1], NAMES.of(2)[1]
NOW = datetime(2026, 11, 22, tzinfo=UTC)
HEAD = (
    f"Return-Path: <>\nDelivered-To: {ADDRESS}\nFrom: MAILER-DAEMON@mx.example\nMessage-ID: <1@mx.example>\n".encode()
)


def read(raw: bytes, **known: str) -> returned.Returned:
    return returned.read(raw[: MAX_MAIL + 1], NAMES, now=NOW, **known)


def nested(count: int) -> bytes:
    levels = (b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(count))
    return HEAD + b"".join(levels) + b"\nSorry, 550 5.1.1\n"


def filled(piece: bytes, head: bytes = b"Content-Type: text/plain\n\n") -> bytes:
    return (HEAD + head + piece * (MAX_MAIL // len(piece)))[:MAX_MAIL]


MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"
BEYOND = {
    "a thousand nested multiparts": (nested(1000), "parts"),
    "a thousand nested mails": (HEAD + b"Content-Type: message/rfc822\n\n" * 1000, "parts"),
    "nested digests": (filled(b"--b\n\n", b"Content-Type: multipart/digest; boundary=b\n\n"), "parts"),
    "fifty thousand parts": (filled(b"--b\n\n", MIXED), "parts"),
    "sixty thousand groups of fields": (filled(b"a: b\n\n", b"Content-Type: message/delivery-status\n\n"), "parts"),
    "many lines in twenty boundaries": (nested(20) + b"\n" * 200_000, "parts"),
    "nothing but lines": (filled(b"\n"), "parts"),
    "twenty thousand encoded words": (HEAD + b"Subject: " + b"=?utf-8?q??= " * 20_000 + b"\n\n", "headers"),
    "a header of 200 KB": (HEAD + b"X-Long: " + b"a" * 200_000 + b"\n\n", "headers"),
    "headers of 200 KB": (HEAD + b"".join(b"X-%d: a\n" % n for n in range(20_000)) + b"\n", "headers"),
    "a header of 100,000 lines": (HEAD + b"X-Long: a\n" + b" \n" * 100_000 + b"\n", "parts"),
    "the same with CR alone": ((HEAD + b"X-Long: a\n" + b" \n" * 100_000 + b"\n").replace(b"\n", b"\r"), "parts"),
    "a header of 20,000 lines": (HEAD + b"X-Long: a\n" + b" \n" * 20_000 + b"\n", "headers"),
    "long headers in each part": (HEAD + MIXED + (b"--b\nX-Long: " + b"a" * 15_000 + b"\n\n") * 10, "headers"),
    "a quoted string of semicolons": (HEAD + b'Content-Type: text/plain; x="' + b";" * 15_000 + b"\n\n", "headers"),
    "a boundary in a slow charset": (
        HEAD + b"Content-Type: multipart/mixed; boundary*=punycode''" + b"9" * 15_000 + b"-a\n\n",
        "headers",
    ),
    "one octet more than is read": (filled(b"a ") + b"a", "too_large"),
}

ODD = {
    "empty": b"",
    "headers alone": HEAD,
    "a blank line": b"\n\n",
    "NULs": HEAD + b"Subject: a\0b\n\n550 5.1.1 \0 no such user\n",
    "octets that are no text": HEAD + b"Subject: \xff\xfe\n\n550 5.1.1 \xff\xfe\n",
    "a charset that is none": HEAD + b"Content-Type: text/plain; charset=klingon\n\n550 5.1.1 no such user\n",
    "a charset with a path": HEAD + b"Content-Type: text/plain; charset=../../etc/passwd\n\n550 5.1.1\n",
    "a codec that is no charset": HEAD + b"Content-Type: text/plain; charset=zlib_codec\n\n550 5.1.1\n",
    "lone surrogates": HEAD + b"Content-Type: text/plain; charset=unicode_escape\n\n550 5.1.1 \\ud800\n",
    "lone surrogates in UTF-7": HEAD + b"Content-Type: text/plain; charset=utf-7\n\n550 5.1.1 +2AA-\n",
    "the wrong charset": HEAD + b"Content-Type: text/plain; charset=utf-16\n\n550 5.1.1\n",
    "base64 that is none": HEAD + b"Content-Transfer-Encoding: base64\n\n!!!!===\n" * 3,
    "uuencoded": HEAD + b"Content-Transfer-Encoding: x-uuencode\n\nbegin 666 a\n\xff\xff\nend\n",
    "a report in base64 that is none": HEAD
    + b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n????\n",
    "an empty report": HEAD + b"Content-Type: message/delivery-status\n\n",
    "a complaint that is empty": HEAD + b"Content-Type: message/feedback-report\n\n",
    "a boundary that is empty": HEAD + b'Content-Type: multipart/report; boundary=""\n\n--\n\n--\n--\n',
    "a boundary that never comes": HEAD + b"Content-Type: multipart/report; boundary=b\n\nSorry.\n",
    "a boundary within a boundary": HEAD + MIXED + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n--b--\n--b--\n",
    "a boundary of encoded words": HEAD + b'Content-Type: multipart/mixed; boundary="=?utf-8?q?b?="\n\n--b\n',
    "a parameter in many pieces": HEAD + b"Content-Type: text/plain; charset*0*=a; charset*99999999999=b\n\n550\n",
    "a line before the headers": b"From someone\n" + HEAD + b"\n550 5.1.1\n",
    "no header, but text": b"550 5.1.1 no such user\n" + HEAD,
    "an encoded word cut off": HEAD + b"Subject: =?utf-8?b?AAA\n\n",
    "an encoded word of a slow codec": HEAD + b"Subject: =?punycode?q?" + b"9" * 900 + b"?=\n\n",
}


@pytest.mark.parametrize("name", BEYOND)
def test_a_mail_beyond_the_bounds_waits_in_quarantine_with_its_message(name):
    raw, problem = BEYOND[name]

    found = read(raw)

    assert found.event is not None
    assert (found.event.kind, found.event.problem, found.event.message_id) == (EventKind.UNKNOWN, problem, 1)


@pytest.mark.parametrize("name", ODD)
def test_odd_mail_is_read_or_waits_in_quarantine_and_can_be_stored(world, name):
    sent = send(world)
    raw = ODD[name].replace(ADDRESS.encode(), sent.address.encode())

    receipt = sent.returns(raw)

    assert (
        receipt in {Receipt.HELD, Receipt.STORED}
        if raw.startswith((b"Return-Path", b"From "))
        else receipt is Receipt.FOREIGN
    )
    kinds = [row[0] for row in stored(world)]
    assert kinds in ([], ["unknown"], ["bounced"], ["deferred"])


@pytest.mark.parametrize("piece", [b" ", b"a", b"<", b"@", b".", b"=", b">", b"a@", b"<a", b"5.1.1 ", b"550 ", b"\xff"])
def test_a_text_of_one_long_line_is_looked_at_in_its_beginning_alone(piece):
    """What the regular expressions see is bounded, so that none can take time by the square of 256 KB."""
    message = parsing.parse(filled(piece))

    assert len(parsing.text_of(message)) <= parsing.MAX_TEXT
    assert read(filled(piece)).event is not None


class CountingNames:
    """Counts how often a signature is compared."""

    def __init__(self) -> None:
        self.texts = 0

    def message_of(self, address: str) -> int | None:
        return NAMES.message_of(address)

    def messages_in(self, text: str) -> list[int]:
        self.texts += len(text)
        return NAMES.messages_in(text)


def test_signatures_are_looked_for_in_headers_only_however_many_a_text_holds():
    names = CountingNames()
    raw = filled(f"{OTHER} ".encode())

    found = returned.read(raw, names, now=NOW)

    assert found.event.message_id == 1
    assert names.texts < parsing.MAX_HEADERS


def test_a_forged_recipient_in_a_report_is_nobody(world):
    sent = send(world)
    other = send(world, world.petition("another"), "victim@example.org")
    raw = report(sent.address).replace(b"someone@example.org", b"victim@example.org")

    sent.returns(raw)

    assert (sent.came_back, other.came_back) == ("bounced", None)
    [(message_id,)] = world.sql("select message_id from suppression")
    assert message_id == sent.id


def test_somebody_elses_return_address_in_the_text_is_nobodys():
    for raw in (
        HEAD + f"\n550 5.1.1 {OTHER}\n".encode(),
        HEAD + f"Subject: {OTHER}\n\n550 5.1.1\n".encode(),
        HEAD + f"References: <{OTHER}>\nX-Original-Mail-From: {OTHER}\n\n550 5.1.1\n".encode(),
    ):
        assert read(raw).event.message_id == 1


def test_a_return_address_with_a_wrong_signature_is_nobodys():
    forged = ADDRESS.replace("b-000000000001", "b-000000000002")
    raw = report(forged)

    found = read(raw)

    assert not found.is_signed
    assert (found.event.problem, found.event.message_id) == ("unsigned", None)


def test_the_envelope_counts_before_any_header():
    raw = report(OTHER)

    assert read(raw, recipient=ADDRESS).event.message_id == 1
    assert read(raw, recipient="b-000000000001-00000000000000000000@petitions.example").event.message_id is None


def test_of_several_signed_addresses_the_one_of_the_last_server_counts():
    raw = report(ADDRESS).replace(b"From:", f"To: {OTHER}\nReceived: for <{OTHER}>\nFrom:".encode(), 1)

    assert read(raw).event.message_id == 1


def test_a_report_inside_a_quoted_mail_is_about_others():
    inner = report(OTHER)
    text = HEAD.replace(b"MAILER-DAEMON", b"zahra").replace(b"Return-Path: <>", b"Return-Path: <zahra@example.org>")
    mixed = b"Content-Type: multipart/mixed; boundary=o\n\n--o\n\nLook what I got.\n--o\n"
    attached = mixed + b"Content-Type: message/rfc822\n\n" + inner + b"\n--o--\n"

    assert read(text + attached).event.kind is EventKind.REPLIED
    assert read(HEAD + attached).event.problem == "unreadable"


def test_a_bounce_of_a_bounce_is_read_from_its_outside():
    inner = report(OTHER, action="delayed", status="4.4.1")
    outer = report(ADDRESS).replace(b"--b--", b"--b\nContent-Type: message/rfc822\n\n" + inner + b"\n--b--")

    event = read(outer).event

    assert (event.kind, event.status, event.message_id) == (EventKind.BOUNCED, "5.1.1", 1)


def test_a_digest_of_bounces_waits_for_a_person():
    inner = b"".join(b"--d\n\n" + report(OTHER, own_id=str(n)) + b"\n" for n in range(5))
    digest = HEAD + b"Content-Type: multipart/digest; boundary=d\n\n" + inner + b"--d--\n"

    assert read(digest).event.problem == "unreadable"


def test_the_same_report_by_two_doors_is_one_event(world):
    sent = send(world)
    raw = sample("postfix-delivered", sent.address)
    by_lmtp = raw.partition(b"\nFrom:")

    first = sent.returns(raw)
    second = sent.returns(b"From:" + by_lmtp[2], recipient=sent.address)

    assert (first, second) == (Receipt.STORED, Receipt.KNOWN)
    assert len(stored(world)) == 1


def test_a_soft_bounce_that_is_replayed_counts_once_a_day(world):
    sent = send(world)

    for number in range(10):
        sent.bounces(status="5.2.2", own_id=f"replay{number}")

    assert soft_bounces(world) == ["full"]
    assert suppressions(world) == []


def test_ten_thousand_mails_to_addresses_we_did_not_sign_leave_nothing(world):
    raw = HEAD.replace(ADDRESS.encode(), b"b-000000000001-00000000000000000000@petitions.example") + b"\n550 5.1.1\n"
    names = Names.by(world.runtime)

    events = {returned.read(raw + b"%d\n" % number, names, now=NOW).event for number in range(10_000)}

    assert events == {None}
    assert mailboxes.receive(world.runtime, raw) == (Receipt.FOREIGN, False)
    assert stored(world) == []


def _held(number: int, message_id: int | None) -> Event:
    return Event(
        id=f"{message_id}.{number}", kind=EventKind.UNKNOWN, happened_at=NOW, message_id=message_id, problem="unsigned"
    )


def unreadable(address):
    """A report that says nothing known."""
    return report(address, action="odd", words="qmail")


def test_unsigned_reports_can_fill_half_of_the_quarantine_only(world):
    sent = send(world)

    for begin in range(0, 2 * MAX_QUARANTINED, 500):
        store(world.runtime, "returned", [_held(number, None) for number in range(begin, begin + 500)])
    signed = sent.returns(unreadable(sent.address))

    assert signed is Receipt.HELD
    assert len(stored(world)) == MAX_QUARANTINED // 2 + 1


def test_the_recipient_of_one_message_can_store_so_many_events_at_most(world):
    sent = send(world)

    for number in range(MAX_PER_MESSAGE + 20):
        store(world.runtime, "returned", [_held(number, sent.id)], per_message=MAX_PER_MESSAGE)

    assert len(stored(world)) == MAX_PER_MESSAGE


def test_what_is_kept_of_what_could_not_be_read_is_bounded_in_octets(world):
    raw = b"x" * KEPT_WHOLE
    held = [replace(_held(number, None), raw=raw) for number in range(MAX_QUARANTINED_OCTETS // 2 // KEPT_WHOLE + 5)]

    store(world.runtime, "returned", held)

    [(octets,)] = world.sql("select sum(octet_length(sealed)) from delivery_event")
    assert MAX_QUARANTINED_OCTETS // 2 - 2 * KEPT_WHOLE < octets <= MAX_QUARANTINED_OCTETS // 2


@pytest.mark.parametrize(("size", "kept"), [(KEPT_WHOLE, KEPT_WHOLE), (KEPT_WHOLE + 1, BEGINNING)])
def test_of_what_is_too_large_only_the_beginning_is_kept(world, size, kept):
    store(world.runtime, "returned", [replace(_held(1, None), raw=b"x" * size)])

    [(event_id, sealed)] = world.sql("select event_id, sealed from delivery_event")

    assert len(unsealed(world.runtime, "returned", event_id, bytes(sealed))) == kept


def test_what_is_in_quarantine_is_kept_whole_and_sealed(world):
    sent = send(world)
    raw = unreadable(sent.address)
    sent.returns(raw)

    [(event_id, sealed)] = world.sql("select event_id, sealed from delivery_event")

    assert event_id == hashlib.sha256(raw).hexdigest()
    assert b"qmail" not in bytes(sealed)
    assert unsealed(world.runtime, "returned", event_id, bytes(sealed)) == raw


@pytest.mark.parametrize("odd_id", ["a\0b", "\ud800", "x" * 1000, "two\nlines"])
def test_an_event_with_an_odd_id_is_stored_once(world, odd_id):
    sent = send(world)
    event = Event(
        id=odd_id, kind=EventKind.DEFERRED, happened_at=NOW, message_id=sent.id, text="\0 \ud800 <a@b.example>"
    )

    assert store(world.runtime, "ses", [event]) == 1
    assert store(world.runtime, "ses", [event]) == 0


PIECES = st.sampled_from(
    [
        *HEAD.splitlines(keepends=True),
        *(path.read_bytes().replace(b"RETURN-ADDRESS", ADDRESS.encode())[:3000] for path in SAMPLES.glob("*.eml")),
        b"\n", b"\r", b"\r\n\r\n", b"--b\n", b"--b--\n", b"\0", b"\xff", b" ", b";", b'"', b"=?", b"?=",
        b"Content-Type: multipart/report; boundary=b\n", b"Content-Type: message/delivery-status\n",
        b"Content-Type: message/global-delivery-status\n", b"Content-Type: message/feedback-report\n",
        b"Content-Type: message/rfc822\n", b"Content-Type: text/plain; charset=",
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: quoted-printable\n", b"Action: failed\n", b"Status: 5.1.1\n",
        b"Diagnostic-Code: smtp; 550 5.1.1 \n", b"Feedback-Type: abuse\n", b"Auto-Submitted: auto-replied\n",
        b"Subject: =?utf-8?b?", base64.b64encode(b"Action: failed\n\n"), b"X-Failed-Recipients: a@b.example\n",
        b"Hi. This is the qmail-send program at x.\n\n<a@b.example>:\n",
    ]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=40), max_size=30).map(b"".join), st.sampled_from(["", ADDRESS, "x@y"]))
def test_reading_never_raises_and_only_believes_a_signature(raw, recipient):
    found = read(raw, recipient=recipient)

    event = found.event
    if event is not None:
        assert event.message_id in {None, 1}
        assert event.message_id is not None or event.problem
        assert len(event.id) == 64
        event.text.encode()
    if found.is_signed:
        assert ADDRESS.encode()[:30] in raw or recipient == ADDRESS
