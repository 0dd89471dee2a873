"""F1 to F7: the mail server gives no session. No recipient is blamed, the lane waits or stops, one alert tells why."""

import time
from datetime import timedelta
from itertools import pairwise

import pytest

from campaign.accounts.accounts import Role
from campaign.local.mailserver.certificates import Certificate
from campaign.local.mailserver.script import Fault
from campaign.outbox import lanes
from campaign.smtp.settings import DEADLINES
from campaign.smtp.transport import Phase
from campaign.states import Lane


def outage(scene, lane=Lane.URGENT, *, rounds=7):
    """Drain each time the circuit lets one try; returns the waits it chose."""
    waits = []
    for _ in range(rounds):
        scene.drain(lane)
        waits.append(scene.lane(lane).not_before - scene.world.clock.now)
        scene.world.clock.now = scene.lane(lane).not_before + timedelta(seconds=1)
    return waits


def heals(scene, number):
    """The server is well again: everything goes out, each mail once."""
    scene.rules.heal()
    scene.later(minutes=10)
    scene.later(minutes=10)
    return scene.states() == {"accepted": number} and scene.taken() == number + scene.alerts_sent()


def test_f1_while_connections_are_refused_mail_waits_and_then_each_goes_out_once(stage):
    scene = stage()
    scene.account(Role.ADMIN, "ada@example.org")
    scene.people(5)
    with scene.closed():
        waits = outage(scene)
        held = scene.lane()

        assert scene.drain().settled == 0 or held.not_before <= scene.world.clock.now
        assert scene.states() == {"planned": 5}
        assert timedelta(seconds=4) <= waits[0] <= timedelta(seconds=6)
        assert all(later > sooner for sooner, later in pairwise(waits[:6]))
        assert len({wait / timedelta(seconds=5) % 1 for wait in waits}) > 1
        assert held.paused_at is None
        assert "ECONNREFUSED" in held.last_answer
        assert scene.world.sql("select max(attempts) from message") == [(0,)]
        scene.drain()
        assert (scene.told(), scene.nobody_is_blamed()) == (1, True)

    assert heals(scene, 5)


def test_f1_an_open_circuit_is_not_knocked_at(stage):
    scene = stage(Fault("banner", "421 4.3.2 Busy"))
    scene.people(3)
    scene.drain()
    tried = scene.rules.chances["banner"]

    for _ in range(5):
        scene.drain()

    assert scene.rules.chances["banner"] == tried == 1


def test_f2_a_banner_of_421_is_waited_out(stage):
    scene = stage(Fault("banner", "421 4.3.2 Too busy"))
    scene.people(3)

    outage(scene, rounds=2)

    assert scene.states() == {"planned": 3}
    assert scene.lane().paused_at is None
    assert "421 Too busy" in scene.lane().last_answer or "421 4.3.2 Too busy" in scene.lane().last_answer
    assert scene.nobody_is_blamed()
    assert heals(scene, 3)


def test_f2_a_banner_of_554_pauses_the_lane_and_one_alert_says_so(stage):
    scene = stage(Fault("banner", "554 5.7.1 You are not welcome"))
    scene.account(Role.ADMIN, "ada@example.org")
    scene.people(3)

    scene.drain()
    scene.later(hours=2)

    lane = scene.lane()
    assert (lane.paused_by, scene.rules.chances["banner"]) == ("system", 1)
    assert "banner" in lane.paused_reason
    assert "You are not welcome" in lane.paused_reason
    assert (scene.told(), scene.states(), scene.nobody_is_blamed()) == (1, {"planned": 3}, True)
    scene.world.read(lambda tx: lanes.resume(tx, Lane.URGENT))
    assert heals(scene, 3)


def test_f3_a_banner_that_hangs_frees_the_worker_at_its_deadline(stage):
    scene = stage(Fault("banner", "hang"), patience=0.4)
    scene.people(3)

    begun = time.monotonic()
    scene.drain()

    assert time.monotonic() - begun < 10
    assert DEADLINES[Phase.CONNECT] + DEADLINES[Phase.BANNER] <= 45
    assert DEADLINES[Phase.BANNER] <= 30
    assert scene.states() == {"planned": 3}
    assert scene.lane().not_before > scene.world.clock.now
    assert scene.nobody_is_blamed()
    assert heals(scene, 3)


def test_f4_a_garbage_banner_is_as_a_server_that_is_away(stage):
    scene = stage(Fault("banner", "garbage"))
    scene.account(Role.ADMIN, "ada@example.org")
    scene.people(3)

    outage(scene)
    scene.drain()

    assert scene.lane().paused_at is None
    assert (scene.told(), scene.states(), scene.nobody_is_blamed()) == (1, {"planned": 3}, True)
    assert heals(scene, 3)


@pytest.mark.parametrize("how", ["stripped", "454"])
def test_f5_without_tls_nothing_is_sent_in_clear_text_and_the_lane_waits_for_a_person(stage, how):
    offered = {"certificate": Certificate.GOOD} if how == "454" else {}
    scene = stage(Fault("starttls", "454 4.7.0 TLS not available"), scheme="smtp+starttls", **offered)
    scene.account(Role.ADMIN, "ada@example.org")
    scene.people(3)

    scene.drain()
    scene.later(hours=2)

    assert scene.rules.chances["mail"] == scene.rules.chances["auth"] == 0
    assert scene.lane().paused_by == "system"
    assert "starttls" in scene.lane().paused_reason
    assert (scene.told(), scene.states(), scene.nobody_is_blamed()) == (1, {"planned": 3}, True)


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
@pytest.mark.parametrize("certificate", [Certificate.EXPIRED, Certificate.WRONG_HOST])
def test_f6_a_bad_certificate_is_refused_and_one_alert_says_so(stage, scheme, certificate):
    scene = stage(scheme=scheme, certificate=certificate, implicit_tls=scheme == "smtps")
    scene.account(Role.ADMIN, "ada@example.org")
    scene.people(3)

    scene.drain()
    scene.later(hours=2)

    assert scene.rules.chances["mail"] == 0
    assert scene.lane().paused_by == "system"
    assert "certificate" in scene.lane().paused_reason
    assert (scene.told(), scene.states(), scene.nobody_is_blamed()) == (1, {"planned": 3}, True)


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_f6_a_good_certificate_is_taken(stage, scheme):
    scene = stage(scheme=scheme, certificate=Certificate.GOOD, implicit_tls=scheme == "smtps")
    scene.people(3)

    scene.drain()

    assert (scene.states(), scene.taken()) == ({"accepted": 3}, 3)


def test_f7_a_wrong_password_is_tried_once_and_the_lane_waits_for_a_person(stage):
    scene = stage(user="ada:wrong@", credentials=("ada", "right"))
    scene.account(Role.ADMIN, "ada@example.org")
    scene.people(3)

    for _ in range(4):
        scene.later(hours=1)

    assert scene.rules.chances["auth"] == 1
    assert scene.lane().paused_by == "system"
    assert "535" in scene.lane().paused_reason
    assert "wrong" not in scene.lane().paused_reason.lower().replace("wrong credentials", "")
    assert (scene.told(), scene.states(), scene.nobody_is_blamed()) == (1, {"planned": 3}, True)


def test_f7_454_at_auth_is_waited_out(stage):
    scene = stage(Fault("auth", "454 4.7.0 Later"), user="ada:right@", credentials=("ada", "right"))
    scene.people(3)

    outage(scene, rounds=2)

    assert scene.lane().paused_at is None
    assert (scene.states(), scene.nobody_is_blamed()) == ({"planned": 3}, True)
    assert heals(scene, 3)
