from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.mail.kit import Deliveries, deliveries


@pytest.fixture
def client() -> Iterator[Callable[..., Deliveries]]:
    made: list[Deliveries] = []

    def make(port: int, **options: Any) -> Deliveries:
        made.append(deliveries(port, **options))
        return made[-1]

    yield make
    for each in made:
        each.transport.close()
