import email.policy
from datetime import timedelta

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.errors import ConflictError, InvalidInputError
from campaign.operations import alerts, throughput
from campaign.operations import lanes as operations_lanes
from campaign.outbox import lanes
from campaign.states import Lane
from tests.kit.memory_transport import MemoryTransport


@pytest.fixture
def admins(world):
    return [
        accounts.create(world.runtime, email="ada@example.org", name="Ada", role=Role.ADMIN),
        accounts.create(world.runtime, email="arash@example.org", name="Arash", role=Role.ADMIN, locale="fa"),
    ]


def pause_itself(world, lane=Lane.BULK, reason="535 authentication failed"):
    now = world.clock()
    world.read(lambda tx: lanes.pause(tx, lane, by="system", reason=reason, now=now))


def fail(world, *, wait: float):
    """One more failure of the mail server, after which the lane waits for so many seconds."""
    now = world.clock()
    world.read(
        lambda tx: lanes.open_circuit(
            tx, Lane.BULK, not_before=now + timedelta(seconds=wait), answer="connection refused", now=now
        )
    )


def read(world) -> dict[str, email.message.EmailMessage]:
    transport = MemoryTransport()
    world.deliverer(Lane.URGENT, transport=transport).drain()
    parsed = [email.message_from_bytes(envelope.data, policy=email.policy.default) for envelope in transport.sent]
    return {message["To"]: message for message in parsed}


def test_every_admin_is_told_once_that_a_lane_paused_itself(world, admins):
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    pause_itself(world)

    planned = [alerts.watch(world.runtime) for _ in range(3)]

    assert planned == [2, 0, 0]
    got = read(world)
    assert set(got) == {"ada@example.org", "arash@example.org"}
    text = got["ada@example.org"].get_body(("plain",)).get_content()
    assert "Bulk mail has paused itself" in text
    assert "535 authentication failed" in text
    assert "http://localhost:8000/admin?lang=en" in text
    assert "http://localhost:8000/admin?lang=fa" in got["arash@example.org"].get_body(("plain",)).get_content()


def test_a_disabled_admin_is_not_told(world, admins):
    ada = next(account for account in accounts.list_all(world.runtime) if account.id == admins[0])
    accounts.set_disabled(world.runtime, admins[1], disabled=True, by=ada)
    pause_itself(world)

    assert alerts.watch(world.runtime) == 1


def test_a_trouble_that_stays_is_told_again_after_an_hour_but_not_on_top_of_a_mail_that_waits(world, admins):
    pause_itself(world)
    alerts.watch(world.runtime)
    read(world)

    world.clock.forward(minutes=59)
    early = alerts.watch(world.runtime)
    world.clock.forward(minutes=2)
    again = alerts.watch(world.runtime)
    world.clock.forward(minutes=61)
    on_top = alerts.watch(world.runtime)

    assert (early, again, on_top) == (0, 2, 0)


def test_both_lanes_are_two_causes(world, admins):
    pause_itself(world, Lane.BULK)
    pause_itself(world, Lane.URGENT)

    assert alerts.watch(world.runtime) == 4


def test_a_pause_by_a_person_is_no_alert(world, admins):
    operations_lanes.pause(world.runtime, Lane.BULK, reason="maintenance", by=None)

    assert alerts.watch(world.runtime) == 0


def test_a_mail_server_that_is_away_for_a_minute_is_an_alert(world, admins):
    told = []
    for wait in (5, 10, 20, 40):
        fail(world, wait=wait)
        told.append(alerts.watch(world.runtime))
        world.clock.forward(seconds=wait)

    late = alerts.watch(world.runtime)

    assert (told, late) == ([0, 0, 0, 0], 2)


def test_one_failure_with_nothing_to_send_afterwards_is_no_alert(world, admins):
    fail(world, wait=5)
    world.clock.forward(minutes=10)

    assert alerts.watch(world.runtime) == 0


def test_an_alert_that_arrives_late_says_that_it_is_over(world, admins):
    pause_itself(world, Lane.URGENT)
    # It waits with the lane that it is about, for the other one was paused as well.
    world.read(lambda tx: lanes.pause(tx, Lane.BULK, by="1", reason="", now=world.clock()))
    alerts.watch(world.runtime)
    world.clock.forward(minutes=30)

    operations_lanes.resume(world.runtime, Lane.URGENT, by=None)
    alerts.watch(world.runtime)

    assert "It is over since" in read(world)["ada@example.org"].get_body(("plain",)).get_content()


def test_a_lane_is_paused_with_a_reason_and_resumed_and_the_log_says_so(world, admins):
    ada = next(account for account in accounts.list_all(world.runtime) if account.id == admins[0])

    operations_lanes.pause(world.runtime, Lane.URGENT, reason="  new\ncertificate ", by=ada)
    with pytest.raises(ConflictError):
        operations_lanes.pause(world.runtime, Lane.URGENT, reason="another", by=None)
    paused = world.sql("select paused_by, paused_reason from lane where name = 'urgent'")
    operations_lanes.resume(world.runtime, Lane.URGENT, by=None)
    with pytest.raises(ConflictError):
        operations_lanes.resume(world.runtime, Lane.URGENT, by=None)

    assert paused == [(f"account {ada.id}", "new certificate")]
    assert world.sql(
        "select action, actor, account_id, detail from audit_entry where subject = 'lane' order by id"
    ) == [
        ("lane.pause", "account", ada.id, {"lane": "urgent", "reason": "new certificate"}),
        ("lane.resume", "cli", None, {"lane": "urgent"}),
    ]


@pytest.mark.parametrize(("reason", "problem"), [("", "missing"), (" \n", "missing"), ("x" * 201, "too_long")])
def test_a_pause_needs_a_short_reason(world, reason, problem):
    with pytest.raises(InvalidInputError) as refused:
        operations_lanes.pause(world.runtime, Lane.URGENT, reason=reason, by=None)

    assert refused.value.problems == {"why": problem}


def test_a_paused_lane_claims_nothing(world):
    world.signature(world.petition())
    operations_lanes.pause(world.runtime, Lane.URGENT, reason="maintenance", by=None)

    assert read(world) == {}


def test_the_hour_is_noted_by_the_minute_and_noting_again_changes_nothing(world):
    slug = world.petition()
    for number, minutes in enumerate((0, 1, 1)):
        world.clock.forward(minutes=minutes)
        world.signature(slug, f"s{number}@example.org", name=f"S {number}")
        read(world)
        throughput.note(world.runtime)
    throughput.note(world.runtime)

    drawn = throughput.accepted(world.runtime)

    assert [number for _, number in drawn[Lane.URGENT]] == [0] * 57 + [1, 1, 1]
    assert len(drawn[Lane.BULK]) == 60
    assert {number for _, number in drawn[Lane.BULK]} == {0}


def test_a_minute_that_goes_on_is_counted_anew(world):
    slug = world.petition()
    for number in range(3):
        world.signature(slug, f"s{number}@example.org", name=f"S {number}")
        read(world)
        throughput.note(world.runtime)
        world.clock.forward(seconds=15)

    assert throughput.accepted(world.runtime)[Lane.URGENT][-1][1] == 3
