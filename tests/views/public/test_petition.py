import html
import re
from dataclasses import replace
from urllib.parse import parse_qsl, quote

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
    draft = petition_rules.Draft(title='<script>alert(1)</script>"><img src=x>', addressed_to="<b>x</b>", body="Words")
    petitions.edit_text(site.runtime, SLUG, "en", draft)
    # HTML in the text is refused now; a release before this one has stored it.
    site.world.sql("update text_version set body_markdown = '<script>alert(2)</script>'")
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
    assert answer.status_code in {200, 404} or answer.location.startswith(("http://localhost/p/", "/p/"))
    assert "evil" not in (answer.location or "")


def test_nothing_that_is_sent_follows_a_slash_too_many(site: Site):
    assert site.post(f"/p/{SLUG}/sign/", data={}).status_code == 404


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (f"/p/{SLUG.upper()}", f"/p/{SLUG}"),
        (f"/p/{SLUG.title()}?lang=fa", f"/p/{SLUG}?lang=fa"),
        *(
            (f"/p/{SLUG}{end}", f"/p/{SLUG}")
            for end in (".", ",", ")", "%20", "!", "%E2%80%9D", "%DB%94", "/.", "%E2%80%8F")
        ),
        *(
            (f"/p/{SLUG}{end}", f"/p/{SLUG}")
            for end in ("-", "_", "%E2%80%94", "&", "&lang=fa", "%3Flang=fa", "~", "%E0%A5%A4", "%E2%81%A9")
        ),
        *((f"/p/{begin}{SLUG}", f"/p/{SLUG}") for begin in ("(", "%20", "%22", "%E2%80%8E")),
        (f"/p/{SLUG.replace('-', '%E2%80%91')}", f"/p/{SLUG}"),
        (f"/P/{SLUG.upper()}", f"/p/{SLUG}"),
        (f"/P/{SLUG.upper()}/THANKS", f"/p/{SLUG}/thanks"),
        (f"/p/{SLUG.upper()}/thanks).", f"/p/{SLUG}/thanks"),
        ("/PRIVACY", "/privacy"),
        ("/privacy.", "/privacy"),
    ],
)
def test_an_address_as_people_and_their_programs_write_it_leads_to_the_page(site: Site, asked: str, meant: str):
    answers = [site.get(asked), site.client.head(asked)]

    assert {(answer.status_code, answer.location) for answer in answers} == {(308, meant)}
    assert site.get(meant).status_code == 200


@pytest.mark.parametrize(
    "asked", ["/p/unknown.", "/p/UNKNOWN", "/p/.", "/p/A-DRAFT", "/nothing.", f"/x/{SLUG.upper()}"]
)
def test_an_address_of_no_page_stays_unknown(site: Site, asked: str):
    site.world.petition("a-draft", live=False)

    assert site.get(asked).status_code == 404


def test_a_form_is_not_led_elsewhere(site: Site):
    assert site.post(f"/p/{SLUG.upper()}/sign", site.form()).status_code == 404


def test_a_private_link_with_the_end_of_a_sentence_leads_to_its_page(site: Site):
    path = site.confirm(site.signature())

    answer = site.get(f"{path}).")

    assert (answer.status_code, answer.location) == (308, path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_page_of_a_sign_up_with_the_end_of_a_sentence_is_found(site: Site):
    path = site.press().location.partition("?")[0]

    answer = site.get(f"{path}.")

    assert (answer.status_code, answer.location) == (308, path)


def test_the_letters_of_a_private_link_are_not_made_small(site: Site):
    assert site.get(site.confirm(site.signature()).upper()).status_code == 404


def heads(page: str, name: str) -> list[str]:
    """What the head says under a name, in its order."""
    return re.findall(rf'<meta property="{name}" content="([^"]*)">|<link rel="{name}"[^>]*href="([^"]*)">', page)


@pytest.mark.parametrize(("lang", "locale", "title"), [("en", "en_GB", "Clean rivers"), ("fa", "fa_IR", "رودهای پاک")])
@pytest.mark.parametrize("by", ["address", "browser"])
def test_a_preview_is_in_the_language_of_the_page(site: Site, lang: str, locale: str, title: str, by: str):
    page = (
        site.get(f"/p/{SLUG}?lang={lang}")
        if by == "address"
        else site.get(f"/p/{SLUG}", headers={"Accept-Language": lang})
    )

    own = f"http://localhost:8000/p/{SLUG}?lang={lang}"
    other = {"en": "fa_IR", "fa": "en_GB"}[lang]
    assert heads(page.text, "og:url") == [(own, "")]
    assert heads(page.text, "canonical") == [("", own)]
    assert heads(page.text, "og:title") == [(title, "")]
    assert heads(page.text, "og:locale") == [(locale, "")]
    assert heads(page.text, "og:locale:alternate") == [(other, "")]
    assert f"<title>{title} " in page.text
    assert f'hreflang="{lang}" href="{own}">' in page.text
    assert f'hreflang="x-default" href="http://localhost:8000/p/{SLUG}">' in page.text


def test_a_page_in_a_language_without_a_text_names_the_language_of_the_text(site: Site):
    page = site.get(f"/p/{SLUG}?lang=ur").text

    assert heads(page, "og:locale") == [("en_GB", "")]
    assert heads(page, "og:url") == [(f"http://localhost:8000/p/{SLUG}?lang=en", "")]
    assert heads(page, "og:title") == [("Clean rivers", "")]


@pytest.mark.parametrize("path", ["/", "/privacy"])
@pytest.mark.parametrize(("lang", "locale"), [("en", "en_GB"), ("de", "de_DE"), ("fa", "fa_IR"), ("ur", "ur_PK")])
def test_every_public_page_names_its_language(site: Site, path: str, lang: str, locale: str):
    page = site.get(f"{path}?lang={lang}").text

    assert heads(page, "og:locale") == [(locale, "")]
    assert len(heads(page, "og:locale:alternate")) == 3
    assert heads(page, "og:url") == [(f"http://localhost:8000{path}?lang={lang}", "")]


@pytest.mark.parametrize("lang", ["en", "de", "fa", "ur"])
def test_links_to_share_open_with_title_and_address(site: Site, lang: str):
    page = html.unescape(site.get(f"/p/{SLUG}?lang={lang}").text)

    title = {"fa": "رودهای پاک"}.get(lang, "Clean rivers")
    address = f"http://localhost:8000/p/{SLUG}"
    [mail] = re.findall(r'href="mailto:\?([^"]*)"', page)
    [whatsapp] = re.findall(r'href="https://wa.me/\?([^"]*)"', page)
    [telegram] = re.findall(r'href="https://t.me/share/url\?([^"]*)"', page)
    # RFC 6068 section 5: a line ends with %0D%0A, and a blank is %20, not "+".
    assert mail.isascii()
    assert "+" not in mail
    assert f"%0D%0A%0D%0A{quote(address)}" in mail
    assert dict(parse_qsl(mail)) == {"subject": title, "body": f"{title}\r\n\r\n{address}"}
    assert dict(parse_qsl(whatsapp)) == {"text": f"{title} {address}"}
    assert dict(parse_qsl(telegram)) == {"url": address, "text": title}
