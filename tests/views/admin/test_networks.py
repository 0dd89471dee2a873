"""Shared networks as admins see them: the shield, its lifting, and what the monitor says."""

import logging
import re
from contextlib import suppress

import pytest

from campaign.errors import NetworkBusyError
from campaign.operations import monitor
from campaign.operations.status_line import sentence
from tests.kit import ledgers, nights
from tests.kit.nights import Night
from tests.kit.sites import make_web
from tests.kit.worlds import make_world
from tests.views.conftest import words

night = nights.night


@pytest.fixture
def shared(database_url, redis_url, redis_prefix, tmp_path):
    """The monitor of a site with a Redis."""
    world = make_world(database_url, tmp_path, redis_url=redis_url, redis_prefix=redis_prefix)
    app = make_web(world.runtime)
    ada = ledgers.admin(world)
    yield Night(app, world, ada, ledgers.sign_in(world, app, ada))
    world.runtime.close()


def flood(night: Night) -> None:
    slug = night.world.petition()
    for number in range(30):
        with suppress(NetworkBusyError):
            night.world.ask(slug, f"p{number}@example.org", network="203.0.113.7")


def test_a_network_whose_people_do_not_answer_is_shown_under_the_shield_and_the_shield_is_lifted(shared: Night):
    flood(shared)
    before = shared.get("/admin/networks")
    shared.world.clock.forward(minutes=11)
    flooded = shared.get("/admin/networks")
    lift = re.search(r'action="(/admin/networks/([0-9a-f]+)/lift[^"]*)"', flooded.text)
    assert lift is not None

    pressed = shared.press(lift[1])
    again = shared.press(lift[1])
    after = shared.get("/admin/networks")

    assert "Sign-ups waiting" in words(before)
    assert "Shielded" in words(flooded)
    assert "answered: 0 of the last 20" in words(flooded)
    assert "203.0" not in flooded.text
    assert pressed.status_code == 303
    assert again.status_code == 409
    assert "Shielded" not in words(after)
    assert shared.log() == [("network.lift", shared.ada.id)]
    assert shared.world.sql("select detail::text from audit_entry where action = 'network.lift'") == [
        (f'{{"network": "{lift[2][:12]}"}}',)
    ]


def test_without_redis_the_page_says_so_and_nothing_about_the_shield_that_it_does_not_know(night: Night):
    assert "Redis does not answer" in words(night.get("/admin/networks"))

    pressed = night.press(f"/admin/networks/{'0a' * 16}/lift")

    assert pressed.status_code == 409
    assert "Redis does not answer" in words(pressed)
    assert "not under the shield" not in words(pressed)


def test_the_monitor_counts_confirmations_that_wait_for_their_network(shared: Night):
    flood(shared)

    taken = monitor.take(shared.world.runtime)

    assert (taken.held_by_networks, taken.held_until.isoformat()) == (10, "2026-11-22T11:00:00+00:00")
    # They are no backlog.
    assert taken.lanes[0].waiting == 20


def test_a_proxy_that_is_not_set_is_said_in_the_log_once_and_by_the_monitor(shared: Night, caplog):
    with caplog.at_level(logging.ERROR):
        for number in range(3):
            shared.client.get("/privacy", headers={"X-Forwarded-For": f"198.51.100.{number}"})

    taken = monitor.take(shared.world.runtime)

    assert [record.message.count("COUNTERSIGN_PROXIES") for record in caplog.records] == [2]
    assert taken.proxy_not_set
    assert "198.51" not in caplog.text


def test_a_visitor_who_sends_such_a_header_raises_no_alarm(shared: Night):
    shared.client.get("/privacy", headers={"X-Forwarded-For": "198.51.100.1"}, environ_base={"REMOTE_ADDR": "8.8.8.8"})

    taken = monitor.take(shared.world.runtime)

    assert not taken.proxy_not_set
    assert "COUNTERSIGN_PROXIES" not in sentence(taken)
