"""Four people sign the example petition in four languages: from the first page to the last goodbye (scenario A)."""

import json
from collections.abc import Callable

import pytest

from campaign import i18n
from campaign.local.seed.example import SLUG
from campaign.settings import LANGUAGES
from tests.journeys.people import Inspector, Supporter, scan, state
from tests.kit.browsers import Visitor
from tests.kit.installation import OF_PETITION, Installation
from tests.kit.waiting import until

pytestmark = pytest.mark.browser

NAMES = {"en": "Grace O’Neill", "de": "Jürgen Müßig", "fa": "زهرا احمدی", "ur": "زہرا حسینی"}
COUNTED = 15.0
"""Seconds: two counting intervals of two, the second for which the count is kept, and a busy machine."""

ONE_CLICK = b"List-Unsubscribe=One-Click"
MULTIPART = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
FORMS = {"application/x-www-form-urlencoded": ONE_CLICK, "multipart/form-data; boundary=b": MULTIPART}


@pytest.fixture
def inspector(site: Installation) -> Inspector:
    return Inspector(site.url)


@pytest.fixture
def people(site: Installation, visitor: Callable[..., Visitor], inspector: Inspector) -> dict[str, Supporter]:
    """One for each language, each from a network of their own; the German one reads on a small screen."""
    return {
        lang: Supporter(
            site, SLUG,
            visitor(width=375 if lang == "de" else 1280, extra_http_headers={"X-Forwarded-For": f"198.51.{number}.7"}),
            inspector, lang, NAMES[lang], f"{lang}@supporters.test",
        )
        for number, lang in enumerate(LANGUAGES, start=100)
    }  # fmt: skip


def is_counted(site: Installation, number: int) -> None:
    until(lambda: site.count(SLUG) == number, seconds=COUNTED)


def sign_and_read(person: Supporter, *, first: bool) -> None:
    said = person.open_petition()
    if first:
        zero, thousand = i18n.format_number(0, person.lang), i18n.format_number(1000, person.lang)
        assert zero in said.split()
        assert thousand in said
    person.sign(reason="Because it matters." if person.lang == "en" else "")
    person.confirmation = person.read("confirmation")


def without_javascript(site: Installation, visitor: Callable[..., Visitor], lang: str) -> None:
    """The same first steps with scripts off, up to the wrong and the right code."""
    person = visitor(java_script_enabled=False, extra_http_headers={"X-Forwarded-For": "198.51.99.7"})
    page = person.page
    email = f"{lang}-plain@supporters.test"
    page.goto(f"{site.url}/p/{SLUG}?lang={lang}")
    page.fill("#name", NAMES[lang])
    page.fill("#email", email)
    page.select_option("#country", "PK")
    person.follow("#sign button[type=submit]")
    code = site.mail(email, "confirmation").code
    page.fill("#code", "000000" if code != "000000" else "111111")
    person.follow("main form button")
    page.locator(".field-error").wait_for()
    page.fill("#code", code)
    person.follow("main form button")
    page.wait_for_url(f"{site.url}/p/{SLUG}/thanks?lang={lang}")
    page.goto(site.mail(email, "thank_you").link("/me/"))
    person.follow("a[href*='/withdraw']")
    person.follow("button[value=withdraw]")
    page.locator("[role=status]").wait_for()


def test_four_people_sign_in_four_languages_and_every_number_agrees(
    site: Installation, people: dict[str, Supporter], visitor: Callable[..., Visitor], inspector: Inspector, tmp_path
):
    assert people["en"].open_petition() == "0 have signed. Let’s get to 1,000!"
    for person in people.values():
        sign_and_read(person, first=True)

    # The scanner of a corporate mailbox opens every link, and nothing changes.
    before = state(site)
    for person in people.values():
        assert {answer.status for answer in scan(site, person.confirmation)} == {200}
    assert state(site) == before
    assert site.count(SLUG) == 0

    # Two press the button, two type the code on another device.
    for lang in ("en", "fa"):
        people[lang].press_twice(people[lang].confirmation)
    for lang in ("de", "ur"):
        people[lang].type_code(people[lang].confirmation, visitor(width=375))
    is_counted(site, 4)
    for person in people.values():
        person.thanks = person.read("thank_you")
        assert {answer.status for answer in scan(site, person.thanks)} == {200}
    is_counted(site, 4)
    # A page is kept for a second or two, here and in the browser.
    until(lambda: i18n.format_number(4, "fa") in people["fa"].open_petition().split(), seconds=20)
    assert people["de"].name in people["fa"].page.locator(".signers").inner_text()

    see_and_change(people["en"], tmp_path)
    withdraw(people["de"], site)
    erase(people["fa"], site)
    unsubscribe(people["ur"], site)
    for lang in ("en", "de", "fa", "ur"):
        without_javascript(site, visitor, lang)

    agree(site, people["en"])
    for person in people.values():
        inspector.note(person.visitor)
    assert inspector.found == []
    assert inspector.foreign == set()


def see_and_change(person: Supporter, folder) -> None:
    person.open_own_page(person.thanks)
    shown = person.page.locator("main").inner_text()
    assert all(
        fact in shown
        for fact in (person.name, person.email, "Germany", "Because it matters.", "Confirmed and counted", "By signing")
    )
    assert person.press("hide_name") == "Your name is hidden now."
    assert person.press("no_updates") == "You won’t get any more updates."
    assert person.press("updates") == "You’ll get updates from now on."
    kept = person.download(folder)
    assert kept["petition"]["slug"] == SLUG
    assert kept["signature"] | {"name": person.name, "email": person.email, "country": "DE", "language": "en",
                                "reason": "Because it matters.", "state": "confirmed", "show_name": False,
                                "wants_updates": True} == kept["signature"]  # fmt: skip
    assert kept["signed_text"]["text"]
    assert kept["signed_text"]["sha256"]
    assert kept["consents"]["sign"]["text"]
    assert kept["consents"]["updates"]["text"]
    assert all(kept["signature"][moment] for moment in ("requested_at", "confirmed_at", "updates_changed_at"))
    person.open_petition()
    until(lambda: person.name not in person.site.get(f"/p/{SLUG}").text)


def withdraw(person: Supporter, site: Installation) -> None:
    person.open_own_page(person.thanks)
    person.leave("withdraw")
    is_counted(site, 3)
    until(lambda: person.name not in site.get(f"/p/{SLUG}").text)


def erase(person: Supporter, site: Installation) -> None:
    person.open_own_page(person.thanks)
    person.leave("erase")
    person.expect("Your data are erased")
    for mail, path in ((person.thanks, "/me/"), (person.confirmation, "/c/")):
        person.visitor.open(mail.link(path))
        assert person.page.locator("h1").inner_text() == "This link no longer works"
        person.inspector.look(person.visitor, "refused")
    until(lambda: person.name not in site.get(f"/p/{SLUG}").text)
    is_counted(site, 3)


def unsubscribe(person: Supporter, site: Installation) -> None:
    link = person.thanks.link("/u/")
    assert str(person.thanks.message["List-Unsubscribe"]) == f"<{link}>"
    assert str(person.thanks.message["List-Unsubscribe-Post"]) == ONE_CLICK.decode()
    person.visitor.open(link)
    person.inspector.look(person.visitor, "unsubscribe")
    [before] = site.sql("select wants_updates from signature where locale = 'ur' and state = 'confirmed'")

    answers = [
        site.ask("POST", link, body=body, headers={"Content-Type": kind}) for kind, body in FORMS.items() for _ in "ab"
    ]

    assert {(answer.status, answer.body, answer.headers["Set-Cookie"]) for answer in answers} == {
        (200, b"Unsubscribed.\n", None)
    }
    assert before == (True,)
    [after] = site.sql("select wants_updates from signature where locale = 'ur' and state = 'confirmed'")
    assert after == (False,)
    person.visitor.open(link)
    person.visitor.follow("button[value=everything]")
    person.expect("You are unsubscribed")


def agree(site: Installation, person: Supporter) -> None:
    """Page, count.json, monitor, ledger and mailbox say the same."""
    site.rest()
    is_counted(site, 3)
    until(lambda: person.open_petition() == "3 have signed. Let’s get to 1,000!", seconds=20)
    [petition] = [found for found in site.monitor()["petitions"] if found["slug"] == SLUG]
    assert (petition["count"], petition["state"]) == (3, "live")
    assert site.sql(f"select count(*) from signature where state = 'confirmed' and {OF_PETITION}", slug=SLUG) == [(3,)]
    assert site.ledger(SLUG) == {("confirmation", "accepted"): 8, ("thank_you", "accepted"): 8}
    listed = json.loads(site.get("/mailbox/messages.json").body)
    assert sorted((mail["to"], mail["kind"]) for mail in listed if "@supporters" in mail["to"]) == sorted(
        (f"{lang}{which}@supporters.test", kind)
        for lang in LANGUAGES for which in ("", "-plain") for kind in ("confirmation", "thank_you")
    )  # fmt: skip


def test_every_token_that_does_not_fit_is_refused_by_the_same_page(site: Installation):
    slug = site.petition("tokens")
    site.sign(slug, "tokens@tokens.test")
    confirmation = site.mail("tokens@tokens.test", "confirmation")
    site.sign(slug, "late@tokens.test")
    late = site.mail("late@tokens.test", "confirmation")
    token = confirmation.link("/c/").rpartition("/")[2].partition("?")[0]
    site.sql("update signature set requested_at = requested_at - interval '30 days' where id ="
             " (select max(id) from signature)")  # fmt: skip

    answers = [
        site.get(f"{path}?lang=en")
        for path in (
            f"/c/{token[:-1]}", f"/c/{token}x", f"/me/{token}", f"/u/{token}", f"/c/{token}.{token}",
            f"/me/{token}/export.json", f"/c/{token[1:]}/decline",
        )
    ]  # fmt: skip
    answers.append(site.get(late.link("/c/").partition("?")[0] + "?lang=en"))

    assert {answer.status for answer in answers} == {410}
    assert len({without_address(answer.text) for answer in answers}) == 1
    assert "This link no longer works" in answers[0].text


def without_address(page: str) -> str:
    """A page without the lines that link to itself in other languages."""
    return "\n".join(line for line in page.splitlines() if "hreflang" not in line)
