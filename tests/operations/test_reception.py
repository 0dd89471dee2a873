"""How the mail of a lane is received: bulk mail that comes back pauses, urgent mail goes on and admins are told."""

import pytest

from campaign.operations import alerts, reception, throughput
from campaign.states import EventKind, Lane
from tests.feedback.kit import tell
from tests.kit import ledgers


def put(world, number, lane, **values):
    kind = "update" if lane == "bulk" else "confirmation"
    return ledgers.put(world, number, lane=lane, kind=kind, state="accepted", settled_at=-120, **values)


def look(world):
    throughput.note(world.runtime)
    return alerts.watch(world.runtime)


@pytest.mark.parametrize(("bounced", "paused"), [(19, False), (21, True)])
def test_bulk_mail_that_comes_back_pauses_the_lane_and_admins_are_told(world, bounced, paused):
    ledgers.admin(world)
    sent = put(world, 300, "bulk")
    tell(world, EventKind.BOUNCED, sent[:bounced], status="5.1.1")

    planned = look(world)

    assert planned == int(paused)
    assert world.sql("select paused_by from lane where name = 'bulk'") == [("system" if paused else None,)]
    assert world.sql("select paused_at from lane where name = 'urgent'") == [(None,)]


def test_urgent_mail_goes_on_and_admins_are_told_once_a_day(world):
    ledgers.admin(world)
    sent = put(world, 100, "urgent")
    tell(world, EventKind.BOUNCED, sent[:30], status="5.1.1")

    first, again = look(world), look(world)
    world.clock.forward(hours=2)
    later = look(world)

    assert (first, again, later) == (1, 0, 0)
    assert world.sql("select paused_at from lane where name = 'urgent'") == [(None,)]
    assert world.sql("select cause, lane from alert") == [("came_back", "urgent")]


def test_complaints_over_one_in_a_thousand_pause_bulk_mail(world):
    ledgers.admin(world)
    sent = put(world, 1000, "bulk")
    tell(world, EventKind.COMPLAINED, sent[:5])

    assert look(world) == 1
    [(reason,)] = world.sql("select paused_reason from lane where name = 'bulk'")
    assert "marked our mail as spam" in reason


def test_what_was_known_when_the_lane_was_resumed_does_not_pause_it_again(world):
    sent = put(world, 300, "bulk")
    tell(world, EventKind.BOUNCED, sent[:40], status="5.1.1")
    look(world)
    world.sql("update lane set paused_at = null, paused_by = null, paused_reason = null")
    world.clock.forward(minutes=1)
    world.sql(
        "insert into audit_entry (actor, action, subject, detail, at)"
        " values ('cli', 'lane.resume', 'lane', '{\"lane\": \"bulk\"}', %(now)s)", now=world.clock(),
    )  # fmt: skip

    world.clock.forward(minutes=1)
    look(world)

    assert world.sql("select paused_at from lane where name = 'bulk'") == [(None,)]
    assert world.read(lambda tx: reception.of_lane(tx, Lane.BULK, now=world.clock())).bounced == 0
