"""React to reputation blocks (F8, F11): pause the lane, or hold one receiver's domain."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from campaign.database.connection import Transaction
from campaign.delivery import pacing
from campaign.delivery.pacing import domain_key
from campaign.outbox import lanes
from campaign.runtime import Runtime
from campaign.smtp.transport import Outcome, Result
from campaign.states import Lane

ENOUGH = 5
"""So many in a row, by several receivers and without an acceptance between them, are not about one receiver."""

SEVERAL = 2

PROOF = timedelta(days=1)
"""If the mail server took mail within this time, one receiver's refusal is about that receiver."""


@dataclass(frozen=True)
class BlocksInARow:
    """Reputation blocks since the last acceptance. ``receivers`` are keys of :func:`receiver`."""

    number: int
    receivers: frozenset[bytes]

    def needs_a_person(self, *, proven: bool) -> bool:
        """True if the lane should stop.

        Args:
            proven: a mail server took mail of ours within :data:`PROOF`. Until then the first refusal most often
                means that the sender was set up wrongly.
        """
        if not proven:
            return self.number > 0
        return self.number >= ENOUGH and len(self.receivers) >= SEVERAL


def receiver(domain: str) -> str:
    """The owner of a domain, roughly: its last two labels, because subdomains cost nothing."""
    return ".".join(domain.lower().split(".")[-2:])


def is_share(refused: int, judged: int) -> bool:
    """True if more than one answer in ten says the same: this is the domain's policy, not chance."""
    return refused * 10 > judged


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """The outcome of a message, and the domain of its recipient."""

    outcome: Outcome
    domain: str = field(repr=False)

    @property
    def is_block(self) -> bool:
        """True if the message met a reputation block."""
        return self.outcome.verdict.is_block


def look(
    runtime: Runtime,
    tx: Transaction,
    lane: Lane,
    heard: Sequence[RecipientOutcome],
    *,
    before: int = 0,
    by: frozenset[bytes] = frozenset(),
) -> bool:
    """Look for reputation blocks in one batch: its outcomes in their order, without those about a blast's own text.

    To be called in the transaction that records them, after the circuit was closed for what was accepted. ``before``
    more were found to be blocks afterwards, ``by`` are receivers of such. Returns True if the lane pauses.
    """
    last = max((n for n, each in enumerate(heard, 1) if each.outcome.result is Result.ACCEPTED), default=0)
    tail = [each for each in heard[last:] if each.is_block]
    if tail and _stop(runtime, tx, lane, tail, before=before, by=by):
        return True
    _hold_domains(runtime, tx, lane, heard)
    return False


def _stop(
    runtime: Runtime,
    tx: Transaction,
    lane: Lane,
    tail: Sequence[RecipientOutcome],
    *,
    before: int,
    by: frozenset[bytes],
) -> bool:
    now = runtime.clock()
    receivers = {domain_key(runtime, receiver(each.domain)) for each in tail} | by
    number, keys = lanes.refused(tx, lane, number=len(tail) + before, receivers=receivers)
    ours = any(each.outcome.verdict.pauses_lane for each in tail)
    proven = lanes.took_mail(tx, since=now - PROOF)
    if not (ours or BlocksInARow(number, keys).needs_a_person(proven=proven)):
        return False
    lanes.pause(tx, lane, by="system", reason=f"the mail server refuses our mail: {_answer(tail[-1].outcome)}", now=now)
    return True


def _hold_domains(runtime: Runtime, tx: Transaction, lane: Lane, heard: Sequence[RecipientOutcome]) -> None:
    refused = [each for each in heard if each.is_block and not each.outcome.verdict.pauses_lane]
    judged = Counter(each.domain for each in heard)
    held = [name for name, number in Counter(each.domain for each in refused).items() if is_share(number, judged[name])]
    if not held:
        return
    now = runtime.clock()
    pacing.hold(tx, [domain_key(runtime, name) for name in held], now=now)
    answer = _answer(next(each.outcome for each in reversed(refused) if each.domain in held))
    lanes.note_refusal(tx, lane, answer=answer, now=now)
    # Not the answer: it may name the domain.
    log.warning("lane %s: %d domains block our mail and are held", lane, len(held))


def _answer(outcome: Outcome) -> str:
    return f"{outcome.code or ''} {outcome.text}".strip()[:150]
