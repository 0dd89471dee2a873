"""Discreet mode through the web: neutral titles, a way out, no names, a way to the update that tells nothing."""

import re

import pytest

from campaign.security.tokens import Purpose
from tests.views.conftest import SLUG, words

WAY_OUT = "data-leave"


@pytest.fixture
def discreet(site):
    site.world.sql("update petition set discreet = true")
    site.refresh()
    return site


def title_of(answer):
    return re.search(r"<title>(.*?)</title>", answer.text, re.DOTALL)[1]


def test_pages_opened_from_mail_have_a_neutral_title_and_a_way_out(discreet):
    waiting = discreet.signature()
    pages = [discreet.get(discreet.confirm(waiting)), discreet.get(discreet.confirm(waiting) + "/decline")]
    discreet.post(discreet.confirm(waiting))
    pages += [discreet.get(path(waiting)) for path in (discreet.own, discreet.unsubscribe, discreet.confirm)]
    pages += [discreet.get(f"/p/{SLUG}/thanks?lang=en"), discreet.get(f"/p/{SLUG}/code?lang=en")]
    assert {(page.status_code, title_of(page)) for page in pages} == {(200, "Page")}
    assert all(WAY_OUT in page.text for page in pages)


def test_the_way_out_comes_first_and_is_a_plain_link(discreet):
    body = discreet.get(f"/p/{SLUG}?lang=en").text.partition("<body")[2]
    first = re.search(r"<a [^>]*>", body)[0]
    assert WAY_OUT in first
    assert 'rel="noreferrer"' in first
    assert 'href="https://www.wikipedia.org/"' in first


def test_other_petitions_have_no_such_link(site):
    assert WAY_OUT not in site.get(f"/p/{SLUG}?lang=en").text


def test_names_that_were_shown_are_hidden_and_none_is_offered(site):
    site.signature(confirmed=True, show_name="yes", reason="For my river")
    site.refresh()
    assert "Zahra Ahmadi" in words(site.get(f"/p/{SLUG}?lang=en"))
    site.world.sql("update petition set discreet = true")
    site.refresh()
    page = site.get(f"/p/{SLUG}?lang=en")
    assert "Zahra Ahmadi" not in page.text
    assert "For my river" not in page.text
    assert 'name="show_name"' not in page.text


def test_a_tick_from_an_older_form_shows_no_name_later(discreet):
    signature_id = discreet.signature(confirmed=True, show_name="yes")
    assert not discreet.world.row(signature_id).show_name


def test_a_link_to_news_that_was_not_signed_by_us_is_refused(discreet):
    token = discreet.runtime.tokens.issue(Purpose.UNSUBSCRIBE, 1)
    assert discreet.get(f"/n/{token}").status_code == discreet.post(f"/n/{token}").status_code == 410


def test_a_form_of_before_is_confirmed_and_corrected_without_a_public_name(site):
    waiting = site.signature(show_name="yes")
    site.world.sql("update petition set discreet = true")
    site.refresh()
    link = site.confirm(waiting)

    shown = site.get(f"{link}/correct?lang=en")
    site.post(f"{link}/correct", site.form(show_name="yes"))
    corrected = site.world.row(waiting).show_name
    site.world.sql("update signature set show_name = true")
    page = words(site.get(f"{link}?lang=en"))
    site.post(link)

    assert 'name="show_name"' not in shown.text
    assert not corrected
    assert "Your name won’t be shown." in page
    assert not site.world.row(waiting).show_name


def test_links_of_old_emails_do_not_tell_what_was_signed(discreet):
    waiting = discreet.signature(wants_updates="yes")
    asked = discreet.get(f"{discreet.confirm(waiting)}?lang=en")
    discreet.post(discreet.confirm(waiting))
    paths = [discreet.confirm(waiting), f"{discreet.confirm(waiting)}/decline", discreet.unsubscribe(waiting)]

    pages = [discreet.get(f"{path}?lang=en") for path in paths]
    pages.append(discreet.post(f"{discreet.unsubscribe(waiting)}?lang=en", {"scope": "petition"}))

    assert "Clean rivers" in asked.text
    assert [page.status_code for page in pages] == [200] * 4
    for page in pages:
        assert "Clean rivers" not in page.text
        assert SLUG not in page.text
        assert WAY_OUT in page.text
        assert title_of(page) == "Page"
