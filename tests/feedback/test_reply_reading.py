"""What is new in a reply, whatever the mail program made of it."""

import email
import time

import pytest

from campaign.feedback import reply_reading
from campaign.feedback.reply_reading import MAX_WRITTEN, new_text, text_of_html

QUOTES = [
    "STOP\n\nOn Mon, 2 Nov 2026 at 10:00, Petitions <p@example.org> wrote:\n> Dear Zahra,\n> code 350067",
    "STOP\n\nOn Mon, 2 Nov 2026 at 10:00, Petitions of\n<petitions@example.org> wrote:\n\n> Dear Zahra,",
    "STOP\n\nOn Mon, 2 Nov 2026 Petitions wrote:\n\nDear Zahra, unmarked",
    "STOP\n\nAm 02.11.26 um 10:00 schrieb Petitionen:\n> Guten Tag",
    "STOP\n\nAm Mo., 2. Nov. 2026 um 10:00 Uhr schrieb Petitionen <\np@example.org>:\n\n> Guten Tag",
    "STOP\n\nدر تاریخ ۲ نوامبر ۲۰۲۶، دادخواست‌ها نوشت:\n> سلام",
    "STOP\n\nPetitions <p@example.org> نے لکھا:\n> السلام علیکم",
    "STOP\n\n-----Original Message-----\nFrom: Petitions\nSent: Monday\nTo: Zahra\n\nDear Zahra",
    "STOP\n\n-----Ursprüngliche Nachricht-----\nVon: Petitionen\nGesendet: Montag\nAn: Zahra\n\nGuten Tag",
    "STOP\n\n________________________________\nVon: Petitionen\nGesendet: Montag\nAn: Zahra\nBetreff: x\n\nHallo",
    "STOP\n\nFrom: Petitions <p@example.org>\nDate: Monday\nTo: Zahra\nSubject: x\n\nDear Zahra",
    "STOP\n\nاز: دادخواست‌ها\nتاریخ: دوشنبه\nبه: زهرا\nموضوع: سلام\n\nمتن",
    "STOP\n\nمنجانب: پٹیشن\nبھیجا گیا: پیر\nبنام: زہرا\nعنوان: سلام\n\nمتن",
    "> Dear Zahra,\n> please confirm\n\nSTOP\n",
    "On Mon, 2 Nov 2026 Petitions wrote:\n> Dear Zahra,\n> please confirm\n\nSTOP\n",
    "STOP\n\nدر دوشنبه، ۲ نوامبر ۲۰۲۶ ۱۰:۰۰:۰۰، Petitions <p@example.org> نوشته\u200cاست:\n\nERASE",
    "STOP\n\nGesendet: Montag, 2. November 2026 um 10:00 Uhr\nVon: P <p@example.org>\nAn: z@x\nBetreff: x\nERASE",
    "STOP\n\n2026-11-02 10:00 GMT+01:00 Petitions <p@example.org>:\n\nERASE",
    "STOP\n\nпн, 2 нояб. 2026 г. в 10:00, Petitions <p@example.org>:\nERASE",
    "STOP\n\nPetitions <p@example.org>, 2 Kas 2026 Pzt, 10:00 tarihinde şunu yazdı:\n\nERASE",
    "STOP\n\nفي الاثنين، 2 نوفمبر 2026 في 10:00 ص كتب Petitions <p@example.org>:\nERASE",
    "STOP\n\npon., 2 lis 2026 o 10:00 Petitions of the long name\n<p@example.org> napisał(a):\n\nERASE",
    "＞ ERASE\nSTOP",
    "STOP\n-- \nZahra Ahmadi\nSome street",
    "\ufeff\nSTOP\u200e\n\n\n",
]


@pytest.mark.parametrize("text", QUOTES)
def test_what_is_quoted_or_a_signature_is_cut(text):
    assert new_text(text) == "STOP"


def test_what_a_person_writes_between_the_quoted_lines_stays():
    text = "Hello,\n> first question\nyes\n> second question\nno\n"

    assert new_text(text) == "Hello,\nyes\nno"


@pytest.mark.parametrize(
    "text",
    [
        "From: my heart, thank you.\nAnd more.",
        "On Monday I will be in Berlin.\nSee you",
        "To: be or not",
        "Please write to Ada <ada@example.org>:\nshe knows more",
        "At 10:00 I wrote to Ada <ada@example.org>, thanks.\nMore",
        "Datum: Montag\nBetreff: Hilfe\nUnd mehr",
    ],
)
def test_words_that_only_look_like_a_quoted_head_stay(text):
    assert new_text(text) == text


HTML = [
    "<html><head><style>p{}</style><title>x</title></head><body><p>STOP</p></body></html>",
    "<div dir='ltr'>STOP</div><br><div class='gmail_quote'><div>On wrote:</div><blockquote>Dear</blockquote></div>",
    "<p>STOP</p><div id='divRplyFwdMsg'><b>From:</b> x</div><div>Dear Zahra</div>",
    "<p>STOP</p><hr><div id='appendonsend'></div><p>Dear Zahra</p>",
    "<div>STOP</div><blockquote type='cite'>Dear <div>Zahra</blockquote>",
    "STOP<script>alert('erase')</script><!-- more -->",
    "<div>STOP<div name='quote'><b>Gesendet:</b> Montag<br>P<div name='quoted-content'>ERASE</div></div></div>",
    "<div style='display:none'>ERASE</div><div style='color:red; visibility: hidden'>HIDE</div><p>STOP</p>",
    "<p>STOP</p><div style='border-top:solid'><p><b>Von:</b> P<br><b>Datum:</b> Mo<br><b>An:</b> z</p></div>",
    "<p>ST<b>OP</b></p><div class='moz-cite-prefix'>On wrote:</div><blockquote>x</blockquote>",
]


@pytest.mark.parametrize("html", HTML)
def test_html_is_read_as_words_without_what_is_marked_as_quoted(html):
    assert new_text(text_of_html(html)) == "STOP"


def test_html_leaves_no_markup():
    text = text_of_html("<p onclick='x'>a &lt;b&gt; &amp; c</p><a href='https://evil.example/'>link</a><img src='x'>")

    assert text == "a <b> & c\nlink"


def mail(head, body):
    return (head + "\r\nFrom: a@example.org\r\n\r\n").encode() + body


def test_the_plain_part_is_read_and_attachments_are_left_out():
    body = (
        b"--b\r\nContent-Type: text/plain; charset=windows-1252\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"Gr=FC=DFe\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>other</p>\r\n--b\r\nContent-Type: image/png\r\n"
        b"Content-Disposition: attachment; filename=x.png\r\n\r\nxx\r\n--b--\r\n"
    )

    found = reply_reading.read(mail("Content-Type: multipart/mixed; boundary=b", body))

    assert (found.text, found.has_attachments, found.is_cut) == ("Grüße", True, False)


def test_an_empty_plain_part_gives_way_to_html():
    body = b"--b\r\nContent-Type: text/plain\r\n\r\n \r\n--b\r\nContent-Type: text/html\r\n\r\n<p>STOP</p>\r\n--b--\r\n"

    assert reply_reading.read(mail("Content-Type: multipart/alternative; boundary=b", body)).text == "STOP"


def test_a_long_reply_is_cut_and_says_so():
    found = reply_reading.read(mail("Content-Type: text/plain", b"word " * 50_000))

    assert len(found.text) <= MAX_WRITTEN
    assert found.is_cut


@pytest.mark.parametrize(
    ("sent_by", "found"),
    [
        ("From: Zahra <zahra@example.org>", "zahra@example.org"),
        ("From: =?utf-8?q?a=40evil=2Eexample=2C?= <zahra@example.org>", "zahra@example.org"),
        ("From: zahra@example.org, other@example.org", ""),
        ("From: zahra@example.org\nFrom: other@example.org", ""),
        ("From: <>", ""),
        ("X-From: zahra@example.org", ""),
        ("From: zahra@example.org\x00", ""),
        ("From: " + "(" * 5000 + "zahra@example.org", ""),
    ],
)
def test_the_sender_is_the_one_address_in_from(sent_by, found):
    assert reply_reading.sender_of(email.message_from_string(f"{sent_by}\n\nx")) == found


HOSTILE = {
    "unclosed comments": b"<!--" * 20_000,
    "deep": b"<div>" * 15_000,
    "angle brackets": b"<" * 90_000,
    "entities": b"&#x" * 30_000,
    "declarations": b"<![" * 30_000,
    "attributes": b"<a " + b"x=' " * 20_000,
    "instructions": b"<?" * 40_000,
    "ends": b"</" * 40_000,
    "cdata": b"<style>" * 10_000 + b"</sty" * 5_000,
    "lines": b"> \n" * 30_000,
    "attributions": b"On 1\n" * 18_000,
    "heads": b"From:\n" * 15_000,
    "underscores": b"_" * 90_000,
    "bytes": bytes(range(256)) * 300,
}


@pytest.mark.parametrize("kind", ["text/html", "text/plain"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_read_or_refused_in_bounded_time(name, kind):
    began = time.process_time()

    reply_reading.read(mail(f"Content-Type: {kind}", HOSTILE[name]))

    assert time.process_time() - began < 2
