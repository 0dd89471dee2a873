"""The browser of a test process gets out of the way of tests that have none."""

import asyncio
from types import SimpleNamespace

import pytest

from tests.kit.browsers import Program

pytestmark = pytest.mark.browser

WITH = SimpleNamespace(fixturenames=["world", "chromium"])
WITHOUT = SimpleNamespace(fixturenames=["world"])


@pytest.fixture
def program():
    made = Program()
    yield made
    made.end()


def runs_a_loop() -> bool:
    """Whether a loop runs in this thread, so that no other one can."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def test_the_browser_is_kept_for_a_test_that_has_one_too(program: Program) -> None:
    browser = program.browser()

    program.make_room(WITH)

    assert program.browser() is browser
    assert browser.is_connected()


@pytest.mark.parametrize("following", [WITHOUT, None])
def test_no_event_loop_is_left_to_a_test_without_a_browser(program: Program, following) -> None:
    program.browser()
    before = runs_a_loop()

    program.make_room(following)

    assert before
    assert not runs_a_loop()
    assert asyncio.run(asyncio.sleep(0, "fine")) == "fine"


def test_a_browser_starts_anew_after_one_that_ended(program: Program) -> None:
    program.browser()
    program.make_room(WITHOUT)

    assert program.browser().is_connected()


def test_ending_what_does_not_run_is_harmless(program: Program) -> None:
    program.end()
    program.end()
