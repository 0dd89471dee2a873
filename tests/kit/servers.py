"""What a mail server may answer, as scripts for the memory transport."""

from collections.abc import Callable

from campaign.smtp.replies import judge
from campaign.smtp.transport import Envelope, Outcome, Phase
from tests.kit.memory_transport import accepted

Script = Callable[[Envelope], Outcome]


def answering(phase: Phase, code: int | None, enhanced: str | None = None) -> Script:
    """The same answer to every message, or with no code the same silence, and what the product makes of it."""
    text = "words of the server"
    return lambda envelope: Outcome(envelope.id, judge(phase, code, enhanced, text), phase, code, enhanced, text)


def refusing(code: int, enhanced: str | None, *, phase: Phase = Phase.RCPT) -> Script:
    """A refusal, by default of the recipient."""
    return answering(phase, code, enhanced)


greylisting = answering(Phase.RCPT, 450, "4.7.1")
silent_after_the_dot = answering(Phase.DOT, None)


def in_turn(*scripts: Script) -> Script:
    """Each answer once, then acceptance."""
    waiting = list(scripts)

    def script(envelope: Envelope) -> Outcome:
        return waiting.pop(0)(envelope) if waiting else accepted(envelope)

    return script
