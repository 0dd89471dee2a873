"""What the mail servers limit, as /admin shows it: in which words it was taught, and when it is not used."""

import re
from dataclasses import replace

import pytest

from campaign.outbox import relay_limits
from campaign.outbox.relays import relay_names
from campaign.smtp.limits import FORGOTTEN, UNLIMITED
from campaign.states import LimitKind
from tests.kit import ledgers, nights
from tests.kit.nights import Night
from tests.kit.sites import make_web
from tests.kit.worlds import World
from tests.views.conftest import words

night = nights.night

SAID = "452 4.4.5 Too many messages in this session"


def teach(
    night: Night, kind: LimitKind, value: float, *, said: str = SAID, age: float = 0.0, pause: float = 0.0
) -> None:
    """As a worker notes what a mail server said so many seconds ago."""
    [relay] = relay_names(night.world.runtime.settings.smtp_url)
    night.world.read(lambda tx: relay_limits.keep(tx, relay, kind, value=value, pause=pause, words=said, age=age))


def part(night: Night) -> str:
    """The words of the relays' part of the monitor."""
    page = night.get("/admin")
    assert page.status_code == 200
    return words(page).partition("Mail servers")[2].partition("Database and queue")[0]


def test_a_server_that_said_nothing_has_no_known_limit(night: Night):
    assert "127.0.0.1:2525" in part(night)
    assert "No limit is known." in part(night)
    assert "Limits what it takes" not in part(night)


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        (LimitKind.SESSION, 20.0, "Messages in a session: 20."),
        (LimitKind.CONNECTIONS, 3.0, "Connections at once: 3, one of them for urgent mail."),
        (LimitKind.CONNECTIONS, 1.0, "One connection at a time, urgent mail first."),
        (LimitKind.RATE, 14.0, "Emails per minute: 840."),
    ],
)
def test_a_limit_is_shown_with_the_words_that_taught_it(night: Night, kind, value, sentence):
    teach(night, kind, value)

    shown = part(night)

    assert "Limits what it takes" in shown
    assert sentence in shown
    assert "ago, because it said:" in shown
    assert SAID in shown
    assert "Not used" not in shown


def test_words_of_a_server_are_text_and_nothing_else(night: Night):
    teach(night, LimitKind.SESSION, 20.0, said="452 <script>alert(1)</script>")

    assert "<script>alert" not in night.get("/admin").text
    assert "alert(1)" in part(night)


def test_a_quota_that_is_used_up_says_when_it_is_tried_again(night: Night):
    teach(night, LimitKind.RATE, UNLIMITED, said="454 4.7.0 daily limit reached", pause=300.0)

    shown = part(night)

    assert "Its quota is used up." in shown
    assert re.search(r"The next try is at \d\d:\d\d", shown)


def test_a_quota_whose_time_is_over_is_shown_no_more(night: Night):
    teach(night, LimitKind.RATE, UNLIMITED, said="454 4.7.0 daily limit reached", pause=300.0, age=301.0)

    assert "No limit is known." in part(night)


def test_a_rate_that_was_not_complained_about_for_long_is_no_used_up_quota(night: Night):
    teach(night, LimitKind.RATE, 90.0, said="454 4.7.0 slow down", age=FORGOTTEN[LimitKind.RATE] - 5)

    assert "Its quota is used up." not in part(night)


@pytest.mark.parametrize("kind", list(LimitKind))
def test_what_was_not_said_for_long_is_forgotten(night: Night, kind: LimitKind):
    teach(night, kind, 5.0, age=FORGOTTEN[kind] + 5)

    assert "No limit is known." in part(night)
    assert SAID not in part(night)


def test_a_limit_grows_by_itself_and_the_page_shows_what_is_tried_now(night: Night):
    teach(night, LimitKind.CONNECTIONS, 3.0, age=125.0)

    assert "Connections at once: 5, one of them for urgent mail." in part(night)


@pytest.mark.parametrize(
    ("option", "kind", "is_used"),
    [
        ("messages=50", LimitKind.SESSION, False),
        ("rate=5", LimitKind.RATE, False),
        ("connections=2", LimitKind.CONNECTIONS, True),
        ("rate=5", LimitKind.SESSION, True),
    ],
)
def test_a_setting_wins_and_the_page_says_so(night: Night, option, kind, is_used):
    settings = night.world.runtime.settings
    runtime = replace(night.world.runtime, settings=settings.replace(smtp_url=f"{settings.smtp_url}?{option}"))
    world = World(runtime, night.world.clock)
    app = make_web(runtime)
    other = Night(app, world, night.ada, ledgers.sign_in(world, app, night.ada))
    teach(other, kind, 20.0)

    shown = part(other)

    assert SAID in shown
    assert ("Not used, because SMTP_URL sets" in shown) is not is_used


def test_what_is_known_of_a_server_that_is_no_longer_in_the_settings_is_not_shown(night: Night):
    night.world.read(
        lambda tx: relay_limits.keep(
            tx, "old.example.net:587", LimitKind.SESSION, value=20.0, pause=0.0, words=SAID, age=0.0
        )
    )

    assert "old.example.net" not in night.get("/admin").text
    assert SAID not in part(night)
