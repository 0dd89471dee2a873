"""The confirm page shows what its link confirms, with a way to correct it, and asks when two names may be one's."""

from email import message_from_bytes
from email.policy import default

import pytest

from tests.views.conftest import SLUG, Site, words

FORM = {"name": "Zahra Ahmadi", "reason": "I swim <there>.", "country": "PK"}


def test_the_page_shows_the_name_the_reason_and_the_choices_that_its_link_confirms(site: Site):
    quiet = site.signature(**FORM)
    public = site.signature(**FORM, show_name="y", wants_updates="y")

    pages = [site.get(f"{site.confirm(signed)}?lang=en") for signed in (quiet, public)]

    for page in pages:
        assert "You are signing as Zahra Ahmadi." in words(page)
        assert "I swim <there>." in words(page)
        assert "Pakistan" in words(page)
    assert "Your name won’t be shown." in words(pages[0])
    assert "no updates" in words(pages[0])
    assert "Your name, country and reason will be shown" in words(pages[1])
    assert "You’ll get updates" in words(pages[1])


def test_what_is_wrong_can_be_corrected_and_the_same_link_confirms_it(site: Site):
    signed = site.signature(**FORM)
    path = site.confirm(signed)

    form = site.get(f"{path}/correct?lang=en")
    typed = {"name": "Zahra Ahmadzai", "country": "AT", "reason": "I dive.", "show_name": "y"}
    answer = site.post(f"{path}/correct?lang=en", typed)
    page = site.get(answer.location)
    site.post(path)

    assert 'value="Zahra Ahmadi"' in form.text
    assert "I swim &lt;there&gt;.</textarea>" in form.text
    assert 'name="email"' not in form.text
    assert (answer.status_code, answer.location) == (303, f"{path}?lang=en")
    assert "You are signing as Zahra Ahmadzai." in words(page)
    assert "I dive." in words(page)
    assert "Your name, country and reason will be shown" in words(page)
    assert site.states() == ["confirmed"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "Enter your name."),
        ({"country": ""}, "Choose"),
        ({"reason": "See https://spam.example now"}, "Leave out “https://spam.example”"),
        ({"name": "\u200b"}, "Enter your name."),
    ],
)
def test_a_correction_with_a_mistake_is_told_at_its_field_and_keeps_the_rest(site: Site, typed, said):
    path = f"{site.confirm(site.signature(**FORM))}/correct?lang=en"

    answer = site.post(path, {"name": "Zahra A.", "country": "AT", "reason": "I dive."} | typed)
    page = site.get(site.confirm(site.last))

    assert answer.status_code == 422
    assert said in words(answer)
    assert "<title>Error:" in answer.text
    kept = {"name": 'value="Zahra A."', "country": '<option value="AT" selected>', "reason": "I dive.</textarea>"}
    assert all(kept[name] in answer.text for name in kept.keys() - typed.keys())
    assert "Zahra Ahmadi" in page.text


def test_a_near_name_that_is_confirmed_is_told_and_may_be_replaced_or_counted_beside(site: Site):
    first = site.signature(name="Hassan Rezaei", confirmed=True)
    second = site.signature(name="Hossan Rezaei")

    page = site.get(f"{site.confirm(second)}?lang=en")
    site.post(f"{site.confirm(second)}?lang=en", {"signer": "other"})

    assert "Hassan Rezaei has already signed with this mailbox." in words(page)
    assert "Replace my details" in words(page)
    assert "I’m another person" in words(page)
    assert [site.world.state(signed) for signed in (first, second)] == ["confirmed", "confirmed"]


def test_one_who_signed_again_is_told_that_the_details_are_replaced(site: Site):
    site.signature(**FORM)
    second = site.signature(**(FORM | {"reason": "I dive."}))
    site.post(site.confirm(site.world.sql("select min(id) from signature")[0][0]))

    page = site.get(f"{site.confirm(second)}?lang=en")
    answer = site.post(f"{site.confirm(second)}?lang=en")

    assert "You’ve already signed." in words(page)
    assert "I’m another person" not in words(page)
    assert answer.status_code == 303
    assert site.states() == ["confirmed", "expired"]


def test_an_older_link_says_that_it_changes_nothing(site: Site):
    first = site.signature(name="Hassan Rezaei")
    site.signature(name="Hossan Rezaei", confirmed=True)

    page = site.get(f"{site.confirm(first)}?lang=en")

    assert "with a form that was sent after this one. It stays as it is." in words(page)
    assert "Keep what is there" in words(page)


def test_looking_at_the_pages_changes_nothing(site: Site):
    path = site.confirm(site.signature(**FORM))
    before = site.world.sql("select * from signature")

    for end in ("", "/correct", "/decline"):
        site.get(path + end)

    assert site.world.sql("select * from signature") == before


def test_the_emails_lead_to_the_page_where_the_code_is_entered(site: Site):
    site.signature()
    transport = site.world.deliverer().transport
    site.world.deliver(transport=transport)

    [envelope] = transport.sent
    letter = message_from_bytes(envelope.data, policy=default)
    parts = [part.get_content() for part in letter.walk() if part.get_content_maintype() == "text"]

    link = f"{site.runtime.settings.base_url}/p/{SLUG}/code?lang=en"
    assert len(parts) == 2
    assert all(link in part for part in parts)
    assert 'name="code"' in site.get(f"/p/{SLUG}/code?lang=en").text
