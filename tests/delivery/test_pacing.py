"""The pace: a rate means what it says, a domain gets its share, a new sender warms up."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from campaign.delivery.composer import Composer
from campaign.delivery.delivery import Deliverer
from campaign.delivery.token_bucket import SLICE, LocalBuckets, SharedBuckets
from campaign.local.servers import redis
from campaign.operations.broker import client_url
from campaign.smtp import transport as smtp_transport
from campaign.states import Lane
from tasks.process import open_transport
from tests.kit import servers
from tests.kit.memory_transport import MemoryTransport
from tests.kit.stamps import StampingServer
from tests.kit.worlds import make_world, settings_for


@pytest.fixture
def paced(database_url, tmp_path):
    """Makes worlds with a pace."""
    made = []

    def make(**settings):
        made.append(make_world(database_url, tmp_path, **settings))
        return made[-1]

    yield make
    for world in made:
        world.runtime.close()


def planned(world, number, *, domain="example.org"):
    """Bulk messages to people of a domain."""
    slug = world.petition(f"petition-{domain.replace('.', '-')}")
    for n in range(number):
        world.signature(slug, f"p{n}@{domain}")
    world.sql("update message set lane = 'bulk' where state = 'planned'")


def drain(world, script=None, *, lane=Lane.BULK, seconds=1.0, buckets=None):
    transport = MemoryTransport(script=script) if script else MemoryTransport()
    deliverer = Deliverer(
        world.runtime, lane, composer=Composer(world.runtime), transport=transport, buckets=buckets or LocalBuckets()
    )
    tally = deliverer.drain(seconds=seconds)
    deliverer.close()
    return len(transport.sent), tally


def states(world):
    return dict(world.sql("select state, count(*) from message group by 1"))


class WatchedBuckets(LocalBuckets):
    """Buckets that know for how long they were filling.

    While a busy machine leaves this process no time, they are full: of such a gap only the worth of a slice counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self._at = 0.0
        self.seconds = 0.0

    def take(self, name, wanted, **rate):
        now = time.monotonic()
        self.seconds += min(SLICE, now - self._at) if self._at else 0.0
        self._at = now
        return super().take(name, wanted, **rate)


def test_a_rate_means_so_many_a_second_within_five_percent(paced):
    """Judged by the mail server's clock too: a busy machine makes mail late, never early, so nothing excuses more."""
    rate, seconds = 40, 3.0
    with StampingServer() as server:
        world = paced(rate=str(rate), smtp_url=f"smtp://127.0.0.1:{server.port}")
        planned(world, 150)
        buckets = WatchedBuckets()
        deliverer = Deliverer(
            world.runtime, Lane.BULK, composer=Composer(world.runtime), buckets=buckets,
            transport=open_transport(world.runtime.settings, Lane.BULK),
        )  # fmt: skip

        begin = time.monotonic()

        while buckets.seconds < seconds / 2:
            deliverer.drain(seconds=seconds)
        deliverer.close()
        taken_at = [moment - begin for moment in server.rules.taken_at]

        assert all(number <= rate * moment + 1 for number, moment in enumerate(taken_at, 1))
        assert len(taken_at) == pytest.approx(rate * buckets.seconds, rel=0.05, abs=2)


def test_mail_that_a_person_waits_for_is_never_held_by_the_rate(paced):
    world = paced(rate="1")
    slug = world.petition()
    for n in range(15):
        world.signature(slug, f"p{n}@example.org")

    sent, _ = drain(world, lane=Lane.URGENT)

    assert sent == 15


def test_a_drain_that_waits_for_the_rate_asks_for_another_turn(paced):
    world = paced(rate="2")
    planned(world, 10)

    sent, tally = drain(world, seconds=0.6)

    assert sent <= 2
    assert tally.more
    assert states(world)["planned"] == 10 - sent


def test_a_domain_gets_its_share_and_the_others_do_not_wait_for_it(paced):
    world = paced(domain_rate="4")
    planned(world, 6, domain="many.test")
    planned(world, 1, domain="few.test")
    buckets = LocalBuckets()
    buckets.take("domain:unused", 1, rate=4)

    drain(world)
    waiting = world.sql("select count(*) from message where state = 'planned' and due_at > %(now)s", now=world.clock())
    world.clock.forward(seconds=3)

    assert waiting[0][0] >= 6
    assert world.sql("select max(attempts) from message where state = 'planned'") == [(0,)]


def test_a_domain_s_rate_is_used_and_never_passed(paced):
    """Second by second, as a ticker looks, by the test's clock: no mood of the machine comes in."""
    world = paced(domain_rate="4")
    planned(world, 150, domain="many.test")
    buckets = LocalBuckets(clock=lambda: world.clock().timestamp())
    sent = []

    for _ in range(25):
        sent.append(drain(world, buckets=buckets)[0])
        world.clock.forward(seconds=1)

    assert all(sum(sent[:second]) <= 4 * second for second in range(1, 26))
    assert sum(sent) >= 0.9 * 4 * 24


def test_a_domain_that_asks_for_less_is_slowed_and_recovers(paced):
    world = paced()
    planned(world, 3, domain="busy.test")

    drain(world, servers.answering(smtp_transport.Phase.RCPT, 421, "4.7.0"))
    slowed = world.sql("select factor from slow_domain")
    world.clock.forward(hours=2)
    drain(world)
    sent, _ = drain(world)

    assert slowed == [(0.5,)]
    assert sent + states(world)["accepted"] >= 3


def test_greylisting_of_a_few_slows_nobody(paced):
    world = paced()
    planned(world, 20)

    drain(world, servers.in_turn(servers.greylisting))

    assert world.sql("select count(*) from slow_domain") == [(0,)]


def test_no_address_and_no_domain_in_clear_is_stored_of_the_slow_ones(paced):
    world = paced()
    planned(world, 3, domain="busy.test")

    drain(world, servers.answering(smtp_transport.Phase.RCPT, 421))

    [(key,)] = world.sql("select key from slow_domain")
    assert b"busy" not in bytes(key)


def test_a_new_sender_sends_no_more_than_the_cap_of_the_day(paced):
    world = paced(warm_up="2026-11-22:5")
    planned(world, 30)

    first, _ = drain(world)
    again, _ = drain(world)
    world.clock.forward(days=1)
    next_day, _ = drain(world)

    assert (first, again, next_day) == (5, 0, 10)


def test_the_cap_of_the_day_is_one_for_all_workers(paced):
    world = paced(warm_up="2026-11-22:30")
    planned(world, 120)

    with ThreadPoolExecutor(4) as workers:
        sent = list(workers.map(lambda _: drain(world)[0], range(4)))

    assert sum(sent) == 30


def test_a_mail_that_may_have_arrived_counts_for_the_cap_of_the_day(paced):
    world = paced(warm_up="2026-11-22:5")
    planned(world, 9)

    drain(world, servers.in_turn(servers.silent_after_the_dot))
    drain(world)

    assert states(world) == {"uncertain": 1, "accepted": 4, "planned": 4}


def test_buckets_in_redis_are_shared_and_outlive_a_flush_without_a_burst(tmp_path):
    url = redis.start(settings_for("postgresql://nobody@/nothing", tmp_path), durable=False)
    one, two = (SharedBuckets(url, prefix="t:", share=0.5) for _ in range(2))
    one.take("all", 1, rate=100)
    time.sleep(0.3)

    begun = time.monotonic()
    taken = one.take("all", 100, rate=100) + two.take("all", 100, rate=100)
    meanwhile = 100 * (time.monotonic() - begun)
    with Redis.from_url(client_url(url)) as client:
        client.flushall()
    after = two.take("all", 100, rate=100)
    redis.stop(settings_for("postgresql://nobody@/nothing", tmp_path))

    assert 25 <= taken <= 26 + meanwhile
    assert after == 0


def test_without_redis_each_process_keeps_its_share():
    buckets = SharedBuckets("redis://127.0.0.1:1", prefix="t:", share=0.5)
    buckets.take("all", 1, rate=100)
    time.sleep(0.2)

    assert 5 <= buckets.take("all", 100, rate=100) <= 13
