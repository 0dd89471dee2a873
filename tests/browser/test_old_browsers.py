"""Signing with an old browser, without the stylesheet, and with a password manager that fills in all it finds."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SLUG, Live
from tests.kit.browsers import Visitor
from tests.kit.old_browsers import age, strip

pytestmark = pytest.mark.browser

FIELDS = ("#name", "#email", "#country", "#reason", "#show_name", "#wants_updates", "button[type=submit]")


def boxes(page: Page) -> dict[str, dict[str, float] | None]:
    return {field: page.locator(field).bounding_box() for field in FIELDS}


@pytest.mark.parametrize("worsen", [age, strip], ids=["old", "no stylesheet"])
@pytest.mark.parametrize("lang", ["en", "fa"])
def test_no_signer_meets_the_trap(
    live: Live, visitor: Callable[..., Visitor], worsen: Callable[[Page], None], lang: str
):
    person = visitor(width=390, java_script_enabled=False)
    worsen(person.page)
    page = person.open(f"{live.url}/p/{SLUG}?lang={lang}")

    trap = page.locator("input[name=website]")
    assert trap.count() == 1
    assert trap.is_hidden()
    assert "Leave this empty" not in page.locator("body").inner_text()
    assert page.get_by_role("textbox").first.get_attribute("id") == "name"
    focused = []
    for _ in range(40):
        page.keyboard.press("Tab")
        focused.append(page.locator(":focus").first.get_attribute("name") if page.locator(":focus").count() else None)
    assert {"name", "email", "country"} <= set(focused)
    assert "website" not in focused


@pytest.mark.parametrize("lang", ["en", "fa", "ur"])
def test_an_old_browser_lays_the_form_out_like_a_new_one(live: Live, visitor: Callable[..., Visitor], lang: str):
    new, old = (visitor(width=390, java_script_enabled=False) for _ in range(2))
    age(old.page)
    for person in (new, old):
        person.open(f"{live.url}/p/{SLUG}?lang={lang}")
        person.pictures(f"form-{lang}-{'old' if person is old else 'new'}")

    assert boxes(old.page) == boxes(new.page)
    assert old.overflow() == 0


@pytest.mark.parametrize("java_script", [True, False])
def test_a_signer_whose_password_manager_fills_the_trap_presses_once_more(
    live: Live, visitor: Callable[..., Visitor], *, java_script: bool
):
    page = visitor(java_script_enabled=java_script).open(f"{live.url}/p/{SLUG}?lang=en")
    page.fill("#name", "Zahra Ahmadi")
    page.fill("#email", "zahra@example.org")
    page.select_option("#country", "DE")
    page.fill("#reason", "I swim there.")
    page.check("#wants_updates")
    page.locator("input[name=website]").evaluate("field => { field.value = 'https://example.org'; }")

    page.click("button[type=submit]")

    expect(page.locator(".note-warn")).to_contain_text("press the button once more")
    kept = [page.input_value(field) for field in ("#name", "#email", "#country", "#reason")]
    assert kept == ["Zahra Ahmadi", "zahra@example.org", "DE", "I swim there."]
    assert page.is_checked("#wants_updates")
    assert not page.is_checked("#show_name")
    page.click("button[type=submit]")
    assert page.locator("h1").inner_text() == "Check your inbox"
    live.world.admit()
    assert len(live.world.rows(SLUG, "zahra@example.org")) == 1
