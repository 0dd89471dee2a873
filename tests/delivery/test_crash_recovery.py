"""A sending process is killed, really, at each step: nothing is lost, nothing is sent twice (P1, P2, F18, F19)."""

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from campaign.delivery.delivery import DeliveryCounts
from campaign.delivery.journal import Journal, journal_folder, legacies, recover
from tests.kit import servers
from tests.kit.engines import ROOT
from tests.kit.memory_transport import MemoryTransport, accepted

NUMBER = 6


def planned(world, number=NUMBER):
    slug = world.petition()
    for n in range(number):
        world.signature(slug, f"p{n}@example.org")


def run_until_death(world, where):
    """Let a process of its own send, and die; returns its exit status."""
    folder = world.runtime.settings.data
    command = [sys.executable, "-m", "tests.kit.sending", world.runtime.settings.database_url, str(folder), where]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=180).returncode


def taken(world):
    """What the mail server took, by message: how often."""
    log = world.runtime.settings.data / "server.log"
    return Counter(int(line) for line in log.read_text().split()) if log.exists() else Counter()


def send_rest(world):
    """Recover, and let another process finish."""
    recover(world.runtime)
    assert run_until_death(world, "never") == 0


def states(world):
    return Counter(state for (state,) in world.sql("select state from message"))


@pytest.mark.parametrize(
    ("where", "settled"),
    [
        ("render", {"planned": 6}),
        ("submit:3", {"accepted": 2, "uncertain": 1, "planned": 3}),
        ("accept:3", {"accepted": 2, "uncertain": 1, "planned": 3}),
        ("noted:3", {"accepted": 3, "planned": 3}),
    ],
)
def test_a_killed_process_costs_at_most_one_uncertain_row_per_connection(world, where, settled):
    planned(world)

    status = run_until_death(world, where)
    before = states(world)
    recover(world.runtime)

    assert status == -signal.SIGKILL
    assert "planned" not in before
    assert states(world) == settled


@pytest.mark.parametrize("where", ["render", "submit:1", "accept:1", "accept:6", "noted:4"])
def test_whatever_step_a_process_dies_at_nothing_is_sent_twice_and_nothing_is_lost(world, where):
    planned(world)
    run_until_death(world, where)

    send_rest(world)
    send_rest(world)

    assert max(taken(world).values()) == 1
    assert states(world)["accepted"] + states(world)["uncertain"] == NUMBER
    assert states(world)["uncertain"] <= 1


def test_recovering_twice_changes_nothing_more(world):
    planned(world)
    run_until_death(world, "accept:3")

    first, second = recover(world.runtime), recover(world.runtime)

    assert first == NUMBER
    assert second == 0
    assert not list(journal_folder(world.runtime).iterdir())


def test_after_a_crash_of_the_whole_machine_what_the_journal_does_not_settle_is_uncertain(world):
    planned(world)
    run_until_death(world, "noted:3")
    [journal] = journal_folder(world.runtime).glob("*.journal")
    journal.write_bytes(b"boot another\n" + journal.read_bytes().split(b"\n", 1)[1])

    recover(world.runtime)

    assert states(world) == {"accepted": 3, "uncertain": 3}


def test_the_journal_of_a_living_process_is_left_alone(world):
    planned(world)
    deliverer = world.deliverer()

    assert recover(world.runtime) == 0

    assert deliverer.journal.path.exists()
    deliverer.close()


def test_a_journal_that_was_swept_between_opening_and_locking_is_made_again(tmp_path):
    first = Journal(tmp_path, 7)
    os.close(first._file)  # noqa: SLF001 - the process dies
    pairs = [(legacy.owner_id, legacy.path.unlink()) for legacy in legacies(tmp_path)]

    second = Journal(tmp_path, 7)
    second.submit(5)

    assert pairs == [(7, None)]
    assert second.path.read_text().endswith("S 5\n")
    second.close()


def test_a_row_whose_worker_vanished_without_a_journal_is_reclaimed_after_its_lease_and_sent_once(world):
    planned(world)
    run_until_death(world, "render")
    for journal in journal_folder(world.runtime).glob("*.journal"):
        journal.unlink()
    recover(world.runtime)
    too_early = states(world)

    world.clock.forward(seconds=121)
    send_rest(world)

    assert too_early == {"claimed": NUMBER}
    assert taken(world) == dict.fromkeys(range(1, NUMBER + 1), 1)


def test_rows_submitting_without_a_journal_are_uncertain_after_the_lease(world):
    planned(world)
    run_until_death(world, "submit:1")
    for journal in journal_folder(world.runtime).glob("*.journal"):
        journal.unlink()

    world.clock.forward(seconds=121)
    recover(world.runtime)

    assert states(world) == {"uncertain": NUMBER}


def test_a_journal_found_after_the_lease_still_settles_what_was_uncertain(world, tmp_path):
    planned(world)
    run_until_death(world, "noted:3")
    [journal] = journal_folder(world.runtime).glob("*.journal")
    hidden = journal.rename(tmp_path / "on-another-host")
    world.clock.forward(seconds=121)
    recover(world.runtime)
    doubted = states(world)

    hidden.rename(journal)
    recover(world.runtime)

    assert doubted == {"uncertain": NUMBER}
    assert states(world) == {"accepted": 3, "planned": 3}


def test_a_slow_worker_that_reports_after_its_lease_settles_the_doubt_about_it(world):
    planned(world, 3)

    def script(envelope):
        if envelope.id == 3:
            # The others look while this worker still sends.
            world.clock.forward(seconds=121)
            recover(world.runtime)
            assert states(world) == {"uncertain": 3}
        return servers.greylisting(envelope) if envelope.id == 2 else accepted(envelope)

    world.deliverer(transport=MemoryTransport(script=script)).drain()

    assert world.sql("select id, state, owner_id from message order by id") == [
        (1, "accepted", None), (2, "planned", None), (3, "accepted", None),
    ]  # fmt: skip


def test_a_slow_worker_changes_nothing_that_a_person_settled_meanwhile(world):
    planned(world, 1)

    def script(envelope):
        world.clock.forward(seconds=121)
        recover(world.runtime)
        world.sql("update message set state = 'cancelled', reason = 'by_admin', owner_id = null")
        return accepted(envelope)

    world.deliverer(transport=MemoryTransport(script=script)).drain()

    assert world.sql("select state, reason from message") == [("cancelled", "by_admin")]


def test_a_row_that_kills_three_workers_is_quarantined_and_takes_no_neighbour_with_it(world):
    planned(world)

    for _ in range(8):
        poisonous = world.sql("select id from message where id = 2 and state = 'planned'")
        claimed = world.deliverer()
        batch = claimed._take(2**62, suspects=True) or claimed._take(2**62, suspects=False)  # noqa: SLF001 - and then it dies
        if poisonous and 2 in batch.round.handed:
            os.close(claimed.journal._file)  # noqa: SLF001 - the kernel does this when a process dies
            recover(world.runtime)
            world.clock.forward(seconds=16)
        else:
            claimed._prepare(batch)  # noqa: SLF001
            claimed._send(batch, deadline=2**62, tally=DeliveryCounts())  # noqa: SLF001
            claimed.close()

    assert world.sql("select id, reason from message where state = 'rejected'") == [(2, "poison")]
    assert states(world) == {"accepted": NUMBER - 1, "rejected": 1}


def test_a_death_counts_only_against_what_the_worker_was_at_work_on(world):
    planned(world)
    dying = world.deliverer()
    dying._take(2**62, suspects=False)  # noqa: SLF001 - and then it dies

    for ids in ([1, 2], [3], [4]):
        dying.journal.at_work(ids)
    os.close(dying.journal._file)  # noqa: SLF001 - the kernel does this when a process dies
    recover(world.runtime)

    assert world.sql("select id from message where losses > 0 order by id") == [(3,), (4,)]
    assert states(world) == {"planned": NUMBER}


def test_two_deaths_with_a_row_are_not_in_the_same_seconds_as_the_third(world):
    planned(world, 1)

    dues = []
    for _ in range(2):
        dying = world.deliverer()
        assert dying._take(2**62, suspects=True) or dying._take(2**62, suspects=False)  # noqa: SLF001
        os.close(dying.journal._file)  # noqa: SLF001
        recover(world.runtime)
        [(due,)] = world.sql("select due_at from message")
        dues.append((due - world.clock()).total_seconds())

    assert dues[0] <= 0 < dues[1] <= 15


class Bursting:
    """A transport that takes two messages and then fails in a way that nobody foresaw."""

    def __init__(self):
        self.closed = 0

    def deliver(self, envelopes, *, on_submit, on_outcome):
        for count, envelope in enumerate(envelopes):
            on_submit(envelope.id)
            if count == 2:
                raise RuntimeError("burst")
            on_outcome(accepted(envelope))

    def close(self):
        self.closed += 1


def test_when_a_transport_bursts_what_is_known_is_recorded_and_the_one_on_the_wire_is_uncertain(world):
    planned(world)

    with pytest.raises(RuntimeError, match="burst"):
        world.deliverer(transport=Bursting()).drain()

    assert states(world) == {"accepted": 2, "uncertain": 1, "planned": 3}


def test_a_worker_told_to_stop_finishes_what_is_on_the_wire_and_releases_the_rest(world):
    planned(world)

    def script(envelope):
        deliverer.stopping = True
        return accepted(envelope)

    deliverer = world.deliverer(transport=MemoryTransport(script=script))
    deliverer.drain()
    deliverer.close()

    assert states(world) == {"accepted": 1, "planned": NUMBER - 1}
    assert world.sql("select max(attempts), max(losses) from message where state = 'planned'") == [(0, 0)]
