"""A ledger of millions: the monitor counts what is short, and reads of what is long what a job has counted."""

from datetime import timedelta

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.blasts import blasts
from campaign.blasts import progress as blast_progress
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastText
from campaign.operations import monitor, throughput
from campaign.outbox import depth, ledger
from campaign.petitions import organisers
from campaign.states import Lane
from tests.outbox.test_query_plans import indexes_used

LONG = depth.MANY + 1


@pytest.fixture
def olga(world):
    account_id = accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ADMIN)
    return next(account for account in accounts.list_all(world.runtime) if account.id == account_id)


@pytest.fixture
def blast(world, olga):
    """A blast that has begun, with one message of its own and as many more as are called long."""
    slug = world.petition()
    world.signature(slug, confirmed=True, wants_updates=True)
    petition_id = organisers.may_organise(world.runtime, olga, slug)
    texts = {"en": BlastText("News", "Hello")}
    blast_id = blasts.save_draft(world.runtime, petition_id, texts, by=olga, request_key="one")
    blasts.send_now(world.runtime, blast_id, petition_id, by=olga)
    world.clock.forward(seconds=31)
    blast_running.look(world.runtime)
    add(world, LONG - 1, first=2_000_000)
    return blast_id, petition_id


def add(world, number, *, first):
    """More messages of the blast, for signers who need not be there."""
    world.sql(
        """
        insert into message (signature_id, petition_id, blast_id, kind, lane, due_at)
        select %(first)s + n, petition_id, blast_id, kind, lane, due_at
        from message, generate_series(1, %(number)s) n
        where id = (select min(id) from message where blast_id is not null)
        """,
        first=first, number=number,
    )  # fmt: skip


def vacuum(world):
    """What PostgreSQL does by itself after so many changes: indexes can then be read without their table."""
    with world.runtime.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum (analyze) message")


def bulk(snapshot):
    return next(flow for flow in snapshot.lanes if flow.lane is Lane.BULK)


def test_a_long_queue_is_read_as_the_job_last_counted_it(world, blast):
    throughput.tally(world.runtime)
    add(world, 3, first=3_000_000)

    remembered = monitor.take(world.runtime)
    throughput.tally(world.runtime)
    counted_again = monitor.take(world.runtime)

    assert [bulk(remembered).waiting, bulk(counted_again).waiting] == [LONG, LONG + 3]
    assert [look.planned for look in remembered.blasts + counted_again.blasts] == [LONG, LONG + 3]
    assert bulk(remembered).oldest_waiting_at == world.clock.now


def test_a_count_that_no_job_keeps_up_to_date_is_not_believed(world, blast):
    throughput.tally(world.runtime)
    add(world, 3, first=3_000_000)
    world.clock.now += depth.FRESH + timedelta(seconds=1)

    assert bulk(monitor.take(world.runtime)).waiting == LONG + 3


def test_pausing_shows_at_once_however_long_the_queue_is(world, blast, olga):
    throughput.tally(world.runtime)

    blasts.pause(world.runtime, *blast, by=olga)
    paused = monitor.take(world.runtime)
    throughput.tally(world.runtime)
    later = monitor.take(world.runtime)

    for snapshot in (paused, later):
        assert (bulk(snapshot).waiting, bulk(snapshot).held) == (0, LONG)
        assert [look.stage for look in snapshot.blasts] == ["paused"]


def test_a_short_queue_is_counted_at_each_look(world, blast):
    throughput.tally(world.runtime)
    world.sql("delete from message where signature_id > 2000000")
    world.clock.forward(seconds=15)

    forgotten = throughput.tally(world.runtime)

    assert forgotten == 0
    assert bulk(monitor.take(world.runtime)).waiting == 1
    assert world.sql("select count(*) from tally") == [(0,)]


def test_the_rate_of_a_fast_flow_is_measured_on_its_newest_mails(world, blast):
    # 1,000 a second for 45 seconds.
    world.sql(
        "update message set state = 'accepted', settled_at = %(now)s - (signature_id - 2000000) * interval '1 ms' "
        "where signature_id between 2000001 and 2045000",
        now=world.clock.now,
    )
    world.sql(
        "insert into lane_minute (lane, minute, accepted) values ('bulk', %(minute)s, 6000)",
        minute=world.clock.now.replace(second=0) - timedelta(minutes=3),
    )

    flow, [look] = bulk(monitor.take(world.runtime)), monitor.take(world.runtime).blasts

    assert blast_progress.NEWEST < 45_000
    assert flow.rate == pytest.approx(1000, rel=0.01)
    assert look.rate == pytest.approx(flow.rate)
    assert flow.accepted_1m == pytest.approx(60_000, rel=0.01)
    assert flow.accepted_5m == flow.accepted_60m == flow.accepted_1m + 6000


def test_the_monitor_reads_no_large_table_whole(world, blast):
    add(world, 4 * LONG, first=4_000_000)
    world.sql(
        "update message set state = 'accepted', settled_at = due_at - signature_id * interval '1 ms' "
        "where signature_id > 4000000"
    )
    vacuum(world)
    throughput.tally(world.runtime)

    indexes, whole = indexes_used(world, lambda: monitor.take(world.runtime))

    assert whole == set()
    assert indexes >= {"ix_message_settled", "ix_message_lease"}


def test_a_held_blast_holds_up_no_other_however_long_its_queue_is(world, blast, olga):
    blast_id, petition_id = blast
    other = blasts.save_draft(world.runtime, petition_id, {"en": BlastText("More", "Hi")}, by=olga, request_key="two")
    blasts.send_now(world.runtime, other, petition_id, by=olga)
    world.clock.forward(seconds=31)
    blast_running.look(world.runtime)
    blasts.pause(world.runtime, blast_id, petition_id, by=olga)
    world.sql("analyze message")
    rows = []

    def act():
        now = world.runtime.clock()
        rows.extend(
            world.read(
                lambda tx: ledger.claim(
                    tx, Lane.BULK, owner_id=1, limit=500, lease_until=now + timedelta(minutes=2), now=now, at_once=True
                )
            )
        )

    indexes, _ = indexes_used(world, act)

    assert [row.blast_id for row in rows] == [other]
    assert "ix_message_blast_due" in indexes
    assert "ix_message_due" not in indexes


def test_when_every_blast_is_held_nothing_is_claimed(world, blast, olga):
    blast_id, petition_id = blast
    blasts.pause(world.runtime, blast_id, petition_id, by=olga)

    now = world.runtime.clock()
    rows = world.read(
        lambda tx: ledger.claim(tx, Lane.BULK, owner_id=1, limit=9, lease_until=now, now=now, at_once=True)
    )

    assert rows == []
