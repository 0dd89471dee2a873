"""Celery apps and nudgers whose connections and threads end with the test that made them."""

from collections.abc import Callable, Iterator

import pytest
from celery import Celery
from kombu import pools

from campaign.settings import Settings
from tasks.app import make_app
from tasks.nudging import Nudger


@pytest.fixture
def celery_app() -> Iterator[Callable[[Settings], Celery]]:
    """Makes apps; kombu would keep their connections to Redis open as long as the process lives."""
    yield make_app
    pools.reset()


@pytest.fixture
def nudger_of(celery_app) -> Iterator[Callable[[Celery], Nudger]]:
    """Makes nudgers; they end before the connections that they use."""
    made = []

    def make(app: Celery) -> Nudger:
        made.append(Nudger(app))
        return made[-1]

    yield make
    for nudger in made:
        nudger.close()
