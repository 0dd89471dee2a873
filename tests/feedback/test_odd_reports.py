"""Reports and automatic answers that are not quite as their standards say, by servers and programs that exist."""

import base64
import gzip

import pytest

from campaign.feedback import returned
from campaign.feedback.returned import Returned
from campaign.mail.verp import Names
from campaign.security.encryption import Mac
from tests.feedback.kit import DSN
from tests.kit.worlds import START

NAMES = Names(Mac(bytes(32)), "example.org", "bounces.example.org")
ADDRESS = NAMES.of(7)[1]
REPLY = NAMES.reply_address(7)

HEAD = f"Return-Path: <>\nTo: {ADDRESS}\nFrom: MAILER-DAEMON@mx.example.net\nSubject: Undelivered\nMIME-Version: 1.0\n"


def read(raw: str | bytes) -> Returned:
    return returned.read(raw if isinstance(raw, bytes) else raw.encode(), NAMES, now=START)


def told(raw: str | bytes) -> tuple[str, str | None, int | None]:
    """Kind, status and code of a mail that could be read."""
    event = read(raw).event
    assert event is not None
    assert (event.problem, event.message_id) == ("", 7)
    return str(event.kind), event.status, event.code


def report(fields: str, *, kind: str = "message/delivery-status", head: str = "", words: str = "Sorry.") -> str:
    """A report with such fields about the recipient."""
    return (
        f"{HEAD}Content-Type: multipart/report; report-type=delivery-status; boundary=c\n\n"
        f"--c\nContent-Type: text/plain\n\n{words}\n\n--c\nContent-Type: {kind}\n{head}\n{fields}\n--c--\n"
    )


GONE = "Reporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; a@example.org\nAction: failed\nStatus: 5.1.1\n"
ENCODED = base64.encodebytes(GONE.encode()).decode()
NO_ACTION = GONE.replace("Action: failed\n", "")
FULL = "Final-Recipient: rfc822; b@example.org\nAction: failed (it is full)\nStatus: 5.2.2 (Mailbox full)\n"
LATE = "Final-Recipient: rfc822; b@example.org\nAction: delayed\nStatus: 4.4.1\n"

REPORTS = {
    "one group of fields": (report(GONE.replace("\n\n", "\n")), ("bounced", "5.1.1", None)),
    "no action": (report(NO_ACTION), ("bounced", "5.1.1", None)),
    "no action, a delay": (report(NO_ACTION.replace("5.1.1", "4.4.1")), ("deferred", "4.4.1", None)),
    "comments": (report(f"Reporting-MTA: dns; mx\n\n{FULL}"), ("bounced", "5.2.2", None)),
    "two of an alias, one still tried": (report(f"{GONE}\n{LATE}"), ("deferred", "4.4.1", None)),
    "two of an alias, both failed": (report(f"{GONE}\n{FULL}"), ("bounced", "5.1.1", None)),
    "an unknown action, told in words": (
        report(GONE.replace("failed", "bounced"), words="The server said: 550 5.1.1 No such user"),
        ("bounced", "5.1.1", 550),
    ),
    "base64 in one line": (
        report(ENCODED.replace("\n", "") + "\n", head="Content-Transfer-Encoding: BASE64\n"),
        ("bounced", "5.1.1", None),
    ),
    "as if it were text": (
        report(f"{GONE}Diagnostic-Code: smtp; 550 5.1.1 no\n", kind="text/plain"), ("bounced", "5.1.1", 550),
    ),
    "not closed": (report(GONE).replace("--c--", ""), ("bounced", "5.1.1", None)),
    "carriage returns alone": (report(GONE).replace("\n", "\r"), ("bounced", "5.1.1", None)),
    "the report alone": (f"{HEAD}Content-Type: message/delivery-status\n\n{GONE}", ("bounced", "5.1.1", None)),
    "the quoted server's code is the better one": (
        report(GONE.replace("5.1.1", "5.0.0") + "Diagnostic-Code: smtp; 452 4.2.2 over quota\n"),
        ("bounced", "4.2.2", 452),
    ),
    "words in an encoding": (
        report(GONE + "Diagnostic-Code: smtp; =?utf-8?q?550_5=2E1=2E1_nope?=\n"), ("bounced", "5.1.1", 550),
    ),
    "an address in another script": (
        report(
            "Reporting-MTA: dns; mx\n\nFinal-Recipient: utf-8; زهرا@مثال.org\nAction: failed\nStatus: 5.1.1\n",
            kind="message/global-delivery-status",
        ),
        ("bounced", "5.1.1", None),
    ),
    "in HTML alone": (
        f"{HEAD}Content-Type: text/html\n\n<p>Failed:</p><p>550 5.1.1 <b>User unknown</b></p>\n",
        ("bounced", "5.1.1", 550),
    ),
    "in UTF-16": (
        f"{HEAD}Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n"
        + base64.encodebytes("550 5.1.1 No such user".encode("utf-16")).decode(),
        ("bounced", "5.1.1", 550),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_of_another_shape_is_read(name):
    raw, expected = REPORTS[name]

    assert told(raw) == expected


UNREADABLE = {
    "neither action nor status": report(NO_ACTION.replace("Status: 5.1.1\n", "")),
    "compressed": report(
        base64.encodebytes(gzip.compress(GONE.encode())).decode(), head="Content-Transfer-Encoding: base64\n"
    ),
    "an encoding of nobody's": report("begin 644 x\n#0V%T\n`\nend\n", head="Content-Transfer-Encoding: x-uuencode\n"),
    "no words": f"{HEAD}Content-Type: text/plain\n\nYour message could not be delivered.\n",
    "a boundary that is not told": report(GONE).replace("; boundary=c", ""),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_does_not_say_what_happened_waits_for_a_person(name):
    event = read(UNREADABLE[name]).event

    assert event is not None
    assert (event.problem, event.message_id, str(event.kind)) == ("unreadable", 7, "unknown")


def test_a_report_is_never_taken_for_a_reply_whatever_its_sender():
    raw = report(GONE.replace("Action: failed", "Action: odd")).replace(
        "Return-Path: <>", "Return-Path: <a@example.org>"
    )

    event = read(raw.replace("MAILER-DAEMON@mx.example.net", "Server <a@example.org>")).event

    assert event is not None
    assert (event.problem, event.is_reply) == ("unreadable", False)


def test_words_in_html_are_kept_without_markup():
    event = read(f"{HEAD}Content-Type: text/html\n\n<p>550 5.1.1 <b>User</b> unknown</p>\n").event

    assert event is not None
    assert event.text == "550 5.1.1 User unknown"


def test_an_address_in_encoded_words_is_not_kept():
    hidden = base64.b64encode(b"550 5.1.1 <zahra.canary@example.org>: no zahra.canary here").decode()
    raw = report(GONE.replace("a@", "zahra.canary@") + f"Diagnostic-Code: smtp; =?utf-8?b?{hidden}?=\n")

    event = read(raw).event

    assert event is not None
    assert hidden not in event.text
    assert "canary" not in event.text


def encoded(words: str) -> str:
    return f"=?utf-8?b?{base64.b64encode(words.encode()).decode()}?="


AUTOMATIC = [
    "Subject: Re: x\nAuto-Submitted: auto-replied (vacation)\n",
    "Subject: Re: x\nAuto-Submitted: AUTO-GENERATED\n",
    "Subject: Automatic reply: your signature\nX-Auto-Response-Suppress: All\n",
    "Subject: Out of Office: your signature\n",
    "Subject: Vacation reply\n",
    "Subject: Autoresponder: x\n",
    "Subject: Automatische Antwort: x\n",
    "Subject: Autom. Antwort: x\n",
    "Subject: Abwesend: x\n",
    f"Subject: {encoded('Abwesenheit bis 12.12.')}\n",
    f"Subject: {encoded('Ich bin nicht im Büro (Ihre Mail)')}\n",
    f"Subject: {encoded('پاسخ خودکار: x')}\n",
    f"Subject: {encoded(chr(0x200F) + 'پاسخ خودکار: x')}\n",
    f"Subject: {encoded('خارج از دفتر')}\n",
    f"Subject: {encoded('خودکار جواب: x')}\n",
    f"Subject: {encoded('دفتر سے باہر ہوں')}\n",
    "Subject: Re: x\nPrecedence: auto-reply\n",
    "Subject: Re: x\nX-Precedence: auto_reply\n",
    "Subject: Re: x\nX-FC-MachineGenerated: true\n",
    "Subject: Re: x\nX-POST-MessageClass: 9; Autoresponder\n",
    "Subject: Re: x\nDelivered-To: Autoresponder\n",
]
PERSONAL = [
    "Subject: Re: x\n",
    "Subject: Re: x\nAuto-Submitted: no\n",
    "Subject: Re: Out of office for all\n",
    f"Subject: {encoded('AW: Abwesenheit im Parlament')}\n",
    "Subject: x\nX-Apple-Action: JUNK/x\nX-MS-Exchange-Organization-SCL: 1\n",
    "Subject: Autonomy\n",
]


def letter(head: str, to: str) -> str:
    return (
        f"Return-Path: <a@example.org>\nFrom: Zahra <a@example.org>\nTo: {to}\n{head}MIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\n\nI read it.\n"
    )


@pytest.mark.parametrize("address", [ADDRESS, REPLY])
@pytest.mark.parametrize("head", AUTOMATIC)
def test_an_answer_by_a_program_is_known_as_one(head, address):
    assert told(letter(head, address))[0] == "autoresponded"


@pytest.mark.parametrize("address", [ADDRESS, REPLY])
@pytest.mark.parametrize("head", PERSONAL)
def test_an_answer_by_a_person_is_none(head, address):
    assert told(letter(head, address))[0] == "replied"


def test_a_receipt_for_having_read_is_no_reply():
    raw = letter("Subject: Read: x\n", REPLY).replace(
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=c",
    )

    assert told(raw)[0] == "autoresponded"


def test_the_kit_has_the_shape_that_servers_send():
    assert told(DSN.format(address=ADDRESS, action="failed", status="5.1.1", words="550 5.1.1 no", number=1)) == (
        "bounced", "5.1.1", 550,
    )  # fmt: skip
