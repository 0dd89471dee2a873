"""F59 to F62: relays that limit us, and refusals that are about us."""

import threading
import time

import pytest

from campaign.accounts.accounts import Role
from campaign.local.mailserver.script import Fault
from campaign.outbox import lanes, relay_limits
from campaign.outbox.relays import relay_names
from campaign.states import Lane, LimitKind
from tests.kit import ledgers
from tests.kit.sites import make_web
from tests.views.conftest import words

DOMAINS = 6


def learned(scene):
    names = relay_names(scene.world.runtime.settings.smtp_url)
    return {each.kind: each for each in scene.world.read(lambda tx: relay_limits.limits(tx, names))}


def people_of_domains(scene, number, *, slug="many"):
    return [id_ for n in range(number) for id_ in scene.people(1, domain=f"d{n}.test", slug=f"{slug}-{n % 3}")]


def attempts(scene):
    return {each for (each,) in scene.world.sql("select attempts from message where signature_id is not null")}


def in_bulk(scene, ids):
    scene.world.sql("update message set lane = 'bulk' where id = any(%(ids)s)", ids=ids)


@pytest.mark.parametrize("does", ["452 4.4.5 maximum messages per session", "451 Too many messages per connection"])
def test_f59_no_message_is_deferred_and_the_number_is_learned_for_all_processes(stage, does):
    scene = stage(Fault("mail", does, session=10))
    in_bulk(scene, people_of_domains(scene, 45))

    scene.drain(Lane.BULK)
    refused = scene.rules.happened()[0][1]
    in_bulk(scene, people_of_domains(scene, 15, slug="later"))
    scene.drain(Lane.BULK)

    assert (scene.states(), scene.taken()) == ({"accepted": 60}, 60)
    assert scene.world.sql("select count(*) from attempt") == [(0,)]
    assert attempts(scene) == {1}
    assert learned(scene)[LimitKind.SESSION].value == 10
    assert does.rpartition(" ")[2] in learned(scene)[LimitKind.SESSION].words
    assert scene.rules.happened()[0][1] == refused


def test_f59_what_taught_a_limit_is_shown_to_admins_without_the_address_in_it(stage):
    scene = stage(Fault("mail", "452 4.4.5 <p1@d1.test>: too many messages per session, see a@d2.test", session=10))
    in_bulk(scene, people_of_domains(scene, 30))
    scene.drain(Lane.BULK)
    app = make_web(scene.world.runtime)
    page = ledgers.sign_in(scene.world, app, ledgers.admin(scene.world)).get("/admin")

    assert "Messages in a session: 10." in words(page)
    assert "too many messages per session, see" in words(page)
    assert "d1.test" not in page.text
    assert "d2.test" not in page.text


@pytest.mark.parametrize(
    ("phase", "does"),
    [
        ("banner", "421 4.7.0 Too many connections"),
        ("banner", "554 too many concurrent sessions"),
        ("ehlo", "421 busy: too many connections"),
    ],
)
def test_f60_urgent_mail_has_a_connection_while_bulk_mail_takes_the_others(stage, phase, does):
    scene = stage(Fault(phase, does, connections=3), Fault("dot", "slow 0.05 250 2.0.0 Ok", odds=0.0))
    scene.rules.before_answer = lambda _: time.sleep(0.01)
    in_bulk(scene, people_of_domains(scene, 120))
    bulk = [scene.deliverer(Lane.BULK) for _ in range(2)]
    drains = [threading.Thread(target=each.drain, kwargs={"seconds": 20}) for each in bulk]
    urgent = scene.deliverer(Lane.URGENT)
    for each in drains:
        each.start()
    waited = []
    for n in range(4):
        ids = scene.people(1, domain=f"u{n}.test", slug=f"urgent-{n}")
        begun = time.monotonic()
        while scene.states(ids) != {"accepted": 1} and time.monotonic() < begun + 10:
            urgent.drain()
            time.sleep(0.02)
        waited.append(time.monotonic() - begun)
    for each in drains:
        each.join()
    for _ in range(20):
        if scene.states() == {"accepted": 124}:
            break
        bulk[0].drain()

    assert max(waited) < 6
    assert (scene.states(), scene.taken()) == ({"accepted": 124}, 124)
    assert attempts(scene) == {1}
    assert scene.lane(Lane.BULK).not_before is None
    assert scene.lane(Lane.URGENT).not_before is None
    assert LimitKind.CONNECTIONS in learned(scene)


def test_f60_a_relay_with_one_connection_serves_both_lanes(stage):
    scene = stage(Fault("banner", "421 4.7.0 Too many connections", connections=1))
    scene.rules.before_answer = lambda _: time.sleep(0.01)
    in_bulk(scene, people_of_domains(scene, 100))
    bulk, urgent = scene.deliverer(Lane.BULK), scene.deliverer(Lane.URGENT)
    ended = threading.Event()

    def send():
        while not ended.is_set():
            bulk.drain()
            time.sleep(0.05)

    sending = threading.Thread(target=send)
    sending.start()
    try:
        for n in range(2):
            ids = scene.people(1, domain=f"u{n}.test", slug=f"urgent-{n}")
            begun = time.monotonic()
            while scene.states(ids) != {"accepted": 1}:
                assert time.monotonic() < begun + 15
                urgent.drain()
                time.sleep(0.05)
                if scene.lane(Lane.URGENT).not_before is not None:
                    scene.world.read(lambda tx: lanes.resume(tx, Lane.URGENT))
        begun = time.monotonic()
        while scene.states() != {"accepted": 102} and time.monotonic() < begun + 20:
            time.sleep(0.1)
            # As the heartbeat of a worker does: it may have connected before the limit was known.
            urgent.rest()
    finally:
        ended.set()
        sending.join()

    assert (scene.states(), scene.taken()) == ({"accepted": 102}, 102)


def test_f61_a_throttling_relay_is_slowed_and_no_message_is_deferred(stage):
    scene = stage(Fault("rcpt", "454 4.7.0 Throttling failure: Maximum sending rate exceeded.", overall=20))
    in_bulk(scene, people_of_domains(scene, 160))
    bulk, begun = scene.deliverer(Lane.BULK), time.monotonic()

    while scene.states() != {"accepted": 160} and time.monotonic() < begun + 20:
        bulk.drain()
    seconds = time.monotonic() - begun

    assert (scene.states(), scene.taken()) == ({"accepted": 160}, 160)
    assert attempts(scene) == {1}
    assert scene.world.sql("select count(*) from attempt") == [(0,)]
    assert seconds < 140 / 20 / 0.6
    assert scene.world.sql("select count(*) from slow_domain") == [(0,)]
    assert 10 < learned(scene)[LimitKind.RATE].value < 40


def test_f61_a_daily_quota_is_waited_for_without_spending_attempts(stage):
    scene = stage(Fault("mail", "454 4.7.0 Daily message quota exceeded", after=5))
    ids = people_of_domains(scene, 20)

    scene.drain()
    scene.drain()

    assert scene.states(ids) == {"accepted": 5, "planned": 15}
    assert attempts(scene) == {0, 1}
    assert scene.waits()[-1] <= 0
    assert learned(scene)[LimitKind.RATE].pause == 300
    assert "Daily message quota exceeded" in learned(scene)[LimitKind.RATE].words
    assert scene.lane().not_before is None


ABOUT_US = [
    ("dot", "554 5.2.252 SendAsDenied; not allowed to send as this user"),
    ("rcpt", "550 relay not permitted"),
    ("rcpt", "550 5.1.1 relay not permitted"),
    ("rcpt", "550 5.4.5 Daily user sending limit exceeded"),
    ("rcpt", "554 5.7.1 Relay access denied"),
    ("rcpt", "553 sorry, that domain isn't in my list of allowed rcpthosts"),
    ("rcpt", "550 no thanks"),
    ("rcpt", "550"),
    ("dot", "554 no thanks"),
    ("dot", "550 5.1.0 not with us"),
]


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize(("phase", "does"), ABOUT_US)
def test_f62_the_same_words_to_several_domains_are_about_us(stage, phase, does, fresh):
    scene = stage()
    if not fresh:
        scene.people(1, domain="proof.test", slug="proof")
        scene.drain()
    scene.account(Role.ADMIN, "ada@example.org")
    scene.fault(phase, does)
    ids = people_of_domains(scene, DOMAINS)

    scene.drain()
    for _ in range(2):
        scene.later(days=1)

    assert scene.states(ids) == {"planned": DOMAINS}
    assert scene.nobody_is_blamed()
    assert scene.lane().paused_by == "system"
    assert scene.told() == 1


@pytest.mark.parametrize(("phase", "does"), [("rcpt", "550 no thanks"), ("dot", "550 5.1.0 not with us")])
def test_f62_what_was_judged_before_the_pattern_was_seen_is_undone(stage, phase, does):
    scene = stage()
    scene.people(1, domain="proof.test", slug="proof")
    scene.drain()
    scene.fault(phase, does)
    first = scene.people(1, domain="first.test", slug="first")
    scene.drain()
    before = scene.states(first), scene.strikes()
    second = scene.people(1, domain="second.test", slug="second")

    scene.drain()

    assert before == ({"rejected": 1}, 1)
    assert scene.states(first + second) == {"planned": 2}
    assert scene.nobody_is_blamed()


def test_f62_addresses_that_do_not_exist_are_suppressed_though_the_words_are_the_same(stage):
    scene = stage(
        Fault("rcpt", "550 5.1.1 User unknown", domain="d1.test"),
        Fault("rcpt", "550 5.1.1 User unknown", domain="d4.test"),
    )
    ids = people_of_domains(scene, DOMAINS)

    scene.drain()

    assert scene.states(ids) == {"accepted": 4, "rejected": 2}
    assert scene.suppressed() == ["bounce"] * 2
    assert scene.lane().paused_at is None
