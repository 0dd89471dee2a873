"""Changing the address of a signature: the new mailbox agrees, the old one hears of it and can undo it."""

import re

import pytest

from campaign.delivery import cleanup
from campaign.outbox import suppressions
from campaign.signatures import preferences
from campaign.smtp.transport import Envelope
from tests.kit.memory_transport import MemoryTransport
from tests.views.conftest import SLUG, Site, words

NEW = "zahra@new.example.org"


def sent(site: Site) -> list[Envelope]:
    transport = MemoryTransport()
    site.world.deliver(transport=transport)
    return transport.sent


def link(envelope: Envelope) -> str:
    """The one link of a mail about a change."""
    text = envelope.data.replace(b"=\r\n", b"").replace(b"=\n", b"").decode()
    return re.findall(r"http://localhost:\d+(/move(?:-back)?/[\w.=-]+)", text)[0]


def ask(site: Site, address: str = NEW) -> None:
    answer = site.post(f"{site.own(site.last)}?lang=en", {"action": "move", "new_email": address})
    assert answer.status_code == 303


@pytest.fixture
def signed(site: Site) -> Site:
    site.signature(confirmed=True, wants_updates="yes", reason="I swim there.", show_name="yes")
    sent(site)
    return site


def moved(site: Site) -> str:
    """Change the address; returns the link that the old mailbox got."""
    ask(site)
    [check] = sent(site)
    assert site.post(link(check)).status_code == 200
    [notice] = sent(site)
    return link(notice)


def test_the_new_mailbox_agrees_by_a_button_and_the_old_one_is_told(signed: Site):
    before = signed.world.row(signed.last)
    ask(signed)
    [check] = sent(signed)

    page = signed.get(f"{link(check)}?lang=en")
    unchanged = signed.world.row(signed.last)
    done = signed.post(f"{link(check)}?lang=en")
    [notice] = sent(signed)

    assert (check.rcpt_to, notice.rcpt_to) == (NEW, "zahra@example.org")
    assert NEW in words(page)
    assert "Zahra Ahmadi" not in page.text
    assert unchanged == before
    assert "Your signature now uses this email address" in words(done)
    assert NEW.encode() not in notice.data
    assert NEW in words(signed.get(signed.own(signed.last)))


def test_the_count_and_everything_else_stay_as_they_were(signed: Site):
    before, count = signed.world.row(signed.last), signed.world.count(SLUG)

    moved(signed)

    after = signed.world.row(signed.last)
    assert signed.world.count(SLUG) == count == 1
    for name in ("state", "wants_updates", "show_name", "country", "locale", "confirmed_at", "requested_at", "reason"):
        assert getattr(after, name) == getattr(before, name)


def test_links_of_the_mails_before_open_nothing_and_my_signatures_follow_the_address(signed: Site):
    own, confirm = signed.own(signed.last), signed.confirm(signed.last)

    moved(signed)
    signed.world.clock.forward(hours=1)
    for address in ("zahra@example.org", NEW):
        signed.post("/mine", {"email": address})
    signed.world.admit()

    assert [signed.get(path).status_code for path in (own, confirm)] == [410, 410]
    assert [envelope.rcpt_to for envelope in sent(signed)] == [NEW]


def test_the_old_mailbox_undoes_the_change_within_a_week(signed: Site):
    back = moved(signed)
    stolen = signed.own(signed.last)
    signed.world.clock.forward(days=6)

    asked = signed.get(f"{back}?lang=en")
    done = signed.post(f"{back}?lang=en")

    assert "zahra@example.org" in words(asked)
    assert "The change is undone" in words(done)
    assert signed.get(stolen).status_code == 410
    assert "zahra@example.org" in words(signed.get(signed.own(signed.last)))
    assert signed.post(back).status_code == 410


def test_the_first_change_of_several_is_undone_with_the_later_ones(signed: Site):
    back = moved(signed)
    signed.world.clock.forward(hours=1)
    ask(signed, "thief@third.example.org")
    [check] = sent(signed)
    signed.post(link(check))
    [notice] = sent(signed)

    signed.post(back)

    assert "zahra@example.org" in words(signed.get(signed.own(signed.last)))
    assert signed.post(link(check)).status_code == 410
    assert signed.post(link(notice)).status_code == 410


def test_links_about_a_change_end(signed: Site):
    ask(signed)
    [check] = sent(signed)
    signed.world.clock.forward(hours=25)
    late = signed.post(link(check))
    signed.world.clock.forward(days=1)
    back = moved(signed)
    signed.world.clock.forward(days=7)

    assert late.status_code == 410
    assert signed.post(back).status_code == 410
    cleanup.forget(signed.runtime)
    assert signed.world.sql("select count(*) from address_change") == [(0,)]


def test_only_the_last_address_that_was_asked_for_is_taken(signed: Site):
    ask(signed)
    [first] = sent(signed)
    ask(signed, "other@example.org")
    [second] = sent(signed)

    assert signed.post(link(first)).status_code == 410
    assert signed.post(link(second)).status_code == 200


def test_pressing_twice_changes_nothing_more(signed: Site):
    ask(signed)
    [check] = sent(signed)

    answers = [signed.post(link(check)).status_code for _ in range(3)]

    assert answers == [200, 200, 200]
    assert len(sent(signed)) == 1


def test_a_mailbox_where_the_same_name_or_two_others_have_signed_is_refused(site: Site):
    site.signature(confirmed=True, email=NEW)
    for number, name in enumerate(("First Person", "Second Person")):
        site.signature(confirmed=True, email="full@example.org", name=name)
        site.world.clock.forward(hours=number + 1)
    site.signature(confirmed=True)
    before = site.world.row(site.last)
    sent(site)

    answers = []
    for address in (NEW, "full@example.org"):
        site.world.clock.forward(hours=2)
        ask(site, address)
        [check] = sent(site)
        answers.append(site.post(link(check)).status_code)

    assert answers == [409, 409]
    assert site.world.row(site.last) == before
    assert site.world.count(SLUG) == 4


def test_a_second_spelling_of_the_same_mailbox_keeps_its_seat(signed: Site):
    signed.world.clock.forward(minutes=11)
    ask(signed, "Zahra@Example.org")
    [check] = sent(signed)

    answer = signed.post(link(check))

    assert answer.status_code == 200
    assert "Zahra@example.org" in words(signed.get(signed.own(signed.last)))


def test_the_answer_tells_neither_who_has_signed_nor_who_may_be_mailed(signed: Site):
    signed.signature(confirmed=True, email="known@example.org", name="Known")
    signed.world.clock.forward(minutes=1)
    path = f"/me/{signed.world.manage_token(signed.world.rows(SLUG, 'zahra@example.org')[0].id)}?lang=en"

    answers = [
        signed.post(path, {"action": "move", "new_email": address})
        for address in ("known@example.org", "unknown@example.org", *["often@example.org"] * 5)
    ]

    assert len({(answer.status_code, answer.location) for answer in answers}) == 1


def test_an_address_that_cant_be_one_is_said_at_its_field(signed: Site):
    answer = signed.post(f"{signed.own(signed.last)}?lang=en", {"action": "move", "new_email": "nobody"})

    assert answer.status_code == 422
    assert "Enter an email address like name@example.org." in words(answer)
    assert 'value="nobody"' in answer.text
    assert signed.world.sql("select count(*) from address_change") == [(0,)]


def test_a_pending_or_withdrawn_signature_keeps_its_address(site: Site):
    site.signature()

    answer = site.post(site.own(site.last), {"action": "move", "new_email": NEW})

    assert answer.status_code == 409


def test_erasing_a_signature_deletes_the_addresses_of_its_changes(signed: Site):
    back = moved(signed)

    signed.second_page(signed.last, "erase")

    assert signed.world.sql("select count(*) from address_change") == [(0,)]
    assert signed.get(back).status_code == 410


def test_a_bounce_at_the_old_address_does_not_follow_the_signature(signed: Site):
    key = signed.runtime.secrets.address_key("zahra@example.org")
    [(message,)] = signed.world.sql("select max(id) from message")
    signed.world.read(lambda tx: suppressions.add(tx, key, reason="bounce", petition_id=None, message_id=message))

    ask(signed)
    [check] = sent(signed)
    signed.post(link(check))

    assert sent(signed) == []
    assert signed.world.sql("select reason, message_id from suppression") == [("bounce", None)]


def test_a_dump_of_the_database_holds_neither_address_in_clear(signed: Site):
    moved(signed)

    [row] = signed.world.sql("select address, old_address from address_change")

    assert all(b"zahra" not in bytes(blob) for blob in row)


def test_the_mails_of_a_petition_in_discreet_mode_do_not_tell_it(signed: Site):
    ask(signed)
    signed.world.sql("update petition set discreet = true")
    signed.refresh()
    [check] = sent(signed)
    signed.post(link(check))
    [notice] = sent(signed)

    for envelope in (check, notice):
        for word in (b"Clean rivers", b"petition", b"signature", SLUG.encode()):
            assert word not in envelope.data.split(b"\r\n\r\n", 1)[1].replace(b"=\r\n", b"")


def test_a_signer_who_wants_to_be_forgotten_has_no_address_to_change(signed: Site):
    ask(signed)
    [check] = sent(signed)
    preferences.forget(signed.runtime, signed.world.manage_token(signed.last))

    answer = signed.post(signed.own(signed.last), {"action": "move", "new_email": NEW})

    assert answer.status_code == 409
    assert signed.post(link(check)).status_code == 410


def test_one_who_erased_a_signature_at_the_new_mailbox_is_not_counted_there_again(site: Site):
    site.signature(confirmed=True, email=NEW)
    site.second_page(site.last, "erase")
    site.world.clock.forward(hours=1)
    site.signature(confirmed=True)
    sent(site)
    site.world.clock.forward(hours=1)
    ask(site)
    [check] = sent(site)

    answer = site.post(link(check))

    assert answer.status_code == 409
    assert site.world.count(SLUG) == 2


def test_in_discreet_mode_the_pages_of_a_change_do_not_tell_the_petition_and_have_a_way_out(signed: Site):
    ask(signed)
    signed.world.sql("update petition set discreet = true")
    signed.refresh()
    [check] = sent(signed)
    pages = [signed.get(link(check)), signed.post(link(check))]
    [notice] = sent(signed)
    pages += [signed.get(link(notice)), signed.post(link(notice))]

    for page in pages:
        assert page.status_code == 200
        assert "<title>Page</title>" in page.text
        assert "data-leave" in page.text
        assert "Clean rivers" not in page.text
        assert SLUG not in page.text
