"""Leaving a discreet page quickly: by press, by keyboard, and without JavaScript; nothing of it is a step back."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request

from campaign.petitions import petitions
from tests.browser.conftest import SLUG, Live
from tests.kit.browsers import Visitor

pytestmark = pytest.mark.browser

ELSEWHERE = "https://www.wikipedia.org/"


@pytest.fixture
def discreet(live: Live) -> Live:
    live.world.sql("update petition set discreet = true")
    petitions.forget(live.world.runtime, SLUG)
    return live


def opened(person: Visitor, live: Live, asked: list[Request]) -> Page:
    """A confirm page, opened from another page; the site that one leaves for answers here."""
    page = person.page

    def answer(route):
        asked.append(route.request)
        route.fulfill(status=200, content_type="text/html", body="<title>Elsewhere</title>")

    page.route(f"{ELSEWHERE}**", answer)
    page.goto(f"{live.url}/privacy?lang=en")
    page.goto(f"{live.url}/c/{live.token(live.world.confirm_token, confirmed=False)}?lang=en")
    assert page.title() == "Page"
    return page


@pytest.mark.parametrize("way", ["press", "first stop of the keyboard", "three times Escape"])
def test_leaving_replaces_the_page_in_the_history_and_tells_the_other_site_nothing(
    discreet: Live, visitor: Callable[..., Visitor], way: str
):
    asked: list[Request] = []
    page = opened(visitor(390, 844), discreet, asked)

    if way == "press":
        page.click("[data-leave]")
    elif way == "three times Escape":
        for _ in range(3):
            page.keyboard.press("Escape")
    else:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
    page.wait_for_url(ELSEWHERE)
    headers = asked[0].headers
    page.go_back()

    assert "referer" not in headers
    assert page.url.startswith(f"{discreet.url}/privacy")


def test_two_presses_of_escape_or_three_with_another_key_between_stay(discreet: Live, visitor: Callable[..., Visitor]):
    asked: list[Request] = []
    page = opened(visitor(), discreet, asked)

    for key in ("Escape", "Escape", "a", "Escape"):
        page.keyboard.press(key)

    assert asked == []
    assert page.is_visible("[data-leave]")


def test_without_javascript_the_way_out_is_a_link(discreet: Live, visitor: Callable[..., Visitor]):
    asked: list[Request] = []
    page = opened(visitor(java_script_enabled=False), discreet, asked)

    page.click("[data-leave]")

    page.wait_for_url(ELSEWHERE)
    assert "referer" not in asked[0].headers
