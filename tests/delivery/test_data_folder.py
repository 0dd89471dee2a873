"""A data folder that is full or can not be written (F65, C10): no claim, told with host and folder, mended."""

import platform

import pytest

from campaign.delivery import journal
from campaign.operations import alerts, monitor
from campaign.operations.diagnosis import judge
from campaign.operations.health import Code
from campaign.operations.standing import Standing
from campaign.operations.status_line import sentence
from campaign.outbox import workers
from campaign.states import Lane
from tests.kit.memory_transport import MemoryTransport, accepted
from tests.kit.small_disk import small_disk
from tests.kit.worlds import make_world

SIZE = journal.LEAST_FREE // 1024 // 1024 + 4


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    with small_disk(folder, megabytes=SIZE) as made:
        yield made


@pytest.fixture
def world(database_url, disk):
    made = make_world(database_url, disk.path)
    made.signature(made.petition())
    yield made
    made.runtime.close()


def state_of(world):
    return world.sql("select state::text, count(*) from message group by state order by state")


def served_by(world, deliverer):
    """The other lane has a worker too; a ticker looked."""
    other = world.read(lambda tx: workers.add(tx, host="mail-2", pid=7, lane=Lane.BULK))
    world.read(lambda tx: workers.seen(tx, other, now=world.clock.now))
    deliverer.beat()


@pytest.mark.parametrize(
    ("spoil", "mend", "words"),
    [
        (lambda disk: disk.fill(), lambda disk: disk.free(), "The disk of the data folder {folder} on {host} is full."),
        (
            lambda disk: disk.replace("journal"),
            lambda disk: disk.restore("journal"),
            "The data folder {folder} on {host} can’t be written.",
        ),
    ],
    ids=["full", "unwritable"],
)
def test_nothing_is_claimed_while_the_journal_can_not_be_kept_and_it_goes_on_by_itself(world, disk, spoil, mend, words):
    transport = MemoryTransport()
    deliverer = world.deliverer(transport=transport)
    spoil(disk)

    served_by(world, deliverer)
    tally = deliverer.drain()
    snapshot = monitor.take(world.runtime)

    assert (tally.accepted, transport.sent, state_of(world)) == (0, [], [("planned", 1)])
    assert sentence(snapshot).startswith(words.format(folder=disk.path, host=platform.node()))
    assert "1 email is waiting" in sentence(snapshot)
    assert judge(snapshot).code is Code.FOLDER
    assert snapshot.stand(snapshot.lanes[0]).code is Standing.FOLDER
    assert snapshot.finish_at() is None

    mend(disk)
    deliverer.beat()
    deliverer.drain()
    after = monitor.take(world.runtime)
    deliverer.close()

    assert state_of(world) == [("accepted", 1)]
    assert judge(after).code is not Code.FOLDER


def test_what_was_under_way_when_the_disk_became_full_is_recorded_as_it_ended(world, disk):
    for number in range(9):
        world.signature("a-petition", f"p{number}@example.org")

    def script(envelope):
        if len(transport.sent) == 2:
            disk.fill()
        return accepted(envelope)

    transport = MemoryTransport(script=script)
    deliverer = world.deliverer(transport=transport)

    deliverer.drain()

    assert len(transport.sent) == 10
    assert state_of(world) == [("accepted", 10)]
    deliverer.close()


def test_a_worker_that_begins_on_a_full_disk_says_so_and_sends_once_there_is_space(world, disk):
    disk.fill()
    transport = MemoryTransport()

    deliverer = world.deliverer(transport=transport)
    served_by(world, deliverer)
    deliverer.drain()
    told = sentence(monitor.take(world.runtime))
    disk.free()
    deliverer.beat()
    deliverer.drain()
    deliverer.close()

    assert told.startswith("The disk of the data folder")
    assert (len(transport.sent), state_of(world)) == (1, [("accepted", 1)])


def test_admins_are_told_of_a_full_data_folder_once(world, disk):
    from_admins = world.sql("select count(*) from message where kind = 'admin_alert'")
    deliverer = world.deliverer()
    disk.fill()
    deliverer.beat()

    alerts.watch(world.runtime)
    alerts.watch(world.runtime)

    [(cause, reason)] = world.sql("select cause, reason from alert")
    disk.free()
    deliverer.beat()
    alerts.watch(world.runtime)
    [(ended,)] = world.sql("select ended_at is not null from alert")
    deliverer.close()
    assert from_admins == [(0,)]
    assert (cause, ended) == ("folder", True)
    assert reason == f"{platform.node()}: {disk.path} (full)"


def test_a_line_that_the_full_disk_took_in_part_is_noted_as_a_whole(disk):
    kept = journal.Journal(disk.path / "journal", 7)
    noted = list(range(100_000, 100_450))
    for message_id in noted:
        kept.submit(message_id)
    size = kept.path.stat().st_size
    # The next line begins in one page and ends in the next, for which there is no space.
    assert size % 4096 > 4096 - len(b"S 200000\n")
    disk.fill()

    kept.submit(200_000)
    kept.close(remove=False)

    [found] = journal.legacies(disk.path / "journal")
    assert found.submitted == {*noted, 200_000}
    assert found.complete
