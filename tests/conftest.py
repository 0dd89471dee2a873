"""Fixtures for all tests. Everything that is more than a line lives in tests/kit."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from campaign.database import migrate
from campaign.local.servers import postgres
from tests.kit import browsers, open_files, sharing, skipping, wake_ups
from tests.kit import engines as kit_engines
from tests.kit.worlds import World, make_world, settings_for

# How long an example takes says something about the machine, not about the code.
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

engines = kit_engines.engines
database_url = kit_engines.database_url
new_tables = kit_engines.new_tables
redis_url = kit_engines.redis_url
redis_prefix = kit_engines.redis_prefix
chromium = browsers.chromium
visitor = browsers.visitor
open_files_of_a_test = open_files.open_files
celery_app = wake_ups.celery_app
nudger_of = wake_ups.nudger_of


def pytest_configure(config: pytest.Config) -> None:
    kit_engines.begin(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    kit_engines.share(node)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Iterator[None]:
    try:
        yield
    finally:
        browsers.PROGRAM.make_room(nextitem)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log) -> sharing.Scheduling:
    return sharing.make_scheduler(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    browsers.say_what_was_skipped(terminalreporter)
    skipping.say_what_was_skipped(terminalreporter)


def pytest_unconfigure(config: pytest.Config) -> None:
    kit_engines.end(config)


@pytest.fixture
def world(database_url: str, tmp_path) -> Iterator[World]:
    """A runtime on a clean database with a clock that stands."""
    made = make_world(database_url, tmp_path)
    yield made
    made.runtime.close()


@pytest.fixture
def own_server(tmp_path):
    """A PostgreSQL of this test's own, which it may stop."""
    settings = settings_for("postgresql://unused/", tmp_path)
    url = postgres.start(settings)
    migrate.upgrade(url)
    yield settings, url
    postgres.discard(settings)
