"""Fixtures for all tests. Everything that is more than a line lives in tests/kit."""

import pytest

from tests.kit import engines as kit

engines = kit.engines
database_url = kit.database_url
redis_url = kit.redis_url
redis_prefix = kit.redis_prefix


def pytest_configure(config: pytest.Config) -> None:
    kit.begin(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    kit.share(node)


def pytest_unconfigure(config: pytest.Config) -> None:
    kit.end(config)
