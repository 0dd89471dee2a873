"""The transport double keeps the same promises as the real one."""

import pytest

from campaign.errors import SessionFailedError
from campaign.smtp.replies import AWAY
from campaign.smtp.transport import Envelope, Outcome, Phase, Result, Transport
from tests.kit.memory_transport import MemoryTransport
from tests.mail.kit import envelope


def greylisted(given: Envelope) -> Outcome:
    return Outcome(given.id, AWAY, Phase.RCPT, 450, "4.2.0", "4.2.0 Later")


def test_everything_is_accepted_without_a_script() -> None:
    transport = MemoryTransport()
    submitted: list[int] = []
    outcomes: list[Outcome] = []

    transport.deliver([envelope(1), envelope(2)], on_submit=submitted.append, on_outcome=outcomes.append)
    transport.close()

    assert submitted == [sent.id for sent in transport.sent] == [outcome.id for outcome in outcomes] == [1, 2]
    assert transport.closed == 1


def test_a_script_decides_and_what_never_reached_the_dot_was_not_submitted() -> None:
    transport: Transport = MemoryTransport(script=greylisted)
    submitted: list[int] = []
    outcomes: list[Outcome] = []

    transport.deliver([envelope(1)], on_submit=submitted.append, on_outcome=outcomes.append)

    assert submitted == []
    assert outcomes[0].code == 450


def test_a_failure_takes_nothing_and_is_raised_once() -> None:
    transport = MemoryTransport(failures=[SessionFailedError("no", phase="connect", permanent=False)])
    outcomes: list[Outcome] = []

    with pytest.raises(SessionFailedError):
        transport.deliver([envelope(1)], on_submit=lambda _: None, on_outcome=outcomes.append)
    assert outcomes == []
    transport.deliver([envelope(1)], on_submit=lambda _: None, on_outcome=outcomes.append)

    assert [outcome.result for outcome in outcomes] == [Result.ACCEPTED]
