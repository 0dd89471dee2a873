"""A message that was accepted by a mail server, for what comes back of it."""

import pytest

from tests.kit.returned_mail import Sent, send
from tests.kit.worlds import World


@pytest.fixture
def sent(world: World) -> Sent:
    """A confirmation to the recipient of the samples."""
    return send(world)
