"""One real installation for the journeys of a test process."""

from collections.abc import Iterator

import pytest

from tests.kit.browsers import WHY, find_program
from tests.kit.installation import Installation, installation


@pytest.fixture(scope="session")
def site() -> Iterator[Installation]:
    """`countersign up`, started by the first journey that asks."""
    if find_program() is None:
        pytest.skip(WHY)
    with installation() as made:
        yield made
