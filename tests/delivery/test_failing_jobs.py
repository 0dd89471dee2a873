"""A job that fails is late, told with its cause, and an alert (C2)."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.database import jobs as database_jobs
from campaign.delivery.jobs import Job, run_job
from campaign.errors import StoreUnavailableError
from campaign.operations import alerts, monitor
from campaign.operations.diagnosis import judge_all
from campaign.operations.health import Code, Level
from campaign.states import Lane
from tests.kit.memory_transport import MemoryTransport

NAME = "signatures.count"


def read_only(runtime):
    """A job whose write the database refuses, as all do in a read-only one."""

    def work(tx):
        tx.execute(text("set transaction read only"))
        tx.execute(text("update petition set count = count"))

    runtime.store.transact(work)


def fail(world, error=StoreUnavailableError, run=read_only):
    world.read(lambda tx: database_jobs.claim_due(tx, {NAME: timedelta(seconds=2)}, now=world.clock.now))
    with pytest.raises(error):
        run_job(world.runtime, NAME, Job(timedelta(seconds=2), run))
    world.clock.forward(seconds=2)


def found(world):
    [status] = database_jobs_of(world)
    return status


def database_jobs_of(world):
    return world.read(lambda tx: database_jobs.jobs(tx, [NAME]))


def test_a_failing_job_is_late_with_its_cause_until_it_ends_well(world):
    fail(world)
    first = found(world)
    fail(world)
    again = found(world)
    run_job(world.runtime, NAME, Job(timedelta(seconds=2), lambda _: 7))
    mended = found(world)

    assert first.is_late(world.clock.now)
    assert first.error.startswith("PostgreSQL is read-only")
    assert again.failing_since == first.failing_since
    assert (mended.failing_since, mended.error, mended.outcome) == (None, None, "7")
    assert not mended.is_late(world.clock.now)


def test_an_unexpected_error_is_told_by_its_kind_and_never_with_its_words(world):
    def run(runtime):
        raise ValueError("zahra@example.org")

    fail(world, ValueError, run)

    assert found(world).error == "unexpected error (ValueError); see the log of the workers"


def test_a_job_that_fails_for_more_than_a_minute_is_bad_news_and_an_alert(world):
    accounts.create(world.runtime, email="ada@example.org", name="Ada", role=Role.ADMIN)
    fail(world)
    at_first = [one for one in judge_all(monitor.take(world.runtime)) if one.code is Code.JOB_FAILS]
    told_at_first = alerts.watch(world.runtime)
    world.clock.forward(seconds=60)
    later = [one for one in judge_all(monitor.take(world.runtime)) if one.code is Code.JOB_FAILS]
    told_later = alerts.watch(world.runtime)
    transport = MemoryTransport()
    # A failing job is a trouble of urgent mail, so the other lane tells of it.
    world.deliverer(Lane.BULK, transport=transport).drain()

    assert ([one.level for one in at_first], told_at_first) == ([Level.WARNING], 0)
    assert ([one.level for one in later], told_later) == ([Level.BAD], 1)
    [mail] = transport.sent
    assert b"Count signatures" in mail.data
    assert b"PostgreSQL is read-only" in mail.data.replace(b"=\r\n", b"")
