"""Several hosts share the work: processes of their own, PostgreSQL and Redis by URL, nothing else in common."""

import itertools
import subprocess
import time
from contextlib import closing

import pytest

from campaign.blasts import blasts
from campaign.blasts import reports as blast_reports
from campaign.delivery.token_bucket import SLICE
from campaign.runtime import build
from tests.kit import hosts as kit_hosts
from tests.kit.centre import centre, runtime_settings
from tests.kit.skipping import skip_loudly
from tests.kit.waiting import until
from tests.kit.worlds import World

NUMBER = 2000
RATE = {"COUNTERSIGN_RATE": "400"}
"""Over all hosts, so that a blast takes long enough for something to happen in its middle."""

FINISHED_WITHIN = 180.0

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def servers():
    with centre() as made:
        yield made


@pytest.fixture
def shared(servers):
    return servers.fresh(next(_numbers))


@pytest.fixture
def world(shared, tmp_path):
    runtime = build(runtime_settings(shared, tmp_path / "desk"))
    yield World(runtime, runtime.clock)
    runtime.close()


@pytest.fixture
def two(shared, tmp_path):
    with kit_hosts.hosts_of(shared, tmp_path, "anna", "bert") as made:
        yield made


def begin(world, hosts, *, number=NUMBER):
    """A blast, planned; hosts at work; then the lane is opened."""
    blast_id = kit_hosts.plan_blast(world, number)
    for host in hosts:
        host.start(**RATE)
    kit_hosts.await_workers(world.runtime, hosts)
    kit_hosts.open_lane(world.runtime)
    return blast_id


def finish(world, blast_id):
    until(lambda: kit_hosts.is_done(world.runtime, blast_id), seconds=FINISHED_WITHIN)
    return kit_hosts.states(world.runtime, blast_id)


def in_the_middle(hosts, *, each=150):
    """Wait until every host has sent some."""
    until(lambda: all(host.sent >= each for host in hosts), seconds=60)


def run_out(world):
    """Let the leases of workers that are not heard of for 15 s run out now, which takes two minutes otherwise."""
    silent = "(select id from worker where seen_at < now() - interval '15 seconds')"

    def there_are_leases():
        return world.sql(f"""
            update message set lease_until = now() - interval '1 second'
            where state in ('claimed', 'submitting') and owner_id in {silent} returning id""")

    until(there_are_leases, seconds=60)
    until(lambda: not world.sql(f"select 1 from message where state = 'submitting' and owner_id in {silent}"))


def test_two_hosts_share_a_blast_fairly_and_every_message_arrives_once(world, two):
    blast_id = begin(world, two)

    settled = finish(world, blast_id)
    arrived = kit_hosts.arrived(two)

    assert settled == {"accepted": NUMBER}
    assert len(arrived) == NUMBER
    assert set(arrived.values()) == {1}
    assert min(host.sent for host in two) > NUMBER / 6
    for host in two:
        # Nothing embedded: a host keeps its journals and nothing else.
        assert {path.name for path in host.data.iterdir()} <= {"journal"}


def test_the_rate_is_one_for_all_hosts(world, two):
    blast_id = begin(world, two)
    opened_at = time.monotonic()

    finish(world, blast_id)
    taken_at = sorted(moment - opened_at for host in two for moment in host.server.rules.taken_at)

    # A busy machine makes mail late, never early: nothing excuses more than the rate and what the bucket held at first.
    assert all(number <= 400 * (moment + SLICE) + 1 for number, moment in enumerate(taken_at, 1))


def test_when_a_host_dies_with_its_disk_the_other_finishes_and_nothing_is_sent_twice(world, two):
    anna, bert = two
    blast_id = begin(world, two)
    in_the_middle(two)

    anna.kill()
    anna.lose_disk()
    run_out(world)
    settled = finish(world, blast_id)
    arrived = kit_hosts.arrived(two)
    doubts = dict(world.sql("select reason, count(*) from message where state = 'uncertain' group by 1"))

    assert settled.get("accepted", 0) + settled.get("uncertain", 0) == NUMBER
    assert set(arrived.values()) == {1}
    # What nobody can know is at most what anna held: the batch on the wire and the one behind it.
    assert doubts.get("worker_lost", 0) == settled.get("uncertain", 0) <= 2 * 500
    assert settled["accepted"] <= len(arrived) <= NUMBER
    assert bert.sent > anna.sent


def test_a_host_that_dies_and_comes_back_settles_what_it_had_by_its_journal(world, two):
    anna, _bert = two
    blast_id = begin(world, two)
    in_the_middle(two)

    anna.kill()
    anna.start(**RATE)
    settled = finish(world, blast_id)

    # On its return the journal tells all but what was on the wire: one message for each of its four connections.
    assert settled.get("uncertain", 0) <= 4
    assert sum(settled.values()) == NUMBER
    assert settled.keys() <= {"accepted", "uncertain"}
    assert set(kit_hosts.arrived(two).values()) == {1}


def test_a_pause_reaches_every_host_within_five_seconds(world, two):
    blast_id = begin(world, two)
    in_the_middle(two, each=50)

    petition_id = blast_reports.petition_of(world.runtime, blast_id)
    blasts.pause(world.runtime, blast_id, petition_id, by=None)
    pressed_at = time.monotonic()
    until(lambda: not kit_hosts.states(world.runtime, blast_id).keys() & {"claimed", "submitting"}, seconds=10)
    time.sleep(3)
    taken_at = [moment for host in two for moment in host.server.rules.taken_at]
    blasts.resume(world.runtime, blast_id, petition_id, by=None)
    settled = finish(world, blast_id)

    assert len(taken_at) < NUMBER
    assert max(taken_at) - pressed_at < 5
    assert settled == {"accepted": NUMBER}


def test_a_link_that_is_cut_and_mended_in_mid_blast_repeats_nothing_and_loses_nothing(tmp_path):
    """The hosts have networks of their own. One is cut off for longer than its leases last, then comes back."""
    if (why := kit_hosts.why_no_networks()) is not None:
        skip_loudly(f"cutting a host's link: {why}")
    with kit_hosts.links(2) as cables, centre(*(link.address for link in cables)) as made:
        runtime = build(runtime_settings(made, tmp_path / "desk"))
        world = World(runtime, runtime.clock)
        with closing(runtime), kit_hosts.hosts_behind(made, tmp_path, cables) as two:
            anna, bert = two
            blast_id = begin(world, two)
            in_the_middle(two)

            cables[0].cut()
            at_the_cut = anna.sent, bert.sent
            run_out(world)
            alone = bert.sent - at_the_cut[1]
            cables[0].mend()
            settled = finish(world, blast_id)
            arrived = kit_hosts.arrived(two)

    assert alone > 0
    assert settled.get("accepted", 0) + settled.get("uncertain", 0) == NUMBER
    assert set(arrived.values()) == {1}
    assert len(arrived) >= settled["accepted"]


def test_what_a_killed_test_left_does_not_stand_in_the_way_of_the_next(tmp_path):
    """A cable that stays when its test is killed has the address the next one would take."""
    if (why := kit_hosts.why_no_networks()) is not None:
        skip_loudly(f"what killed tests leave: {why}")
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = kit_hosts.Link(1, ended.pid)
    left.make()

    with kit_hosts.links(2) as cables:
        answers = [subprocess.run([*("ip", "netns", "exec", link.space), "true"], check=False) for link in cables]

        assert len({link.address for link in cables}) == 2
        assert all(answer.returncode == 0 for answer in answers)
        assert left.space not in kit_hosts.spaces()
