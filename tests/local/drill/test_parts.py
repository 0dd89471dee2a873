"""The parts of a drill: the diary of the mail server, the search, the look at what recovered, the agenda."""

import smtplib
import time
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from campaign.delivery import pacing
from campaign.local.drill import queries as drill_queries
from campaign.local.drill.killer import InjectedFault
from campaign.local.drill.leaks import LeakMarkers, LeakScanner, spellings
from campaign.local.drill.people import DOMAIN, FAMILY
from campaign.local.drill.plan import FaultKind
from campaign.local.drill.receiver import FAULTS, LIMITS, Receiver, RecordingRules, script
from campaign.local.drill.schedule import Schedule
from campaign.local.drill.watching import Observation, recovery
from campaign.local.mailserver.script import Fault, Script
from campaign.operations.broker import client_url
from tests.kit.waiting import until

MESSAGE = b"Message-ID: <1@example.org>\r\nSubject: x\r\n\r\nHello\r\n"


def send(receiver, *, to):
    try:
        with smtplib.SMTP("127.0.0.1", receiver.port, timeout=5) as client:
            client.sendmail("b-one@localhost", [to], MESSAGE)
    except smtplib.SMTPException:
        return False
    return True


def test_the_diary_has_what_was_offered_taken_refused_and_left_without_an_answer():
    faults = (
        Fault("rcpt", "550 5.1.1 Gone", recipient="gone@x.test"),
        Fault("rcpt", "450 4.2.0 Later", recipient="grey@x.test"),
        Fault("dot", "drop", recipient="before@x.test"),
        Fault("accepted", "drop", recipient="after@x.test"),
        Fault("dot", "550 5.1.1 Gone", recipient="late@x.test"),
    )
    delivered = []
    diary = RecordingRules(Script(faults=faults), deliver=lambda recipient, data: delivered.append((recipient, data)))
    with Receiver(diary) as receiver:
        names = ("gone", "grey", "before", "after", "late", "fine")
        sent = [send(receiver, to=f"{name}@x.test") for name in names]

    assert sent == [False] * 5 + [True]
    assert [offer.recipient for offer in diary.offers()] == [f"{name}@x.test" for name in names]
    assert [taken.recipient for taken in diary.taken()] == ["after@x.test", "fine@x.test"]
    assert [(item.recipient, item.code) for item in diary.refusals()] == [("gone@x.test", 550), ("late@x.test", 550)]
    assert [(item.recipient, item.taken) for item in diary.silences()] == [
        ("before@x.test", False), ("after@x.test", True),
    ]  # fmt: skip
    assert delivered == [("after@x.test", MESSAGE), ("fine@x.test", MESSAGE)]
    assert {item.mail_from for item in diary.offers()} == {"b-one@localhost"}


def test_open_connections_are_counted_by_the_ports_of_their_clients():
    with Receiver(RecordingRules(Script(), deliver=lambda *_: None)) as receiver:
        with smtplib.SMTP("127.0.0.1", receiver.port, timeout=5) as client:
            client.noop()
            port = client.sock.getsockname()[1]

            assert receiver.open_from({port, 1}) == 1
            assert receiver.open_from({1}) == 0
        until(lambda: receiver.open_from({port}) == 0)


def test_only_a_long_drill_meets_servers_that_hang_for_a_minute(tmp_path):
    short, long = (script(seed=1, seconds=seconds, return_to=tmp_path) for seconds in (30, 300))

    assert short.faults == (*LIMITS, *FAULTS)
    assert {fault.does for fault in long.faults} > {fault.does for fault in short.faults}
    assert short.return_to == f"maildir:{tmp_path}"


@pytest.fixture
def seeker():
    return LeakScanner(LeakMarkers([("Frieda Großmann", "frieda.7@post.test")]))


@pytest.mark.parametrize("text", [FAMILY, DOMAIN, "Frieda Großmann", "frieda.7@post.test"])
def test_a_canary_is_found_in_every_spelling(seeker, text):
    for spelling in spellings(text):
        seeker.search("logs", b"one " + spelling + b" two")
        assert seeker.found.pop("logs"), spelling


def test_any_address_of_the_audience_is_found(seeker):
    seeker.search("logs", b"sent to <amir.12345@example.net>")
    seeker.search("urls", b"/x?to=zahra.9%40inbox.test&y")

    assert seeker.found == {"logs": 1, "urls": 1}


def test_ids_and_our_own_addresses_are_no_canaries(seeker):
    seeker.search("logs", b"message 12 of petitions@localhost, organiser@example.org, b-abc-def@localhost")

    assert seeker.found == {}
    assert seeker.places["logs"] > 0


def test_redis_is_searched_whatever_the_type_of_a_key(seeker, redis_url):
    from_redis = _filled(redis_url)

    seeker.search_redis(redis_url)

    assert seeker.places["Redis"] > 0
    assert seeker.found["Redis"] >= 1
    assert from_redis == 5


def _filled(redis_url):
    with Redis.from_url(client_url(redis_url)) as client:
        client.rpush("a-list", "x")
        client.sadd("a-set", "x")
        client.zadd("a-zset", {"x": 1})
        client.hset("a-hash", "field", FAMILY)
        client.set("a-text", "x")
        return client.dbsize()


def test_a_redis_that_is_away_holds_nothing_up(seeker, tmp_path):
    seeker.search_redis(f"redis+socket://{tmp_path}/nobody.sock")

    assert seeker.places == {}


URGENT, BULK, BOTH = frozenset({"urgent"}), frozenset({"bulk"}), frozenset({"urgent", "bulk"})


def test_it_has_recovered_when_mail_flows_and_nothing_hangs_on_the_dead():
    injected = InjectedFault(FaultKind.WORKER_TREE, 10.0, 2, BULK, frozenset({77}))
    looks = [
        Observation(9.9, frozenset({77}), BULK),
        Observation(10.5, frozenset({77, 78}), BULK),
        Observation(14.0, frozenset({78}), BULK),
    ]

    found = recovery(injected, looks, [(9.8, "bulk"), (11.0, "urgent"), (12.0, "bulk")])

    assert (found.connections, found.recovered) == (2, 4.0)


def test_mail_of_the_same_lane_must_flow_unless_none_is_waiting():
    injected = InjectedFault(FaultKind.REDIS_KILL, 10.0, 0, BOTH)
    busy, idle = Observation(10.5, frozenset(), BOTH), Observation(13.0, frozenset(), URGENT)

    assert recovery(injected, [busy, idle], [(11.0, "urgent")]).recovered == 3.0
    assert recovery(injected, [busy, idle], [(11.0, "urgent"), (12.0, "bulk")]).recovered == 2.0


def test_what_nobody_saw_recover_has_not_recovered():
    injected = InjectedFault(FaultKind.WORKER_TREE, 10.0, 2, BULK, frozenset({77}))

    assert recovery(injected, [Observation(10.5, frozenset({77}), BULK)], [(11.0, "bulk")]).recovered is None


def test_nobody_waits_out_a_slow_domain_in_a_drill(world):
    """An hour at one mail a second is no fault, but no drill has the time."""
    now = datetime.now(UTC)
    for key, seconds in ((b"just now", drill_queries.SLOW_FOR / 2), (b"a while ago", drill_queries.SLOW_FOR * 2)):
        since = now - timedelta(seconds=seconds)
        world.runtime.store.transact(lambda tx, key=key, since=since: pacing.hold(tx, [key], now=since))

    world.runtime.store.transact(lambda tx: drill_queries.hurry(tx, lanes=("bulk",)))

    assert world.sql("select key from slow_domain") == [(b"just now",)]


def test_an_agenda_does_things_at_their_moments_and_what_they_put_on_it():
    agenda, done = Schedule(threads=2), []
    now = time.monotonic()
    agenda.at(now + 0.2, lambda: done.append("second"))
    agenda.at(now, lambda: (done.append("first"), agenda.at(now + 0.3, lambda: done.append("third"))))

    until(lambda: agenda.is_idle)
    agenda.end()

    assert done == ["first", "second", "third"]
    assert time.monotonic() >= now + 0.3


def test_an_agenda_that_ends_forgets_what_is_left():
    agenda, done = Schedule(threads=1), []
    agenda.at(time.monotonic() + 60, lambda: done.append("late"))

    agenda.end()

    assert done == []


def test_an_action_that_fails_is_kept_and_ends_nothing():
    agenda, done = Schedule(threads=1), []
    agenda.at(0.0, lambda: int("x"))
    agenda.at(0.0, lambda: done.append("next"))

    until(lambda: agenda.is_idle)
    agenda.end()

    assert done == ["next"]
    assert len(agenda.errors) == 1
