"""Replies to mail of ours: what acts, what is passed on, and what is never answered."""

import re
import smtplib
from email import message_from_bytes, policy

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.feedback import applying, quarantine, returned
from campaign.feedback.lmtp import serve_lmtp
from campaign.feedback.mailboxes import Receipt, receive
from campaign.mail.verp import Names
from campaign.petitions import petitions
from campaign.signatures import requests
from campaign.states import SignatureState
from tests.feedback.kit import answer, dsn, reply
from tests.kit.memory_transport import MemoryTransport
from tests.kit.worlds import make_world

CODE_SCRIPTS = {
    "plain": lambda code: code,
    "spaced": lambda code: f"{code[:3]} {code[3:]}",
    "hyphen": lambda code: f"{code[:3]}-{code[3:]}",
    "persian": lambda code: code.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")),
    "arabic": lambda code: code.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
    "sentence": lambda code: f"Hello, my code is {code}. The link does not work for me!",
    "quoting": lambda code: f"{code}\n\nOn Monday 2 November, Petitions wrote:\n> Your code: 999999",
}


@pytest.fixture
def world(database_url, tmp_path):
    made = make_world(database_url, tmp_path, return_mailbox_url=f"maildir:{tmp_path}")
    yield made
    made.runtime.close()


@pytest.fixture
def slug(world):
    return world.petition()


def send(world):
    """Send what is due; returns the mails as messages."""
    transport = MemoryTransport()
    world.deliver(transport=transport)
    return [message_from_bytes(bytes(envelope.data), policy=policy.default) for envelope in transport.sent]


def newest(world, kind=None):
    """The id of the newest message, or the newest of a kind."""
    found = world.sql("select id, kind from message order by id desc")
    return next(id_ for id_, its in found if kind in {None, its})


def kinds(world):
    return [kind for (kind,) in world.sql("select kind from message order by id")]


def events(world):
    return world.sql("select kind, quarantine_reason, sealed is not null from delivery_event order by id")


def signed(world, slug, **form):
    """A confirmed signature whose thank-you was sent; returns its id and the thank-you's."""
    signature_id = world.signature(slug, confirmed=True, wants_updates=True, show_name=True, **form)
    send(world)
    world.clock.forward(minutes=30)
    return signature_id, newest(world, "thank_you")


def bulk(world, slug, signature_id):
    """An update that was sent to a signer; returns its message."""
    petition_id = world.opened(slug).petition.id
    [(blast_id,)] = world.sql(
        "insert into blast (petition_id, kind, request_key, time_zone, max_lateness, send_at, started_at, frozen_at)"
        f" values ({petition_id}, 'update', gen_random_uuid()::text, 'UTC', 60, now(), now(), now()) returning id"
    )
    [(message_id,)] = world.sql(
        "insert into message (signature_id, petition_id, blast_id, kind, lane, state, due_at, planned_at, settled_at)"
        f" values ({signature_id}, {petition_id}, {blast_id}, 'update', 'bulk', 'accepted', now(), now(), now())"
        " returning id"
    )
    return message_id


def set_reply_address(world, slug, address="olga@example.net"):
    petition_id = world.opened(slug).petition.id
    sealed = world.runtime.accounts.seal(address, place=petitions.reply_place(petition_id))
    world.sql("update petition set reply_to = %(sealed)s", sealed=sealed)
    petitions.forget(world.runtime, slug)


# The address


def test_mail_to_a_signer_names_a_signed_reply_address_that_is_no_return_address(world, slug):
    world.sign(slug)
    [mail] = send(world)
    message_id, names = newest(world), Names.by(world.runtime)

    assert mail["Reply-To"] == names.reply_address(message_id)
    assert names.replied(mail["Reply-To"]) == message_id
    assert names.message_of(mail["Reply-To"]) is None
    assert names.replied(names.of(message_id)[1]) is None
    assert mail["Reply-To"].split("@")[0].split("-")[2] not in names.of(message_id)[1]


def test_a_report_to_a_reply_address_is_no_bounce(world, slug):
    _, message_id = signed(world, slug)
    address = Names.by(world.runtime).reply_address(message_id)
    forged = dsn(address).replace(b"MAILER-DAEMON", b"zahra").replace(b"Return-Path: <>\r\n", b"")

    receive(world.runtime, dsn(address))
    receive(world.runtime, dsn(address), recipient=address)
    receive(world.runtime, forged.replace(b"Auto-Submitted: auto-replied\r\n", b""), recipient=address)
    applying.apply(world.runtime)

    assert world.sql("select count(*) from suppression") == [(0,)]
    assert {kind for kind, _, _ in events(world)} <= {"replied"}


# Commands


@pytest.mark.parametrize(
    "text", ["STOP", "Bitte abmelden!", "لغو اشتراک", "براہِ کرم روک دیں", "Unsubscribe\n\n> Dear Zahra"]
)
def test_stop_ends_updates_and_says_so_once(world, slug, text):
    signature_id, message_id = signed(world, slug)

    answer(world, message_id, text)
    answer(world, message_id, text, number=2)
    [mail] = send(world)

    assert not world.row(signature_id).wants_updates
    assert world.state(signature_id) is SignatureState.CONFIRMED
    assert mail["Subject"] == "Done: no more updates"
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["To"] == "zahra@example.org"
    assert [(kind, kept) for kind, _, kept in events(world)] == [("unsubscribed", False)] * 2


def test_stop_in_reply_to_bulk_mail_acts_at_once(world, slug):
    signature_id, _ = signed(world, slug)

    answer(world, bulk(world, slug, signature_id), "stop please")

    assert not world.row(signature_id).wants_updates


def test_stop_before_confirming_ends_the_reminder_too(world, slug):
    signature_id = world.signature(slug, wants_updates=True)
    send(world)

    answer(world, newest(world), "STOP")

    assert world.state(signature_id) is SignatureState.PENDING
    assert not world.row(signature_id).wants_updates
    assert world.sql("select reminded_at is not null from signature") == [(True,)]


@pytest.mark.parametrize("text", ["HIDE", "Bitte meinen Namen verbergen", "نام مرا پنهان کنید", "میرا نام چھپا دیں"])
def test_hide_hides_the_name(world, slug, text):
    signature_id, message_id = signed(world, slug)

    answer(world, message_id, text)
    [mail] = send(world)

    assert not world.row(signature_id).show_name
    assert mail["Subject"] == "Done: your name is hidden"


@pytest.mark.parametrize("text", ["ERASE", "Löschen, bitte", "لطفاً پاک کنید", "مٹا دیں"])
def test_erase_in_reply_to_mail_for_one_reader_erases_and_tells_the_address_a_last_time(world, slug, text):
    signature_id, message_id = signed(world, slug)

    answer(world, message_id, text)
    waiting = world.sql("select count(*) from reply_mail")
    [mail] = send(world)
    applying.apply(world.runtime)

    assert world.sql("select address, name, erased_at is not null from signature") == [(None, None, True)]
    assert world.state(signature_id) is SignatureState.CONFIRMED
    assert (mail["To"], mail["Subject"]) == ("zahra@example.org", "Done: your data is erased")
    assert waiting == [(1,)]
    assert world.sql("select count(*) from reply_mail") == [(0,)]


def test_erase_in_reply_to_bulk_mail_mails_the_private_link_and_erases_nothing(world, slug):
    signature_id, _ = signed(world, slug)

    answer(world, bulk(world, slug, signature_id), "ERASE")
    [mail] = send(world)

    assert world.row(signature_id).address is not None
    assert mail["Subject"] == "Your signatures"
    assert "/me/" in mail.get_body(("plain",)).get_content()


def test_erase_before_confirming_ends_the_sign_up(world, slug):
    signature_id = world.signature(slug)
    send(world)

    answer(world, newest(world), "erase")

    assert world.state(signature_id) is SignatureState.EXPIRED
    assert world.row(signature_id).address is None


@pytest.mark.parametrize("text", ["STOP", "HIDE", "ERASE"])
def test_a_command_from_another_mailbox_does_nothing_and_is_passed_on_with_a_note(world, slug, text):
    set_reply_address(world, slug)
    signature_id, message_id = signed(world, slug)
    before = world.row(signature_id)

    answer(world, message_id, text, sender="mallory@example.com")
    [mail] = send(world)

    assert world.row(signature_id) == before
    assert mail["To"] == "olga@example.net"
    assert "isn’t the address that our email went to" in mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize("text", ["STOP", "HIDE", "ERASE", "350067", "Hello"])
def test_replies_to_mail_of_an_erased_signer_change_nothing(world, slug, text):
    signature_id, message_id = signed(world, slug)
    answer(world, message_id, "ERASE")
    send(world)
    before = world.row(signature_id)

    answer(world, message_id, text, number=2)

    assert world.row(signature_id) == before
    assert send(world) == []


def test_gmail_spellings_are_one_mailbox(world, slug):
    signature_id = world.signature(slug, "zahra@gmail.com", confirmed=True, wants_updates=True)
    send(world)

    answer(world, newest(world), "STOP", sender="Zah.ra+x@gmail.com")

    assert not world.row(signature_id).wants_updates


def test_two_who_share_a_mailbox_are_two_signatures(world, slug):
    first, message_id = signed(world, slug)
    second = world.signature(slug, name="Ali", confirmed=False, wants_updates=True)

    answer(world, message_id, "STOP")

    assert not world.row(first).wants_updates
    assert world.row(second).wants_updates


# Codes


@pytest.mark.parametrize("script", CODE_SCRIPTS)
def test_the_code_in_a_reply_confirms(world, slug, script):
    signature_id = world.signature(slug)
    send(world)

    answer(world, newest(world), CODE_SCRIPTS[script](world.code(signature_id)))

    assert world.state(signature_id) is SignatureState.CONFIRMED
    assert kinds(world) == ["confirmation", "thank_you"]
    assert world.sql("select confirmed_by from signature") == [("code",)]


def test_a_quoted_code_alone_confirms_nothing(world, slug):
    signature_id = world.signature(slug)
    send(world)

    answer(world, newest(world), f"Who are you?\n\nOn 2 November Petitions wrote:\n> Code {world.code(signature_id)}")

    assert world.state(signature_id) is SignatureState.PENDING


def test_a_wrong_code_is_answered_and_confirms_nothing(world, slug):
    signature_id = world.signature(slug)
    send(world)
    wrong = f"{(int(world.code(signature_id)) + 1) % 1_000_000:06d}"

    answer(world, newest(world), f"My code: {wrong}")
    world.clock.forward(minutes=11)
    [mail] = send(world)

    assert world.state(signature_id) is SignatureState.PENDING
    assert mail["Subject"] == "Your code didn’t work"


def test_after_five_wrong_codes_the_right_one_is_refused(world, slug):
    signature_id = world.signature(slug)
    send(world)
    message_id, right = newest(world), world.code(signature_id)

    for number in range(1, 6):
        answer(world, message_id, f"{(int(right) + number) % 1_000_000:06d}", number=number)
    answer(world, message_id, right, number=6)

    assert world.state(signature_id) is SignatureState.PENDING


def test_a_code_that_comes_too_late_is_answered(world, slug):
    signature_id = world.signature(slug)
    send(world)
    world.clock.forward(days=8)

    answer(world, newest(world), world.code(signature_id))

    assert world.state(signature_id) is SignatureState.PENDING
    assert kinds(world) == ["confirmation", "reply_refused"]


def test_a_code_from_another_mailbox_confirms_nothing_and_is_not_passed_on(world, slug):
    set_reply_address(world, slug)
    signature_id = world.signature(slug)
    send(world)
    code = world.code(signature_id)

    answer(world, newest(world), f"Is it {code}?", sender="mallory@example.com")
    [mail] = send(world)

    assert world.state(signature_id) is SignatureState.PENDING
    assert code not in mail.as_string()


def test_a_code_of_one_is_no_code_of_the_other_who_shares_the_mailbox(world, slug):
    first = world.signature(slug)
    send(world)
    to_first = newest(world)
    world.clock.forward(minutes=11)
    world.sign(slug, name="Ali")
    [(second,)] = world.sql("select max(id) from signature")
    send(world)

    answer(world, to_first, world.code(second))

    assert {world.state(first), world.state(second)} == {SignatureState.PENDING}


# What a person wrote


def test_what_a_person_wrote_goes_to_the_organisers_once_as_text_and_is_kept_no_longer(world, slug):
    set_reply_address(world, slug)
    _, message_id = signed(world, slug)
    text = "Good morning <b>you</b>,\nsee https://evil.example/ and \u202e\x07\n\n-- \nZahra"

    answer(world, message_id, text)
    assert answer(world, message_id, text) is Receipt.KNOWN
    [mail] = send(world)
    applying.apply(world.runtime)

    body, html = (mail.get_body((kind,)).get_content().replace("\r\n", "\n") for kind in ("plain", "html"))
    assert (mail["To"], mail["Reply-To"]) == ("olga@example.net", "zahra@example.org")
    assert mail["From"].addresses[0].addr_spec == world.runtime.settings.mail_from
    assert mail["Subject"] == "A reply about: A petition (en)"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "> Good morning <b>you</b>,\n> see https://evil.example/ and" in body
    assert "&lt;b&gt;you&lt;/b&gt;" in html
    assert 'href="https://evil.example' not in html
    assert "\u202e" not in body
    assert world.sql("select count(*) from reply_mail") == [(0,)]
    assert events(world) == [("replied", None, False)]


def test_private_links_are_not_passed_on(world, slug):
    set_reply_address(world, slug)
    signature_id, message_id = signed(world, slug)
    link = f"{world.runtime.settings.base_url}/me/{world.manage_token(signature_id)}"

    answer(world, message_id, f"This link fails: {link} Why?")
    [mail] = send(world)

    assert "This link fails: […] Why?" in mail.get_body(("plain",)).get_content()


def test_without_an_address_for_replies_a_signer_is_told_once_where_to_write(world, slug):
    signature_id, message_id = signed(world, slug)
    later = bulk(world, slug, signature_id)

    answer(world, message_id, "A question")
    answer(world, later, "Another question", number=2)
    mails = send(world)

    assert [mail["Subject"] for mail in mails] == ["Where to write"]
    assert world.runtime.settings.contact in mails[0].get_body(("plain",)).get_content()


def test_a_stranger_who_replies_is_not_answered(world, slug):
    _, message_id = signed(world, slug)

    answer(world, message_id, "A question", sender="mallory@example.com")

    assert send(world) == []


def test_a_flood_of_replies_is_not_passed_on(world, slug):
    set_reply_address(world, slug)
    _, message_id = signed(world, slug)

    for number in range(8):
        answer(world, message_id, f"Text {number}", number=number)

    assert len(send(world)) == 5
    assert [problem for _, problem, _ in events(world)].count("reply") == 3


def test_erasing_a_signer_erases_what_waits_to_be_forwarded(world, slug):
    set_reply_address(world, slug)
    _, message_id = signed(world, slug)

    answer(world, message_id, "Something private")
    answer(world, message_id, "ERASE", number=2)
    mails = send(world)

    assert [mail["To"] for mail in mails] == ["zahra@example.org"]


def test_in_discreet_mode_no_answer_and_no_header_tells_the_petition(world, slug):
    set_reply_address(world, slug, "rivers@league.example")
    _, message_id = signed(world, slug)
    world.sql("update petition set discreet = true")
    petitions.forget(world.runtime, slug)

    for number, text in enumerate(["STOP", "HIDE", "A question"]):
        answer(world, message_id, text, number=number)
        world.clock.forward(minutes=11)
    mails = send(world)

    to_signer = [mail for mail in mails if mail["To"] == "zahra@example.org"]
    assert [mail["Subject"] for mail in to_signer] == ["Done", "Done"]
    assert not any(re.search("petition \\(en\\)|league", mail.as_string(), re.IGNORECASE) for mail in to_signer)
    [forwarded] = [mail for mail in mails if mail not in to_signer]
    assert forwarded["Subject"] == "A reply"


# What is never answered

AUTOMATIC = [
    "Auto-Submitted: auto-replied\r\n", "Precedence: bulk\r\n", "X-Autoreply: yes\r\n", "Precedence: auto_reply\r\n",
    "X-Auto-Response-Suppress: All\r\n", "List-Id: <x.example.org>\r\n",
]  # fmt: skip


@pytest.mark.parametrize("header", AUTOMATIC)
def test_an_automatic_answer_is_known_as_one_and_never_answered(world, slug, header):
    set_reply_address(world, slug)
    signature_id, message_id = signed(world, slug)

    answer(world, message_id, "STOP", more=header)

    assert world.row(signature_id).wants_updates
    assert [kind for kind, _, _ in events(world)] == ["autoresponded"]
    assert send(world) == []


@pytest.mark.parametrize("sender", ["MAILER-DAEMON@example.org", "postmaster@example.org"])
def test_what_a_mail_system_says_to_a_reply_address_is_dropped(world, slug, sender):
    set_reply_address(world, slug)
    _, message_id = signed(world, slug)

    answer(world, message_id, "STOP", sender=sender)

    assert events(world) == []


def test_our_own_mail_that_comes_back_as_a_reply_is_never_answered(world, slug):
    set_reply_address(world, slug)
    _, message_id = signed(world, slug)

    answer(world, message_id, "Hello", sender=world.runtime.settings.mail_from)
    raw = reply(world, message_id, "Hello", sender=Names.by(world.runtime).reply_address(message_id), number=2)
    receive(world.runtime, raw)
    applying.apply(world.runtime)

    assert send(world) == []


def test_a_reply_to_a_forwarded_reply_is_left_to_a_person(world, slug):
    set_reply_address(world, slug)
    _, message_id = signed(world, slug)
    answer(world, message_id, "Hello")
    send(world)

    answer(world, newest(world, "reply_forwarded"), "STOP", sender="olga@example.net")

    assert events(world)[-1] == ("replied", "reply", True)


def test_a_reply_that_is_too_large_or_without_one_sender_is_left_to_a_person(world, slug):
    set_reply_address(world, slug)
    _, message_id = signed(world, slug)
    address = Names.by(world.runtime).reply_address(message_id)

    receive(world.runtime, reply(world, message_id, "x" * returned.MAX_MAIL), recipient=address)
    answer(world, message_id, "STOP", more="From: other@example.org\r\n", number=2)

    assert [problem for _, problem, _ in events(world)] == ["reply", "reply"]
    assert send(world) == []


def test_what_is_left_to_a_person_is_not_read_again_as_a_report(world, slug):
    _, message_id = signed(world, slug)
    address = Names.by(world.runtime).reply_address(message_id)
    receive(world.runtime, dsn(address) + b"x" * returned.MAX_MAIL, recipient=address)
    [(event_id,)] = world.sql("select id from delivery_event")

    assert not quarantine.read_again(world.runtime, event_id, by=None)
    assert world.sql("select count(*) from suppression") == [(0,)]


def test_a_reply_to_the_return_address_counts_too(world, slug):
    signature_id, message_id = signed(world, slug)
    old = Names.by(world.runtime).of(message_id)[1]
    raw = reply(world, message_id, "STOP").replace(
        Names.by(world.runtime).reply_address(message_id).encode(), old.encode()
    )

    receive(world.runtime, raw)
    applying.apply(world.runtime)

    assert not world.row(signature_id).wants_updates


def test_html_alone_is_read(world, slug):
    signature_id, message_id = signed(world, slug)

    answer(world, message_id, "<div>Stop</div><blockquote>Dear Zahra</blockquote>", kind="text/html")

    assert not world.row(signature_id).wants_updates


# Doors and settings


def test_lmtp_takes_a_reply_address(world, slug, tmp_path):
    signature_id, message_id = signed(world, slug)
    socket = tmp_path / "lmtp"
    address = Names.by(world.runtime).reply_address(message_id)

    with serve_lmtp(world.runtime, f"lmtp://{socket}"), smtplib.LMTP(str(socket)) as client:
        client.sendmail("zahra@example.org", [address], reply(world, message_id, "STOP"))
        client.ehlo_or_helo_if_needed()
        client.mail("a@example.org")
        refused, _ = client.rcpt(f"s{address[1:]}")
        client.rset()
        forged, _ = client.rcpt(f"{address[:3]}f{address[4:]}") if client.mail("a@example.org")[0] == 250 else (0, b"")
    applying.apply(world.runtime)

    assert (refused, forged) == (550, 550)
    assert not world.row(signature_id).wants_updates


def without_mailbox(database_url, tmp_path, *, discreet):
    world = make_world(database_url, tmp_path)
    slug = world.petition()
    set_reply_address(world, slug)
    world.sql(f"update petition set discreet = {discreet}")
    petitions.forget(world.runtime, slug)
    world.sign(slug)
    [mail] = send(world)
    world.runtime.close()
    return mail["Reply-To"]


@pytest.mark.parametrize(("discreet", "expected"), [(False, "olga@example.net"), (True, None)])
def test_without_a_return_mailbox_replies_go_to_the_organisers_but_not_in_discreet_mode(
    database_url, tmp_path, discreet, expected
):
    assert without_mailbox(database_url, tmp_path, discreet=discreet) == expected


def test_mail_to_accounts_names_no_reply_address(world):
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    requests.request_sign_in_link(world.runtime, "olga@example.org", network=None)
    world.admit()

    [mail] = send(world)

    assert mail["Reply-To"] is None


def test_nothing_a_person_wrote_lies_in_the_database_in_clear(world, slug):
    set_reply_address(world, slug)
    _, message_id = signed(world, slug)
    receive(world.runtime, reply(world, message_id, "quartzword", sender="mallory@example.com"))
    before = dump(world)
    applying.apply(world.runtime)

    assert "quartzword" not in before + dump(world)
    assert "mallory" not in before + dump(world)


def dump(world):
    rows = [world.sql(f"select t::text from {table} t") for table in ("reply_mail", "delivery_event", "message")]
    found = str(rows)
    return found + "".join(
        bytes.fromhex(blob).decode("latin-1") for blob in re.findall(r"\\\\x([0-9a-f]+)", found) if len(blob) % 2 == 0
    )
