import pytest

from campaign.petitions import petitions
from tests.views.conftest import SLUG, Site, words


def ref_of(answer) -> str:
    """The reference of a sign-up in the page that follows it."""
    return answer.text.partition('name="ref" value="')[2].partition('"')[0]


def body(answer) -> str:
    """A page without what is random in it: the reference."""
    return answer.text.replace(ref_of(answer), "")


def test_signing_and_pressing_the_button_leads_to_thanks(site: Site):
    asked = site.sign()
    path = site.confirm(site.last)

    pressed = [site.post(path), site.post(path)]

    assert "Check your inbox" in words(asked)
    assert "zahra@example.org" in words(asked)
    assert "Please confirm your signature: Clean rivers" in words(asked)
    assert [answer.status_code for answer in pressed] == [303, 303]
    assert {answer.location for answer in pressed} == {f"/p/{SLUG}/thanks?lang=en"}
    assert "Thank you" in words(site.get(pressed[0].location))
    assert site.states() == ["confirmed"]


def test_the_code_works_on_the_page_after_signing(site: Site):
    asked = site.sign()
    site.world.deliver()

    answer = site.post(f"/p/{SLUG}/code", {"ref": ref_of(asked), "code": site.world.code(site.last)})

    assert answer.status_code == 303
    assert site.states() == ["confirmed"]


def test_the_code_works_on_another_device(site: Site):
    site.signature()
    site.world.deliver()

    answer = site.post(f"/p/{SLUG}/code", {"email": "ZAHRA@example.org", "code": site.world.code(site.last)})

    assert answer.status_code == 303
    assert site.states() == ["confirmed"]


def test_a_wrong_code_is_asked_for_again(site: Site):
    asked = site.sign()

    here = site.post(f"/p/{SLUG}/code?lang=en", {"ref": ref_of(asked), "code": "12"})
    there = site.post(f"/p/{SLUG}/code?lang=en", {"email": "zahra@example.org", "code": "12"})

    for answer in (here, there):
        assert answer.status_code == 422
        assert "This code isn’t right." in words(answer)
        assert 'name="code" type="text" value="12"' in answer.text
    assert "zahra@example.org" in words(here)
    assert 'value="zahra@example.org"' in there.text
    assert site.states() == ["pending"]


def test_a_forged_reference_leads_to_the_page_that_asks_for_the_address(site: Site):
    for ref in ("AAAA", "A" * 22):
        answer = site.post(f"/p/{SLUG}/code?lang=en", {"ref": ref, "code": "123456"})

        assert answer.status_code == 410
        assert "This page is gone" in words(answer)
        assert 'name="email"' in answer.text


def test_everybody_gets_the_same_answer(site: Site):
    new = site.sign()
    pending = site.sign()
    site.post(site.confirm(site.last))
    confirmed = site.sign()

    assert {answer.status_code for answer in (new, pending, confirmed)} == {200}
    pressed = [site.press(email=f"{name}@example.org") for name in ("zahra", "a-new-one")]
    assert {(answer.status_code, len(answer.location), answer.data) for answer in pressed} == {
        (303, len(pressed[0].location), b"")
    }
    assert body(new) == body(pending) == body(confirmed)
    assert len({len(answer.text) for answer in (new, pending, confirmed)}) == 1
    headers = [{k: v for k, v in answer.headers if k != "Date"} for answer in (new, pending, confirmed)]
    assert headers[0] == headers[1] == headers[2]


def test_a_form_with_mistakes_keeps_all_that_was_typed(site: Site):
    typed = {"name": "", "email": "not an address", "country": "PK", "reason": "I swim <there>.", "show_name": "yes"}

    answer = site.sign(**typed)

    assert answer.status_code == 422
    shown = words(answer)
    assert "There is a problem Enter your name. Enter an email address like name@example.org." in shown
    assert '<a href="#name">' in answer.text
    assert 'aria-describedby="name-error" aria-invalid="true"' in answer.text
    assert 'value="not an address"' in answer.text
    assert '<option value="PK" selected>' in answer.text
    assert "I swim &lt;there&gt;.</textarea>" in answer.text
    assert answer.text.count(" checked>") == 1
    assert "<title>Error:" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert site.states() == []


def test_a_form_left_open_for_days_is_shown_again_with_everything_kept(site: Site):
    form = site.form()
    site.world.clock.forward(days=2)

    answer = site.post(f"/p/{SLUG}/sign?lang=en", form)

    assert answer.status_code == 422
    assert "please press the button again" in words(answer)
    assert 'value="zahra@example.org"' in answer.text
    assert site.states() == []
    assert site.sign().status_code == 200


@pytest.mark.parametrize("stamp", ["", None, "forged", "x" * 5000])
def test_a_form_without_a_true_stamp_is_shown_again(site: Site, stamp: str | None):
    assert site.sign(stamp=stamp).status_code == 422
    assert site.states() == []


def test_a_form_with_the_trap_filled_is_shown_once_more_and_the_second_press_is_taken(site: Site):
    typed = {"name": "Zahra", "email": "pixel@example.org", "country": "PK", "reason": "I swim.", "show_name": "yes"}

    caught = site.press(**typed, website="https://example.org")
    mistaken = site.press(**typed | {"name": ""}, website=None)

    assert caught.status_code == 422
    assert "press the button once more" in words(caught)
    for kept in ('value="Zahra"', 'value="pixel@example.org"', '<option value="PK" selected>', "I swim.</textarea>"):
        assert kept in caught.text
    assert caught.text.count(" checked>") == 1
    # A password manager would fill it again: a form that was shown once more has no trap, with mistakes or without.
    assert 'name="website"' not in caught.text + mistaken.text
    assert site.sign(**typed, website=None).status_code == 200
    assert site.states() == ["pending"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_another_site_cannot_sign_for_its_visitors(site: Site, headers: dict[str, str]):
    answer = site.post(f"/p/{SLUG}/sign?lang=en", site.form(), headers=headers)

    assert answer.status_code == 403
    assert "Please sign here." in words(answer)
    assert site.states() == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8000"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost:8000"},
    ],
)
def test_our_own_form_is_accepted_from_every_browser(site: Site, headers: dict[str, str]):
    answer = site.post(f"/p/{SLUG}/sign?lang=en", site.form(), headers=headers)

    assert answer.status_code == 303


def test_reloading_the_forms_address_leads_to_the_petition(site: Site):
    answer = site.get(f"/p/{SLUG}/sign?lang=fa")

    assert (answer.status_code, answer.location) == (303, f"/p/{SLUG}?lang=fa")


def test_a_petition_that_closed_meanwhile_says_so(site: Site):
    form = site.form()
    petitions.close(site.runtime, SLUG)
    site.refresh()

    answer = site.post(f"/p/{SLUG}/sign?lang=en", form)

    assert answer.status_code == 409
    assert "This petition is closed." in words(answer)


@pytest.mark.parametrize(
    "name",
    [
        "https://spam.example/win",
        "\u202egnp.exe",
        "x" * 10_000,
        "Zahra\x00Ahmadi",
        "🌊🌊🌊",
        "Zahra\r\nBcc: all@example.org",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "",
        " ",
    ],
)
def test_a_hostile_name_never_breaks_the_page(site: Site, name: str):
    answer = site.sign(name=name, show_name="yes")

    assert answer.status_code in {200, 422}
    assert "<script>alert" not in answer.text
    assert "\x00" not in answer.text


def test_bytes_that_are_no_text_never_break_the_page(site: Site):
    stamp = site.stamp().encode()
    raw = b"name=%ED%A0%80&email=a%FF@example.org&country=DE&reason=%00&stamp=" + stamp

    answer = site.post(f"/p/{SLUG}/sign", raw, content_type="application/x-www-form-urlencoded")

    assert answer.status_code in {303, 422}


def test_a_huge_form_is_refused(site: Site):
    answer = site.sign(reason="x" * 200_000)

    assert answer.status_code == 413
    assert "Please shorten what you typed" in words(answer)


def test_the_language_of_the_form_is_the_language_of_the_signature(site: Site):
    site.signature(lang="fa")

    assert site.world.sql("select locale from signature") == [("fa",)]
    assert '<html lang="fa"' in site.get(site.confirm(site.last), headers={"Accept-Language": "de"}).text
    assert '<html lang="de"' in site.get(f"{site.confirm(site.last)}?lang=de").text
