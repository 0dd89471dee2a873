"""Erasing and being forgotten, as a signer meets them on the web, and what the pages promise (B9)."""

import pytest

from campaign.signatures import forgetting
from tests.views.conftest import SLUG, Site, words

FORM = {"name": "Zahra Ahmadi", "email": "zahra@example.org", "country": "PK"}


def test_the_pages_say_until_when_backups_hold_what_was_erased(site: Site):
    site.signature(confirmed=True)
    path = site.own(site.last)
    said = "Copies in backups, which are encrypted too, are readable until 22 December 2026"

    before = words(site.get(f"{path}/erase?lang=en"))
    after = words(site.second_page(site.last, "erase"))

    assert said in before
    assert said in after
    assert "They are deleted after 30 days" in words(site.get("/privacy?lang=en"))
    for page in (before, after, words(site.get("/privacy?lang=en"))):
        assert "nobody can bring" not in page
        assert "destroyed" not in page


def test_the_form_offers_to_be_forgotten_and_the_confirm_page_shows_the_choice(site: Site):
    page = site.get(f"/p/{SLUG}?lang=en").text
    assert 'name="forget"' in page
    assert "Forget me once I’m counted" in page

    site.world.sign(SLUG, forget=True)
    row = site.world.rows(SLUG, "zahra@example.org")[-1]
    confirm = words(site.get(f"/c/{site.world.confirm_token(row.id)}?lang=en"))

    assert "After that email we’ll remove your name, email address and reason." in confirm
    assert "using the link in your thank-you email" not in confirm


@pytest.mark.parametrize("other", ["wants_updates", "show_name"])
def test_a_form_that_asks_for_both_is_shown_again_with_a_sentence_and_what_was_typed(site: Site, other: str):
    answer = site.sign(**FORM, **{"forget": "yes", other: "yes"})

    assert answer.status_code == 422
    assert "We can’t show your name or send updates once we’ve forgotten you." in words(answer)
    assert 'value="Zahra Ahmadi"' in answer.text


def test_a_signer_is_forgotten_from_the_own_page_after_a_second_page(site: Site):
    site.signature(confirmed=True)
    path = site.own(site.last)
    assert "Forget me" in words(site.get(f"{path}?lang=en"))

    asked = site.get(f"{path}/forget?lang=en")
    without = site.post(f"{path}?lang=en", {"action": "forget"})
    assert without.location.startswith(f"{path}/forget")
    assert not site.world.row(site.last).forget
    done = site.second_page(site.last, "forget")
    site.world.sql("update message set state = 'accepted', settled_at = now()")
    forgetting.forget_counted(site.runtime)

    assert "this page and its links stop working" in words(asked)
    assert done.status_code == 303
    assert site.world.row(site.last).name is None
    assert site.get(path).status_code == 410
    assert site.states() == ["confirmed"]
    assert "Removed, as you asked." in words(site.get(f"{site.own(site.last)}?lang=en"))


def test_who_has_withdrawn_and_erases_is_not_told_that_the_signature_still_counts(site: Site):
    site.signature(confirmed=True)
    counting = site.get(f"{site.own(site.last)}?lang=en")
    site.second_page(site.last, "withdraw")
    path = site.own(site.last)

    pages = [site.get(f"{path}?lang=en"), site.get(f"{path}/erase?lang=en"), site.second_page(site.last, "erase")]

    assert "Your signature still counts, anonymously" in words(counting)
    for page in pages:
        assert page.status_code == 200
        assert "still counts" not in words(page)
        assert "one in the count" not in words(page)
        assert "fingerprint" not in words(page)
        assert "Of times, only the day stays." in words(page)
    assert site.world.sql("select mailbox_mark, person_mark from signature") == [(None, None)]


def test_the_thanks_promise_a_link_to_the_own_page_only_to_those_who_are_not_forgotten(site: Site):
    thanks = words(site.get(f"/p/{SLUG}/thanks?lang=en"))

    assert "a link to your own page, unless you chose to be forgotten" in thanks


def test_an_unsubscribe_link_promises_only_what_it_can_do_for_who_is_forgotten_or_has_withdrawn(site: Site):
    first = site.signature(confirmed=True)
    whole = words(site.get(f"{site.unsubscribe(first)}?lang=en"))
    site.second_page(first, "withdraw")
    withdrawn = [site.get(f"{site.unsubscribe(first)}?lang=en"), site.post(f"{site.unsubscribe(first)}?lang=en")]
    site.world.sql("update signature set address = null")
    gone = [
        site.get(f"{site.unsubscribe(first)}?lang=en"),
        site.post(f"{site.unsubscribe(first)}?lang=en", {"scope": "everything"}),
    ]

    assert "Unsubscribe from all petitions" in whole
    assert "still counts" in whole
    assert not any("still counts" in words(page) for page in withdrawn)
    assert "Unsubscribe from all petitions" not in words(gone[0])
    assert "any more updates about this petition" in words(gone[1])


def test_pages_do_not_deny_who_is_forgotten_the_own_page_that_my_signatures_opens(site: Site):
    form, privacy = words(site.get(f"/p/{SLUG}?lang=en")), words(site.get("/privacy?lang=en"))

    assert "To see or withdraw your signature, you ask for a link at “My signatures”." in form
    assert "you ask for a new one at “My signatures”." in privacy
    assert "own page then" not in form
