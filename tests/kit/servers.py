"""What a mail server may answer, as scripts for the memory transport."""

from collections.abc import Callable

from campaign.smtp.transport import Blame, Envelope, Outcome, Phase, Result, accepted

Script = Callable[[Envelope], Outcome]


def answering(
    result: Result, phase: Phase, code: int | None, enhanced: str | None = None, *, blame: Blame = Blame.SERVER,
    text: str = "words of the server",
) -> Script:  # fmt: skip
    """The same answer to every message."""
    return lambda envelope: Outcome(envelope.id, result, phase, code, enhanced, text, blame)


def refusing(code: int, enhanced: str | None, *, blame: Blame = Blame.RECIPIENT, phase: Phase = Phase.RCPT) -> Script:
    """A refusal for good, by default of the recipient."""
    return answering(Result.PERMANENT, phase, code, enhanced, blame=blame)


greylisting = answering(Result.TEMPORARY, Phase.RCPT, 450, "4.7.1")
silent_after_the_dot = answering(Result.UNCERTAIN, Phase.DOT, None)


def in_turn(*scripts: Script) -> Script:
    """Each answer once, then acceptance."""
    waiting = list(scripts)

    def script(envelope: Envelope) -> Outcome:
        return waiting.pop(0)(envelope) if waiting else accepted(envelope)

    return script
