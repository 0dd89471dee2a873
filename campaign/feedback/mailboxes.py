"""What a door does with a mail that came in, and with the mailbox it lies in."""

import logging
from collections import Counter
from enum import StrEnum

from campaign.feedback import returned
from campaign.feedback.events import store
from campaign.mail.verp import Names
from campaign.runtime import Runtime

log = logging.getLogger(__name__)


class Receipt(StrEnum):
    """What became of a mail."""

    STORED = "stored"
    """It is stored now and will be applied."""
    KNOWN = "known"
    """It was stored before."""
    HELD = "held"
    """It waits in quarantine for a person."""
    FOREIGN = "foreign"
    """It came to no return address of ours, and is no report: nothing was stored."""


def receive(runtime: Runtime, raw: bytes, *, recipient: str = "", sender: str | None = None) -> tuple[Receipt, bool]:
    """Store what a mail tells.

    Args:
        runtime: the runtime.
        raw: as it arrived, cut behind :data:`~campaign.feedback.returned.MAX_MAIL` + 1 octets.
        recipient: the envelope's recipient, if the door knows it.
        sender: the envelope's sender, empty for the null sender; None if the door does not know it.

    Returns:
        What became of it, and True if it came to a return address of ours, so that it may be deleted where it lies.

    Raises:
        StoreUnavailableError: nothing was stored; the mail must be kept and brought again.
    """
    found = returned.read(raw, Names.by(runtime), now=runtime.clock(), recipient=recipient, sender=sender)
    if found.event is None:
        return Receipt.FOREIGN, found.is_signed
    new = store(runtime, returned.PROVIDER, [found.event])
    if found.event.problem:
        return Receipt.HELD, found.is_signed
    return Receipt.STORED if new else Receipt.KNOWN, found.is_signed


def summary(receipts: Counter[Receipt]) -> str:
    """How many mails were read, and what became of them, for logs and the command line."""
    return ", ".join(f"{receipts[receipt]:,} {receipt}" for receipt in Receipt if receipts[receipt]) or "no mail"
