"""My signatures: one mail with private links to everything signed with an address, and nothing told to others."""

import email
import email.policy
import re
from email.message import EmailMessage

import pytest

from campaign.petitions import petitions
from campaign.settings import LANGUAGES
from campaign.smtp.transport import Envelope
from tests.kit.memory_transport import MemoryTransport
from tests.views.conftest import SLUG, Site, words

OTHER = "forests"


def ask(site: Site, address: str = "zahra@example.org") -> None:
    assert site.post("/mine?lang=en", {"email": address}).status_code == 303
    site.world.admit()


def row_of(site: Site, slug: str = SLUG) -> int:
    """The id of Zahra's signature on a petition."""
    return site.world.rows(slug, "zahra@example.org")[0].id


def sent(site: Site) -> list[Envelope]:
    """What goes to the mail server now."""
    transport = MemoryTransport()
    site.world.deliver(transport=transport)
    return transport.sent


def message_of(envelope: Envelope) -> EmailMessage:
    found = email.message_from_bytes(envelope.data, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def part(envelope: Envelope, subtype: str = "plain") -> str:
    found = message_of(envelope).get_body((subtype,))
    assert found is not None
    return found.get_content().replace("\r\n", "\n")


def links(envelope: Envelope, page: str) -> list[str]:
    return re.findall(rf"http://localhost:\d+(/{page}/\S+)", part(envelope))


@pytest.fixture
def signed(site: Site) -> Site:
    """A confirmed, a withdrawn and a pending signature of one mailbox on three petitions, one of them closed."""
    site.signature(confirmed=True)
    for slug in (OTHER, "lakes"):
        site.world.petition(slug)
        site.world.clock.forward(hours=9)
        site.world.signature(slug, confirmed=slug == OTHER, name="Zahra Ahmadi")
    site.second_page(row_of(site, OTHER), "withdraw")
    petitions.close(site.runtime, OTHER)
    site.world.signature("lakes", "another@example.org", name="Another")
    sent(site)
    site.world.clock.forward(hours=9)
    return site


def test_one_mail_lists_every_signature_of_the_mailbox_whatever_became_of_it(signed: Site):
    ask(signed)

    [envelope] = sent(signed)

    assert envelope.rcpt_to == "zahra@example.org"
    text = part(envelope)
    assert "Clean rivers\nConfirmed and counted" in text
    assert text.count("A petition (en)") == 2
    assert "Withdrawn" in text
    assert "Not confirmed yet" in text
    own = links(envelope, "me")
    assert len(own) == 3
    assert [signed.get(link).status_code for link in own] == [200, 200, 200]
    assert "zahra@example.org" in words(signed.get(own[0]))
    [confirm] = links(envelope, "c")
    signed.post(confirm)
    assert signed.states() == ["confirmed", "withdrawn", "confirmed", "pending"]


def test_the_mail_is_no_list_mail_and_both_its_parts_hold_the_same_links(signed: Site):
    ask(signed)

    [envelope] = sent(signed)

    message = message_of(envelope)
    assert message["Auto-Submitted"] == "auto-generated"
    assert not {"list-unsubscribe", "list-id", "feedback-id"} & {name.lower() for name in message}
    for link in links(envelope, "(?:me|c)"):
        assert link in part(envelope, "html")


@pytest.mark.parametrize("locale", LANGUAGES)
def test_the_mail_is_written_in_the_language_of_the_newest_signature(site: Site, locale: str):
    site.signature(lang=locale)
    site.world.sql("update signature set locale = %(locale)s", locale=locale)
    site.world.clock.forward(minutes=20)
    sent(site)

    ask(site)

    [envelope] = sent(site)
    assert f'lang="{locale}"' in part(envelope, "html")


def test_a_private_link_works_for_a_quarter_of_an_hour_and_says_so(signed: Site):
    ask(signed)
    [envelope] = sent(signed)
    path = links(envelope, "me")[-1]

    signed.world.clock.forward(minutes=14)
    in_time = signed.get(f"{path}?lang=en")
    signed.world.clock.forward(minutes=2)
    late = signed.get(f"{path}?lang=en")
    pressed = signed.post(path, {"action": "show_name"})

    assert in_time.status_code == 200
    assert "This page works until:" in words(in_time)
    assert (late.status_code, pressed.status_code) == (410, 410)
    assert 'action="/mine' in late.text
    assert signed.world.row(row_of(signed)).show_name is False


def test_everything_can_be_changed_and_ended_by_a_private_link(signed: Site):
    ask(signed)
    path, row = links(sent(signed)[0], "me")[-1], row_of(signed)

    signed.post(path, {"action": "show_name"})
    assent = signed.get(f"{path}/erase").text.partition('name="assent" value="')[2].partition('"')[0]
    signed.post(path, {"action": "erase", "assent": assent})

    assert signed.world.row(row).address is None
    assert signed.get(path).status_code == 410


def test_known_and_unknown_addresses_get_the_same_answer(signed: Site):
    known, unknown = (
        signed.post("/mine?lang=en", {"email": f"{name}@example.org"}) for name in ("zahra", "never-seen")
    )
    broken = signed.post("/mine?lang=en", {"email": "nobody"})
    signed.world.admit()

    assert (known.status_code, known.location, known.data) == (unknown.status_code, unknown.location, unknown.data)
    assert "Check your inbox" in words(signed.get(known.location))
    assert broken.status_code == 422
    assert 'value="nobody"' in broken.text
    assert [envelope.rcpt_to for envelope in sent(signed)] == ["zahra@example.org"]


def test_opening_the_page_asks_for_nothing(signed: Site):
    page = signed.get("/mine?lang=en")

    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert signed.world.admit() == {}


def test_the_older_form_for_fresh_links_leads_to_the_same_mail(signed: Site):
    answer = signed.post("/resend?lang=en", {"email": "zahra@example.org"})
    signed.world.admit()

    assert (answer.status_code, answer.location) == (303, signed.post("/mine?lang=en", {"email": "x@y.org"}).location)
    assert len(links(sent(signed)[0], "me")) == 3


def test_asking_often_mails_no_more_than_the_allowance_of_a_mailbox(signed: Site):
    for _ in range(10):
        ask(signed)
        ask(signed)
        signed.world.clock.forward(minutes=1)

    assert signed.world.sql("select count(*) from message where kind = 'my_signatures' and state = 'planned'") == [(1,)]
    for _ in range(12):
        ask(signed)
        sent(signed)
        signed.world.clock.forward(hours=2)
    assert signed.world.sql(
        "select count(*) <= 4 from message where kind = 'my_signatures' and state = 'accepted'"
    ) == [(True,)]


def test_the_mail_comes_though_all_mail_that_is_not_asked_for_was_stopped(signed: Site):
    signed.post(signed.unsubscribe(row_of(signed)), {"scope": "everything"})

    ask(signed)

    assert len(sent(signed)) == 1


def test_a_long_list_is_bounded(site: Site):
    site.world.petition(OTHER)
    for number in range(60):
        signed = site.world.signature(OTHER, f"p{number}@example.org")
    index = site.world.opened(OTHER).open_key.index("zahra@example.org")
    zahra = site.world.signature(OTHER)
    site.world.sql("update signature set address_index = %(index)s where id <> %(id)s", index=index, id=zahra)
    sent(site)
    site.world.clock.forward(minutes=20)

    ask(site)

    [envelope] = sent(site)
    assert signed < zahra
    assert len(links(envelope, "me")) == 50


def test_a_dead_link_leads_to_the_page_and_no_further(site: Site):
    dead = site.get("/me/dead?lang=en")

    assert dead.status_code == 410
    assert 'action="/mine' in dead.text
    assert 'name="email"' in dead.text
    assert f"/p/{SLUG}" not in dead.text


def test_who_must_wait_for_others_of_the_network_is_told_when_the_email_comes(site: Site):
    soon, later = (site.post("/mine?lang=en", {"email": "zahra@example.org"}) for _ in range(2))
    for _ in range(20):
        later = site.post("/mine?lang=en", {"email": "never-seen@example.org"})

    said, forged = words(site.get(later.location)), words(site.get("/mine/sent?lang=en&at=99999999999999999999"))

    assert "Nothing after a few minutes?" in words(site.get(soon.location))
    assert "Yours will come at about 11:00 UTC, in 1 hour." in said
    assert "few minutes" not in said
    assert "Nothing after a few minutes?" in forged


def test_a_network_that_asks_for_too_many_links_is_told_so_in_the_same_words_for_every_address(site: Site):
    site.signature()
    for number in range(140):
        assert site.post("/mine?lang=en", {"email": f"p{number}@example.org"}).status_code == 303
    known, unknown = (site.post("/mine?lang=en", {"email": f"{name}@example.org"}) for name in ("zahra", "never-seen"))

    assert (known.status_code, unknown.status_code) == (429, 429)
    assert known.text.replace("zahra", "never-seen") == unknown.text
    assert "Please try again tomorrow, or from another network." in words(known)
    assert site.sign(email="other@example.org", name="Other").status_code == 200
