from dataclasses import replace

import pytest

from campaign.database.connection import Store
from campaign.petitions import petitions
from campaign.petitions import rules as petition_rules
from campaign.views.page_cache import PLACE
from tests.views.conftest import SLUG, Site, words
from web import create_app


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (0, "0 have signed. Let’s get to 1,000! 0 of 1,000 Be the first to sign."),
        (1, "1 has signed. Let’s get to 1,000! 1 of 1,000 Be the second to sign."),
        (2, "2 have signed. Let’s get to 1,000! 2 of 1,000"),
        (999, "999 have signed. Let’s get to 2,500!"),
        (1_234_567, "1,234,567 have signed. Let’s get to 2,000,000!"),
    ],
)
def test_the_page_says_how_many_signed_and_where_to_go(site: Site, count: int, sentence: str):
    site.set_count(count)

    page = site.get(f"/p/{SLUG}?lang=en")

    assert page.status_code == 200
    assert sentence in words(page)


def test_all_boxes_are_unticked(site: Site):
    page = site.get(f"/p/{SLUG}").text

    assert page.count('type="checkbox"') == 3
    assert " checked" not in page


def test_the_page_shows_the_signer_who_agreed_and_not_the_other(site: Site):
    site.signature(confirmed=True, show_name="yes", reason="I swim there.")
    site.signature(confirmed=True, name="Hidden Person", email="hidden@example.org")
    site.refresh()

    shown = words(site.get(f"/p/{SLUG}?lang=en"))

    assert "Zahra Ahmadi, Germany 1 minute ago" in shown
    assert "I swim there." in shown
    assert "Hidden Person" not in shown


def test_the_page_follows_the_language_of_the_browser(site: Site):
    page = site.get(f"/p/{SLUG}", headers={"Accept-Language": "fa-IR,en;q=0.5"})

    assert '<html lang="fa" dir="rtl">' in page.text
    assert "رودهای پاک" in page.text
    assert page.headers["Vary"] == "Accept-Language"


def test_the_address_is_stronger_than_the_browser(site: Site):
    page = site.get(f"/p/{SLUG}?lang=en", headers={"Accept-Language": "fa"})

    assert '<html lang="en" dir="ltr">' in page.text


def test_a_text_in_another_language_than_the_page_says_so(site: Site):
    page = site.get(f"/p/{SLUG}?lang=de")

    assert '<html lang="de" dir="ltr">' in page.text
    assert '<article class="prose" lang="en" dir="ltr">' in page.text


@pytest.mark.parametrize("lang", ["xx", "", "en'\"<", "../fa"])
def test_an_unknown_language_is_ignored(site: Site, lang: str):
    assert '<html lang="en"' in site.get(f"/p/{SLUG}", query_string={"lang": lang}).text


def test_the_count_is_small_and_cacheable(site: Site):
    first = site.get(f"/p/{SLUG}/count.json")

    second = site.get(f"/p/{SLUG}/count.json", headers={"If-None-Match": first.headers["ETag"]})

    assert first.json == {"count": 0, "goal": 1000}
    assert first.headers["Cache-Control"] == "public, max-age=1"
    assert (second.status_code, second.data) == (304, b"")


def test_page_and_count_are_rendered_once_a_second(site: Site):
    site.get(f"/p/{SLUG}?lang=en")
    site.world.read(lambda tx: tx.connection.exec_driver_sql("update petition set count = 7"))
    petitions.forget(site.runtime, SLUG)

    kept = words(site.get(f"/p/{SLUG}?lang=en"))
    site.app.extensions[PLACE].clear()
    fresh = words(site.get(f"/p/{SLUG}?lang=en"))

    assert "0 have signed." in kept
    assert "7 have signed." in fresh


def test_a_draft_is_not_there(site: Site):
    site.world.petition("secret-plan", live=False)

    for path in ("", "/count.json", "/thanks", "/qr.svg", "/code"):
        assert site.get(f"/p/secret-plan{path}").status_code == 404
    for trap in ("", "filled"):
        assert site.post("/p/secret-plan/sign", site.form(website=trap)).status_code in {404, 422}


def test_a_closed_petition_has_no_form(site: Site):
    petitions.close(site.runtime, SLUG)
    site.refresh()

    page = site.get(f"/p/{SLUG}?lang=en")

    assert "This petition is closed." in words(page)
    assert "<form" not in page.text


def test_the_list_shows_open_petitions(site: Site):
    shown = words(site.get("/?lang=en"))

    assert "Clean rivers" in shown
    assert "0 have signed. Let’s get to 1,000!" in shown


def test_nobody_who_has_signed_is_asked_to_be_the_first(site: Site):
    page = words(site.get(f"/p/{SLUG}/thanks?lang=en"))

    assert "0 have signed. Let’s get to 1,000!" in page
    assert "Be the first" not in page


def test_the_thanks_page_holds_share_links_and_a_code_to_scan(site: Site):
    page = site.get(f"/p/{SLUG}/thanks?lang=en")

    address = "http%3A//localhost%3A8000/p/clean-rivers"
    assert f"https://wa.me/?text=Clean%20rivers%20{address}" in page.text
    assert f"https://t.me/share/url?url={address}" in page.text
    assert "mailto:?subject=Clean%20rivers" in page.text
    assert "<svg" in page.text.partition('class="qr"')[2]


def test_the_qr_code_is_a_picture_of_its_own(site: Site):
    answer = site.get(f"/p/{SLUG}/qr.svg")

    assert answer.mimetype == "image/svg+xml"
    assert answer.text.startswith('<svg xmlns="http://www.w3.org/2000/svg"')


def test_supporter_pages_set_no_cookie_and_load_nothing_from_elsewhere(site: Site):
    for path in ("/", f"/p/{SLUG}", f"/p/{SLUG}/thanks", "/privacy", f"/p/{SLUG}/code"):
        page = site.get(path)

        assert page.status_code == 200
        assert "Set-Cookie" not in page.headers
        assert "style=" not in page.text
        assert "<script>" not in page.text
        for attribute in ('src="http', 'href="http://cdn', "@import"):
            assert attribute not in page.text


def test_an_organisers_script_does_not_reach_the_page(site: Site):
    draft = petition_rules.Draft(
        title='<script>alert(1)</script>"><img src=x>', addressed_to="<b>x</b>", body="<script>alert(2)</script>"
    )
    petitions.edit_text(site.runtime, SLUG, "en", draft)
    site.refresh()

    page = site.get(f"/p/{SLUG}?lang=en").text

    assert "<script>alert" not in page
    assert "<img" not in page


def test_health_is_asked_of_the_database(site: Site):
    answer = site.get("/healthz")

    assert (answer.status_code, answer.json) == (200, {"status": "ok", "database": "ok"})


def test_without_the_database_pages_say_so_plainly(site: Site):
    form = site.form()
    store = Store("postgresql://nobody@127.0.0.1:1/nothing")
    client = create_app(runtime=replace(site.runtime, store=store)).test_client()

    answers = [client.get(f"/p/{SLUG}?lang=en"), client.post(f"/p/{SLUG}/sign?lang=en", data=form)]

    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "30"
        assert "you’ll still be counted only once." in words(answer)
    assert client.get("/healthz").status_code == 503


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (f"/p/{SLUG}/", f"/p/{SLUG}"),
        (f"/p/{SLUG}/?lang=fa&x=%2F", f"/p/{SLUG}?lang=fa&x=%2F"),
        (f"/p/{SLUG}/count.json/", f"/p/{SLUG}/count.json"),
        ("/privacy/", "/privacy"),
    ],
)
def test_a_slash_too_many_leads_to_the_page_that_was_meant(site: Site, asked: str, meant: str):
    answer = site.get(asked)

    assert (answer.status_code, answer.location) == (308, meant)


@pytest.mark.parametrize("asked", ["/nothing/", "//evil.example/", f"//evil.example/p/{SLUG}/", f"/p/{SLUG}//", "//"])
def test_a_slash_too_many_leads_nowhere_else(site: Site, asked: str):
    answer = site.get("/", environ_overrides={"PATH_INFO": asked})

    # Routing merges slashes by itself, within this site.
    assert answer.status_code in {200, 404} or answer.location.startswith("http://localhost/p/")
    assert "evil" not in (answer.location or "")


def test_nothing_that_is_sent_follows_a_slash_too_many(site: Site):
    assert site.post(f"/p/{SLUG}/sign/", data={}).status_code == 404
