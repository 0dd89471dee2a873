"""F8 to F15: what the mail server answers about a message, and what it means for it, the person, the lane."""

import email

import pytest

from campaign.accounts.accounts import Role
from campaign.local.mailserver.script import Fault
from campaign.operations import failures
from campaign.operations.rules import Action
from campaign.outbox import lanes
from campaign.states import Lane


def message_ids(scene):
    return [email.message_from_bytes(data)["Message-ID"] for _, _, data in scene.rules.received]


def proven(scene):
    """The lane has sent mail today: the server takes ours."""
    scene.people(1, domain="proof.test", slug="proof")
    scene.drain()
    assert scene.states() == {"accepted": 1}


def resume(scene, lane=Lane.URGENT):
    scene.world.read(lambda tx: lanes.resume(tx, lane))


def test_f8_452_at_mail_waits(stage):
    scene = stage(Fault("mail", "452 4.3.1 No space"))
    scene.people(3)

    scene.drain()

    assert scene.states() == {"planned": 3}
    assert 300 <= scene.waits()[0] <= scene.waits()[-1] <= 900
    assert (scene.lane().paused_at, scene.nobody_is_blamed()) == (None, True)
    scene.rules.heal()
    scene.later(minutes=16)
    assert (scene.states(), scene.taken()) == ({"accepted": 3}, 3)


@pytest.mark.parametrize("fresh", [True, False])
def test_f8_530_at_mail_is_a_wrong_configuration_and_pauses_the_lane(stage, fresh):
    scene = stage()
    if not fresh:
        proven(scene)
    scene.account(Role.ADMIN, "ada@example.org")
    scene.fault("mail", "530 5.7.0 Log in first")
    ids = scene.people(1)

    scene.drain()
    scene.later(hours=5)

    assert scene.states(ids) == {"planned": 1}
    assert scene.lane().paused_by == "system"
    assert "530 5.7.0 Log in first" in scene.lane().paused_reason or "530 Log in" in scene.lane().paused_reason
    assert (scene.told(), scene.nobody_is_blamed()) == (1, True)
    scene.rules.heal()
    resume(scene)
    scene.drain()
    assert scene.states(ids) == {"accepted": 1}
    assert scene.equation_holds()


def test_f9_greylisting_defers_that_row_for_5_to_15_minutes_and_the_others_go_on(stage):
    scene = stage(Fault("rcpt", "450 4.2.0 Greylisted", domain="grey.test", each=1))
    scene.people(1, domain="grey.test")
    scene.people(4, domain="quick.test", slug="quick")

    scene.drain()
    first = scene.states()
    [wait] = scene.waits()
    scene.later(minutes=16)

    assert first == {"planned": 1, "accepted": 4}
    assert 300 <= wait <= 900
    assert (scene.states(), scene.taken(), len(set(message_ids(scene)))) == ({"accepted": 5}, 5, 5)
    assert scene.world.sql("select result, reply_code from attempt") == [("deferred", 450)]
    assert (scene.nobody_is_blamed(), scene.lane().paused_at) == (True, None)


def test_f9_the_second_attempt_has_the_same_message_id(stage):
    scene = stage(Fault("dot", "451 4.7.1 Greylisted after the text", times=1))
    seen = []
    scene.rules.on_data = seen.append
    scene.people(1)

    scene.drain()
    scene.later(minutes=16)

    ids = [email.message_from_bytes(data)["Message-ID"] for data in seen]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert scene.states() == {"accepted": 1}


def test_f10_an_address_that_does_not_exist_is_suppressed_and_never_tried_again(stage):
    scene = stage(Fault("rcpt", "550 5.1.1 No such user", domain="gone.test"))
    scene.people(1, domain="gone.test")
    scene.people(2, domain="here.test", slug="here")

    scene.drain()
    for _ in range(3):
        scene.later(days=1)
    asked = scene.rules.chances["rcpt"]

    assert scene.states() == {"rejected": 1, "accepted": 2}
    assert scene.suppressed() == ["bounce"]
    assert asked == 3
    assert scene.lane().paused_at is None


OURS = ["550 5.7.1 Blocked", "550 5.7.26 Unauthenticated", "550 5.7.515 Access denied"]


@pytest.mark.parametrize("reply", OURS)
@pytest.mark.parametrize("number", [1, 7])
def test_f11_when_the_first_mails_are_refused_for_our_sake_the_lane_stops_and_one_alert_tells(stage, reply, number):
    scene = stage(Fault("rcpt", reply))
    scene.account(Role.ADMIN, "ada@example.org")
    scene.people(number)

    scene.drain()
    asked = scene.rules.chances["rcpt"]
    scene.later(hours=5)

    assert scene.states() == {"planned": number}
    assert scene.rules.chances["rcpt"] == asked
    assert scene.lane().paused_by == "system"
    assert reply.partition(" ")[2][-8:] in scene.lane().paused_reason
    assert (scene.told(), scene.nobody_is_blamed()) == (1, True)


@pytest.mark.parametrize("reply", OURS)
def test_f11_when_several_receivers_refuse_in_a_row_the_lane_stops(stage, reply):
    scene = stage()
    proven(scene)
    scene.account(Role.ADMIN, "ada@example.org")
    scene.fault("rcpt", reply)
    ids = [each for n in range(5) for each in scene.people(1, domain=f"d{n}.test", slug=f"p{n}")]

    scene.drain()

    assert scene.lane().paused_by == "system"
    assert scene.states(ids) == {"planned": 5}
    assert (scene.told(), scene.nobody_is_blamed()) == (1, True)


def test_f11_a_row_of_refusals_is_counted_over_many_short_drains(stage):
    scene = stage()
    proven(scene)
    scene.fault("rcpt", "550 5.7.1 Blocked")

    paused = []
    for n in range(5):
        scene.people(1, domain=f"d{n}.test", slug=f"p{n}")
        scene.drain()
        paused.append(scene.lane().paused_at is not None)

    assert paused == [False, False, False, False, True]


@pytest.mark.parametrize("domain", ["hostile.test", "a.hostile.test"])
def test_f11_one_receiver_that_refuses_all_its_mail_stops_no_mail_of_others(stage, domain):
    scene = stage()
    proven(scene)
    scene.account(Role.ADMIN, "ada@example.org")
    scene.fault("rcpt", "550 5.7.1 Go away", domain=domain)
    scene.fault("rcpt", "550 5.7.1 Go away", domain="b.hostile.test")
    hostile = scene.people(6, domain=domain, slug="theirs") + scene.people(6, domain="b.hostile.test", slug="too")

    scene.drain()
    told = scene.told()
    others = scene.people(3, domain="friendly.test", slug="ours")
    scene.drain()

    assert scene.lane().paused_at is None
    assert scene.states(others) == {"accepted": 3}
    assert scene.states(hostile) == {"planned": 12}
    assert told == 1
    assert (scene.told(), scene.nobody_is_blamed()) == (0, True)
    [(reason,)] = scene.world.sql("select reason from alert where cause = 'refused'")
    assert "Go away" in reason
    assert "hostile" not in reason


def test_f11_bulk_mail_to_a_receiver_that_refuses_is_held_and_the_rest_goes_out(stage):
    scene = stage()
    scene.blast(40, domain="many.test")
    scene.put_off_every_second()
    scene.drain(Lane.BULK)
    scene.fault("rcpt", "550 5.7.26 Unauthenticated", domain="many.test")
    scene.later(Lane.BULK, hours=1)
    refused = scene.rules.chances["rcpt"]

    scene.later(Lane.BULK, minutes=6)

    assert scene.lane(Lane.BULK).paused_at is None
    assert refused == 40
    assert scene.rules.chances["rcpt"] <= refused + 2
    assert scene.states()["planned"] == 20
    assert scene.nobody_is_blamed()
    scene.rules.heal()
    for _ in range(12):
        scene.later(Lane.BULK, minutes=30)
    assert (scene.states(), scene.taken()) == ({"accepted": 40}, 40)


def test_f11_an_acceptance_ends_the_row(stage):
    scene = stage()
    proven(scene)
    for n in range(8):
        scene.rules.heal()
        if n != 4:
            scene.fault("rcpt", "550 5.7.1 Blocked")
        scene.people(1, domain=f"d{n}.test", slug=f"p{n}")
        scene.drain()

    assert scene.lane().paused_at is None


def test_f12_421_at_rcpt_requeues_and_slows_that_domain_alone(stage):
    scene = stage(Fault("rcpt", "421 4.7.0 Too fast", domain="slow.test"))
    scene.blast(6, domain="slow.test")
    quick = scene.people(3, domain="quick.test", slug="quick")
    scene.world.sql("update message set lane = 'bulk' where id = any(%(ids)s)", ids=quick)

    scene.drain(Lane.BULK)

    assert scene.states(quick) == {"accepted": 3}
    assert scene.states() == {"accepted": 3, "planned": 6}
    assert [factor for (factor,) in scene.world.sql("select factor from slow_domain")] == [0.5]
    assert (scene.lane(Lane.BULK).paused_at, scene.nobody_is_blamed()) == (None, True)
    scene.rules.heal()
    scene.later(Lane.BULK, hours=1)
    assert (scene.states(), scene.taken()) == ({"accepted": 9}, 9)


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
def test_f13_a_connection_lost_before_data_costs_no_mail_and_makes_no_second_copy(stage, phase):
    scene = stage(Fault(phase, "drop", after=2, times=2))
    scene.people(8)

    scene.drain()
    scene.later(minutes=16)

    assert (scene.states(), scene.taken()) == ({"accepted": 8}, 8)
    assert scene.nobody_is_blamed()


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
def test_f13_a_server_that_always_drops_is_left_alone_for_a_while(stage, phase):
    scene = stage(Fault(phase, "drop"))
    scene.people(8)

    scene.drain()

    assert scene.states() == {"planned": 8}
    assert scene.lane().not_before > scene.world.clock.now
    assert scene.rules.chances["banner"] < 10
    scene.rules.heal()
    scene.later(minutes=16)
    assert (scene.states(), scene.taken()) == ({"accepted": 8}, 8)


@pytest.mark.parametrize("how", ["drop", "hang"])
@pytest.mark.parametrize("where", ["dot", "accepted"])
def test_f14_no_answer_after_the_final_dot_is_uncertain_and_never_sent_again(stage, how, where):
    scene = stage(Fault(where, how, after=1, times=1), patience=0.5)
    scene.people(4)

    scene.drain(connections=1)
    for days in (1, 2, 5):
        scene.later(days=days)

    assert scene.states() == {"uncertain": 1, "accepted": 3}
    assert scene.taken() == (4 if where == "accepted" else 3)
    assert scene.equation_holds()
    assert (scene.nobody_is_blamed(), scene.lane().paused_at) == (True, None)


def test_f14_a_person_may_send_it_again_or_take_it_as_arrived(stage):
    scene = stage(Fault("accepted", "drop", times=2))
    first, second = scene.people(2)
    scene.drain()
    doubted = scene.states()

    failures.press_message(scene.world.runtime, first, Action.RETRY, by=None)
    failures.press_message(scene.world.runtime, second, Action.ACCEPT, by=None)
    # A server that answers nothing is left alone for some seconds.
    scene.later(seconds=10)

    assert doubted == {"uncertain": 2}
    assert scene.states() == {"accepted": 2}
    # The copy that a person asked for has the same Message-ID, so that a mailbox may know it.
    assert sorted(scene.rules.accepted.values()) == [1, 2]


def test_f14_the_workers_own_word_settles_what_the_lease_had_called_uncertain(stage):
    scene = stage()
    scene.people(1)
    scene.rules.before_answer = lambda _: scene.lose_leases()

    scene.drain()

    assert (scene.states(), scene.taken()) == ({"accepted": 1}, 1)


def test_f15_a_final_dot_answered_4xx_is_tried_again(stage):
    scene = stage(Fault("dot", "451 4.3.0 Later", times=3))
    scene.people(3)

    scene.drain()
    waits = scene.waits()
    scene.later(minutes=16)

    assert len(waits) == 3
    assert 300 <= waits[0] <= waits[-1] <= 900
    assert (scene.states(), scene.taken()) == ({"accepted": 3}, 3)


def test_f15_a_final_dot_answered_5xx_rejects_that_mail_of_a_blast_and_blames_nobody(stage):
    scene = stage(Fault("dot", "554 5.6.0 Refused by a filter", after=3, times=1))
    scene.blast(12)

    scene.drain(Lane.BULK)
    scene.later(Lane.BULK, days=1)

    assert scene.states() == {"rejected": 1, "accepted": 11}
    assert scene.world.sql("select paused_at from blast") == [(None,)]
    assert (scene.nobody_is_blamed(), scene.lane(Lane.BULK).paused_at) == (True, None)
    assert scene.equation_holds()


@pytest.mark.parametrize("batch", [1, 4])
def test_f15_the_same_5xx_five_times_in_a_row_pauses_the_blast_and_tells_its_organiser(stage, batch):
    scene = stage(Fault("dot", "554 5.6.0 Refused by a filter"))
    scene.blast(100)

    for _ in range(4):
        scene.drain(Lane.BULK, batch=batch)

    assert scene.world.sql("select paused_reason from blast") == [("content",)]
    assert 5 <= scene.states()["rejected"] <= 70
    assert scene.lane(Lane.BULK).paused_at is None
    assert (scene.told(), scene.nobody_is_blamed(), scene.taken()) == (1, True, 0)


def test_f15_a_server_that_is_broken_for_good_says_nothing_about_the_text_or_the_person(stage):
    scene = stage(Fault("dot", "554 5.3.0 Internal trouble", times=1))
    scene.blast(8)

    scene.drain(Lane.BULK)
    waiting = scene.states()
    scene.later(Lane.BULK, minutes=16)

    assert waiting == {"planned": 1, "accepted": 7}
    assert (scene.states(), scene.nobody_is_blamed()) == ({"accepted": 8}, True)


def test_f15_different_answers_in_a_row_do_not_pause_it(stage):
    scene = stage(
        Fault("dot", "554 5.6.0 One", times=3), Fault("dot", "552 5.3.4 Two", times=3),
        Fault("dot", "554 5.6.1 Three", times=3),
    )  # fmt: skip
    scene.blast(12)

    for _ in range(12):
        scene.drain(Lane.BULK, batch=1)

    assert scene.world.sql("select paused_at from blast") == [(None,)]
    assert scene.states() == {"rejected": 9, "accepted": 3}


def test_f15_a_person_s_own_mail_is_not_given_up_for_a_refused_text(stage):
    scene = stage()
    proven(scene)
    scene.fault("dot", "554 5.6.0 Refused by a filter", times=1)
    ids = scene.people(1)

    scene.drain()
    waiting = scene.states(ids)
    scene.later(minutes=16)

    assert waiting == {"planned": 1}
    assert scene.states(ids) == {"accepted": 1}
    assert scene.nobody_is_blamed()
