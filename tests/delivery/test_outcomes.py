"""What becomes of a message, its recipient and its lane, whatever the mail server answers."""

import email
from datetime import timedelta
from itertools import pairwise

import pytest

from campaign.delivery import outcomes
from campaign.delivery.outcomes import SentBatch
from campaign.errors import SessionFailedError
from campaign.outbox import lanes
from campaign.smtp.transport import Phase
from campaign.states import Lane
from tests.kit import servers
from tests.kit.memory_transport import MemoryTransport, accepted


def planned(world, number=1):
    slug = world.petition()
    return [world.signature(slug, f"p{n}@example.org") for n in range(number)]


def send(world, script=accepted, failures=()):
    """Drain the urgent lane once; returns what the server took."""
    transport = MemoryTransport(script=script, failures=list(failures))
    deliverer = world.deliverer(transport=transport)
    deliverer.drain()
    deliverer.close()
    return transport.sent


def states(world):
    return [state for (state,) in world.sql("select state from message order by id")]


def lane(world):
    return world.read(lanes.all_lanes)[0]


def message_id(envelope):
    return email.message_from_bytes(envelope.data)["Message-ID"]


def test_greylisted_mail_is_due_again_in_five_to_fifteen_minutes_and_others_go_on(world):
    planned(world, 3)

    sent = send(world, servers.in_turn(servers.greylisting))

    [(state, due_at, code)] = world.sql("select state, due_at, reply_code from message where state <> 'accepted'")
    assert (state, code) == ("planned", 450)
    assert timedelta(minutes=4) <= due_at - world.clock.now <= timedelta(minutes=15)
    assert len(sent) == 2


def test_a_second_attempt_carries_the_same_message_id(world):
    planned(world)
    seen = []

    def script(envelope):
        seen.append(message_id(envelope))
        return servers.greylisting(envelope) if len(seen) == 1 else accepted(envelope)

    send(world, script)
    world.clock.forward(minutes=16)
    send(world, script)

    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert states(world) == ["accepted"]


def test_deferred_mail_is_not_touched_before_its_time(world):
    planned(world)
    send(world, servers.greylisting)

    world.clock.forward(minutes=3)

    assert send(world) == []


def test_a_deferred_mail_climbs_the_ladder_for_four_days_and_then_expires(world):
    planned(world)
    waits = []

    for _ in range(20):
        send(world, servers.greylisting)
        [(state, due_at)] = world.sql("select state, due_at from message")
        if state == "rejected":
            break
        waits.append(due_at - world.clock.now)
        world.clock.now = due_at

    [(reason, planned_at, settled_at)] = world.sql("select reason, planned_at, settled_at from message")
    assert reason.startswith("expired: ")
    assert timedelta(days=4) <= settled_at - planned_at <= timedelta(days=6)
    assert waits[0] < timedelta(minutes=7)
    assert timedelta(hours=19) <= waits[-1] <= timedelta(hours=29)
    assert world.sql("select count(*), min(result), max(result) from attempt") == [
        (len(waits) + 1, "deferred", "rejected")
    ]


def test_mail_that_waited_in_a_paused_lane_for_a_week_is_not_given_up_at_its_first_greylisting(world):
    planned(world)
    world.clock.forward(days=6)

    send(world, servers.greylisting)

    assert states(world) == ["planned"]


def no_session(*, permanent=False, phase="connect"):
    return SessionFailedError("connection refused", phase=phase, permanent=permanent)


def test_without_a_session_nothing_is_blamed_and_the_lane_waits_longer_each_time(world):
    planned(world)
    waits = []

    for _ in range(9):
        send(world, failures=[no_session()])
        waits.append(lane(world).not_before - world.clock.now)
        world.clock.now = lane(world).not_before + timedelta(seconds=1)

    assert timedelta(seconds=4) <= waits[0] <= timedelta(seconds=6)
    assert timedelta(minutes=4) <= waits[-1] <= timedelta(minutes=6)
    assert all(later > sooner for sooner, later in pairwise(waits[:6]))
    assert world.sql("select state, attempts, losses from message") == [("planned", 0, 0)]
    assert lane(world).troubles == 9
    assert lane(world).paused_at is None


def test_workers_that_meet_the_same_outage_at_once_count_as_one(world):
    for owner_id in range(1, 5):
        this = SentBatch({}, trouble=no_session())
        world.read(
            lambda tx, this=this, owner_id=owner_id: outcomes.record(
                world.runtime, tx, this, lane=Lane.URGENT, owner_id=owner_id
            )
        )

    assert lane(world).troubles == 1
    assert lane(world).not_before - world.clock.now <= timedelta(seconds=6)


def test_an_outage_does_not_push_mail_up_the_ladder(world):
    planned(world)
    refused = servers.answering(Phase.CONNECT, None)

    for _ in range(5):
        send(world, refused)
    send(world, servers.greylisting)

    [(attempts, due_at)] = world.sql("select attempts, due_at from message")
    assert attempts == 1
    assert due_at - world.clock.now < timedelta(minutes=7)


def test_an_open_circuit_lets_nobody_claim_until_its_time(world):
    planned(world)
    send(world, failures=[no_session()])

    assert send(world) == []
    world.clock.forward(seconds=10)

    assert len(send(world)) == 1


def test_the_next_success_closes_the_circuit(world):
    planned(world)
    send(world, failures=[no_session()])
    world.clock.forward(seconds=10)

    send(world)

    assert (lane(world).troubles, lane(world).not_before, lane(world).last_answer) == (0, None, None)


def test_a_failure_that_needs_a_person_pauses_the_lane_and_says_why(world):
    planned(world)

    send(world, failures=[no_session(permanent=True, phase="auth")])
    world.clock.forward(hours=2)

    assert send(world) == []
    assert lane(world).paused_by == "system"
    assert "auth" in lane(world).paused_reason
    assert "connection refused" in lane(world).paused_reason
    world.read(lambda tx: lanes.resume(tx, lane(world).lane))
    assert len(send(world)) == 1


@pytest.mark.parametrize("enhanced", ["5.7.1", "5.7.26", "5.7.515"])
def test_a_refusal_for_our_own_sake_pauses_the_lane_and_blames_nobody(world, enhanced):
    planned(world, 7)

    sent = send(world, servers.refusing(550, enhanced))

    assert sent == []
    assert set(states(world)) == {"planned"}
    assert lane(world).paused_reason.startswith("the mail server refuses our mail: 550")
    assert world.sql("select count(*) from suppression") == [(0,)]


def test_one_refusal_for_our_own_sake_among_many_does_not_stop_the_lane(world):
    planned(world, 7)

    send(world, servers.in_turn(servers.refusing(550, "5.7.1")))

    assert lane(world).paused_at is None
    assert states(world).count("accepted") == 6


@pytest.mark.parametrize("enhanced", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"])
def test_an_address_that_does_not_exist_is_suppressed_at_once_for_every_petition(world, enhanced):
    [_] = planned(world)

    send(world, servers.refusing(550, enhanced))
    world.petition("another")
    world.clock.forward(hours=1)
    world.sign("another", "p0@example.org")

    assert send(world) == []
    assert world.sql("select state, reason from message order by id") == [
        ("rejected", "words of the server"), ("suppressed", "suppressed: bounce"),
    ]  # fmt: skip
    assert world.sql("select reason, petition_id from suppression") == [("bounce", None)]


def test_a_refusal_without_a_usable_code_suppresses_on_the_second_day(world):
    slug = world.petition()

    for _ in range(2):
        world.sign(slug)
        send(world, servers.refusing(554, None))
        world.clock.forward(minutes=20)
    same_day = world.sql("select count(*) from suppression")
    world.clock.forward(days=1)
    world.sign(slug)
    send(world, servers.refusing(554, None))

    assert same_day == [(0,)]
    assert world.sql("select count(*) from suppression") == [(1,)]


def test_a_full_mailbox_is_suppressed_on_the_fourth_day_within_thirty(world):
    counts = []

    for day in range(4):
        slug = world.petition(f"petition-{day}")
        world.sign(slug)
        send(world, servers.refusing(552, "5.2.2"))
        counts += world.sql("select count(*) from suppression")
        world.clock.forward(days=2)

    assert counts == [(0,), (0,), (0,), (1,)]


def test_a_mail_that_arrives_clears_the_soft_bounces_of_its_address(world):
    slug = world.petition()
    world.sign(slug)
    send(world, servers.refusing(552, "5.2.2"))
    world.clock.forward(days=1)

    world.sign(slug)
    send(world)

    assert world.sql("select count(*) from bounce_strike") == [(0,)]


def test_a_refusal_of_our_content_is_no_bounce_of_the_address(world):
    planned(world)

    send(world, servers.refusing(554, "5.6.0", phase=Phase.DOT))

    assert world.sql("select count(*) from bounce_strike") == [(0,)]
    assert world.sql("select count(*) from suppression") == [(0,)]


def test_silence_after_the_final_dot_is_uncertain_and_never_sent_again(world):
    planned(world)

    send(world, servers.silent_after_the_dot)
    world.clock.forward(days=1)

    assert send(world) == []
    assert states(world) == ["uncertain"]


def test_a_message_that_cannot_be_rendered_fails_alone_and_says_why(world):
    planned(world, 3)
    world.sql("update message set kind = 'admin_alert' where id = 2")

    sent = send(world)

    assert states(world) == ["accepted", "rejected", "accepted"]
    assert world.sql("select phase, left(reason, 12) from message where id = 2") == [("render", "not_rendered")]
    assert len(sent) == 2


def test_a_ciphertext_that_does_not_open_fails_alone(world):
    first, second, third = planned(world, 3)
    moved = world.row(first).address
    world.sql("update signature set address = %(moved)s where id = %(id)s", moved=moved, id=second)

    sent = send(world)

    assert states(world) == ["accepted", "rejected", "accepted"]
    assert len(sent) == 2
    assert third


def test_an_address_that_today_s_rules_refuse_fails_alone(world):
    _, second, _ = planned(world, 3)
    key = world.opened("a-petition").open_key
    sealed = key.seal("no address at all", place=f"signature.address.{second}")
    world.sql("update signature set address = %(sealed)s where id = %(id)s", sealed=sealed, id=second)

    send(world)

    assert states(world) == ["accepted", "rejected", "accepted"]
