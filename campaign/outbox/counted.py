"""What /metrics counts of messages: each outcome in the transaction that records it, in the words of the ledger."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, text

from campaign.database.connection import Transaction
from campaign.database.counters import MESSAGES


class MessageOutcome(StrEnum):
    """Outcomes of messages. What is rejected is told apart by why; a state is the word for all others."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    """An attempt was not accepted, and there will be another."""
    GONE = "rejected_gone"
    """The mailbox does not exist."""
    FULL = "rejected_full"
    UNKNOWN = "rejected_unknown"
    """The address was refused without a clear reason."""
    TEXT = "rejected_text"
    """The text of an update was refused."""
    EXPIRED = "rejected_expired"
    """It was deferred for days."""
    NOT_RENDERED = "rejected_not_rendered"
    """No email could be made of it."""
    POISON = "rejected_poison"
    """Three workers died with it."""
    OTHER = "rejected_other"
    UNCERTAIN = "uncertain"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    BOUNCED = "bounced"
    """It came back after it had been accepted."""
    COMPLAINED = "complained"
    """Its recipient marked it as spam."""


def count(tx: Transaction, kind: str, lane: str, outcome: MessageOutcome, *, number: int = 1) -> None:
    """Count an outcome of messages of a kind and lane."""
    tx.counts.count(MESSAGES, kind, lane, outcome, number=number)


def count_rows(tx: Transaction, rows: Iterable[Row[Any]], outcome: MessageOutcome | None = None) -> int:
    """Count the outcome of changed messages.

    Args:
        tx: the open transaction.
        rows: ``kind`` and ``lane`` of each message, and, if ``outcome`` is not given, ``outcome``; one with the outcome
            null, for it is planned again, is not counted.
        outcome: that of all messages.

    Returns:
        How many rows there are.
    """
    number = 0
    for row in rows:
        number += 1
        word = outcome or row.outcome
        if word is not None:
            count(tx, row.kind, row.lane, MessageOutcome(word))
    return number


def with_one_confirmation(tx: Transaction, signature_ids: Sequence[int]) -> set[int]:
    """Those of the signatures that one confirmation email was planned for, which is that of their form."""
    if not signature_ids:
        return set()
    rows = tx.execute(
        text("""
        select signature_id from message
        where signature_id = any(:ids) and kind = 'confirmation' and blast_id is null
        group by signature_id having count(*) = 1"""),
        ids=list(signature_ids),
    )
    return set(rows.scalars())
