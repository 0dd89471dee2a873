"""Count what a batch led to, for /metrics: only what this worker's word changed."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import groupby
from typing import Final, Protocol

from campaign.database.connection import Transaction
from campaign.database.counters import CONFIRMATION_LATENCY
from campaign.outbox import counted
from campaign.outbox.claimed import Claimed
from campaign.outbox.counted import MessageOutcome
from campaign.outbox.ledger import Settlement
from campaign.smtp.transport import Outcome
from campaign.states import Lane, MessageKind

_BOUNCES: Final = {
    "gone": MessageOutcome.GONE,
    "full": MessageOutcome.FULL,
    "unknown": MessageOutcome.UNKNOWN,
}
"""By the kind of bounce in the table of replies (smtp/replies.py)."""

_REASONS: Final = {"expired": MessageOutcome.EXPIRED, "not_rendered": MessageOutcome.NOT_RENDERED}
"""By what the reason begins with, before its colon, where the refusal is our own."""


class WithMessage(Protocol):
    """Something that a message is part of."""

    @property
    def message(self) -> Claimed:
        """The message."""


def outcome_of(settlement: Settlement, outcome: Outcome | None) -> MessageOutcome:
    """The word for what became of a message.

    Args:
        settlement: as recorded.
        outcome: what the mail server said; None if it was not asked.
    """
    if settlement.state == "planned":
        return MessageOutcome.DEFERRED
    if settlement.state != "rejected":
        return MessageOutcome(settlement.state)
    own = _REASONS.get((settlement.reason or "").partition(":")[0])
    if own is not None:
        return own
    if outcome is not None and outcome.verdict.is_text:
        return MessageOutcome.TEXT
    bounce = None if outcome is None else outcome.verdict.bounce
    return MessageOutcome.OTHER if bounce is None else _BOUNCES.get(bounce.kind, MessageOutcome.OTHER)


def count(
    tx: Transaction,
    lane: Lane,
    settlements: Iterable[Settlement],
    *,
    sent: Mapping[int, WithMessage],
    outcomes: Mapping[int, Outcome],
    changed: Collection[int],
    now: datetime,
) -> None:
    """Count the outcomes of a batch, and how long those who signed waited for their confirmation email.

    Args:
        tx: the transaction that records them.
        lane: the lane.
        settlements: what became of each message.
        sent: the messages by id.
        outcomes: what the mail server said, by message.
        changed: the messages that this changed; the others were settled, and counted, by another.
        now: the moment of recording.
    """
    accepted = []
    for item in settlements:
        if item.message_id not in changed:
            continue
        message = sent[item.message_id].message
        if item.state == "accepted":
            accepted.append(message)
        else:
            counted.count(tx, message.kind, lane, outcome_of(item, outcomes.get(item.message_id)))
    # Grouped by what is equal, not by hash: the hash of an enum's member is a call of Python's own, for each message.
    for kind, group in groupby(message.kind for message in accepted):
        counted.count(tx, kind, lane, MessageOutcome.ACCEPTED, number=sum(1 for _ in group))
    if lane is Lane.URGENT:
        _observe(tx, [message for message in accepted if message.kind is MessageKind.CONFIRMATION], now)


def _observe(tx: Transaction, confirmations: Iterable[Claimed], now: datetime) -> None:
    sent_at = {one.signature_id: one.requested_at for one in confirmations if one.signature_id is not None}
    for signature_id in counted.with_one_confirmation(tx, list(sent_at)):
        requested_at = sent_at[signature_id]
        if requested_at is not None:
            tx.counts.observe(CONFIRMATION_LATENCY, (now - requested_at).total_seconds())
