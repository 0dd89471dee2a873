"""Signing from a network under the shield, with a browser that solves the sum and with one that runs no script."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SLUG, Live, serving
from tests.kit.browsers import Visitor

pytestmark = pytest.mark.browser


@pytest.fixture
def shielded(database_url, redis_url, redis_prefix, tmp_path):
    """A site that 20 people of this machine's network have not answered."""
    with serving(database_url, tmp_path, redis_url=redis_url, redis_prefix=redis_prefix) as live:
        for number in range(20):
            live.world.ask(SLUG, f"p{number}@example.org", network="127.0.0.1")
        live.world.clock.forward(hours=1)
        yield live


def sign(visitor: Visitor, live: Live) -> Page:
    """Fill in the form and press the button; the page that asks for a proof."""
    page = visitor.open(f"{live.url}/p/{SLUG}?lang=en")
    page.fill("#name", "Zahra Ahmadi")
    page.fill("#email", "zahra@example.org")
    page.select_option("#country", "DE")
    page.click("#sign button[type=submit]")
    expect(page.get_by_text("Few emails to your network were answered today")).to_be_visible()
    return page


def test_a_browser_solves_the_sum_and_a_second_press_signs(shielded: Live, visitor: Callable[..., Visitor]):
    person = visitor(390, 844)
    page = sign(person, shielded)
    expect(page.get_by_text("Done. Please press")).to_be_visible(timeout=60_000)

    assert person.violations() == []
    assert not person.overflow()
    page.get_by_role("button", name="Sign the petition", exact=True).click()

    expect(page.get_by_role("heading", name="Check your inbox")).to_be_visible()
    expect(page.get_by_text("Many people near you")).to_have_count(0)


def test_without_javascript_the_later_email_is_chosen(shielded: Live, visitor: Callable[..., Visitor]):
    page = sign(visitor(java_script_enabled=False), shielded)
    expect(page.get_by_text("choose the later email")).to_be_visible()

    page.get_by_role("button", name="Sign without the check").click()

    expect(page.get_by_text("Your email will arrive at about 11:30 UTC, in 30 minutes.")).to_be_visible()
    expect(page.get_by_text("Many people near you")).to_have_count(0)


def test_the_time_of_the_email_is_in_the_zone_of_the_readers_browser(shielded: Live, visitor: Callable[..., Visitor]):
    person = visitor(390, 844, timezone_id="Asia/Kabul", locale="fa")
    page = person.open(f"{shielded.url}/p/{SLUG}?lang=fa")
    page.fill("#name", "زهرا احمدی")
    page.fill("#email", "zahra@example.org")
    page.select_option("#country", "DE")
    page.click("#sign button[type=submit]")

    page.locator("button[name=wait]").click()

    expect(page.locator("time[data-clock]")).to_have_text("۱۶:۰۰")
