"""A transport in memory, for tests: scripted outcomes, nothing leaves the process."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from campaign.errors import SessionFailedError
from campaign.smtp.replies import ACCEPTED
from campaign.smtp.transport import Envelope, OnOutcome, OnSubmit, Outcome, Phase, Result


def accepted(envelope: Envelope) -> Outcome:
    """The usual outcome."""
    return Outcome(envelope.id, ACCEPTED, Phase.DOT, 250, "2.0.0", "2.0.0 Ok")


@dataclass
class MemoryTransport:
    """Keeps what it accepted in ``sent``.

    ``script`` decides each outcome (accepted, if not given); ``failures`` are raised one per call of :meth:`deliver`
    before anything is taken, until none is left.
    """

    script: Callable[[Envelope], Outcome] = accepted
    failures: list[SessionFailedError] = field(default_factory=list)
    sent: list[Envelope] = field(default_factory=list)
    closed: int = 0

    def deliver(self, envelopes: Iterable[Envelope], *, on_submit: OnSubmit, on_outcome: OnOutcome) -> None:
        """See :class:`~campaign.smtp.transport.Transport`."""
        if self.failures:
            raise self.failures.pop(0)
        for envelope in envelopes:
            outcome = self.script(envelope)
            if outcome.phase is Phase.DOT:
                on_submit(envelope.id)
            if outcome.result is Result.ACCEPTED:
                self.sent.append(envelope)
            on_outcome(outcome)

    def close(self) -> None:
        """Count it."""
        self.closed += 1
