"""A site whose hooks have keys, for the tests of providers."""

from collections.abc import Iterator

import pytest

from tests.feedback.providers import kit
from tests.feedback.providers.kit import Door
from tests.kit.sites import borrow_web
from tests.kit.worlds import make_world


@pytest.fixture
def door(database_url: str, tmp_path) -> Iterator[Door]:
    world = make_world(database_url, tmp_path, **kit.keys())
    world.petition()
    yield kit.open_door(world, borrow_web(world.runtime))
    world.runtime.close()
