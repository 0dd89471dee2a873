"""The same words to recipients of several domains are about us, whatever their code (F62).

What such refusals led to before there were enough of them is undone.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from campaign.database.connection import Transaction
from campaign.delivery.pacing import domain_key
from campaign.delivery.refusals import receiver
from campaign.outbox import recent_refusals
from campaign.outbox.recent_refusals import RecentRefusal
from campaign.runtime import Runtime
from campaign.security.encryption import keyed_hash
from campaign.smtp.replies import REPUTATION
from campaign.smtp.transport import Blame, Outcome, Phase, Result
from campaign.smtp.words import alike
from campaign.states import Lane

log = logging.getLogger(__name__)

ALIKE: Final = (2, 2)
"""Refusals in a row with the same words, and receivers among them, that are about us."""

AGAIN: Final = timedelta(minutes=5)
"""When a message whose refusal was undone is tried again."""

ABOUT_MAILBOX: Final = (10, 3)
"""The same for words that are usual for addresses that do not exist: a list may begin with several of these."""

WORDLESS: Final = (5, 3)
"""The same for replies that say nothing."""

_MAILBOX: Final = re.compile(
    r"(user|mailbox|recipient|account|address|inbox|person|name|alias).*"
    r"(unknown|exist|no such|not found|invalid|disabled|inactive|unavailable|reject|not here|no longer|full|quota)"
    r"|(unknown|no such|invalid|bad|inactive|non-?existent) (local )?(user|mailbox|recipient|account|address|person)"
    r"|no mailbox|not our customer",
    re.IGNORECASE,
)
_CONTENT: Final = ("5.6.", "5.3.4", "5.2.3")


@dataclass(frozen=True, slots=True)
class Refused:
    """The refusal of a message, with the domain and the keyed hash of its recipient."""

    outcome: Outcome
    domain: str = field(repr=False)
    address_key: bytes = field(repr=False)


@dataclass(frozen=True)
class Incident:
    """What a batch showed to be about us."""

    about_us: frozenset[int]
    """Messages of the batch."""
    undone: int
    """Earlier messages, planned again."""
    receivers: frozenset[bytes]


NOTHING: Final = Incident(frozenset(), 0, frozenset())


def as_ours(outcome: Outcome) -> Outcome:
    """The outcome when its refusal is about us."""
    return replace(outcome, verdict=REPUTATION)


def look(
    runtime: Runtime, tx: Transaction, lane: Lane, refused: Sequence[Refused], *, tail: frozenset[int], now: datetime
) -> Incident:
    """Look for the same words to several receivers among refusals, with those of the batches before.

    Args:
        runtime: for keys.
        tx: the transaction that records the batch.
        lane: its lane.
        refused: what was refused in the batch, in order.
        tail: ids of the messages after the last acceptance of the batch; all, if it has none.
        now: the present moment.
    """
    suspects = [each for each in refused if _may_be_ours(each.outcome)]
    if not suspects:
        return NOTHING
    rows = {each.outcome.id: _row(runtime, each) for each in suspects}
    late = [each for each in suspects if each.outcome.id in tail]
    before = recent_refusals.in_a_row(
        tx, lane, {rows[each.outcome.id].answer_key for each in late}, since=now - recent_refusals.KEPT
    )
    ours: list[Refused] = []
    undo: list[RecentRefusal] = []
    for words in dict.fromkeys(rows[each.outcome.id].answer_key for each in late):
        group = [each for each in late if rows[each.outcome.id].answer_key == words]
        ids = {each.outcome.id for each in group}
        earlier = [row for row in before.get(words, []) if row.message_id not in ids]
        if _is_enough(group, [*earlier, *(rows[id_] for id_ in ids)]):
            ours += group
            undo += earlier
    mine = frozenset(each.outcome.id for each in ours)
    _remember(tx, lane, rows.values(), tail, now)
    undone = recent_refusals.undo(tx, [row.message_id for row in undo], due_at=now + AGAIN, now=now) if undo else 0
    if ours:
        log.warning("lane %s: several receivers refuse with the same words; %d undone", lane, undone)
    keys = {row.receiver_key for row in undo} | {rows[each.outcome.id].receiver_key for each in ours}
    return Incident(mine, undone, frozenset(keys))


def _remember(tx: Transaction, lane: Lane, rows: Iterable[RecentRefusal], tail: frozenset[int], now: datetime) -> None:
    rows = list(rows)
    for over in (True, False):
        some = [row for row in rows if (row.message_id not in tail) is over]
        if some:
            recent_refusals.add(tx, lane, some, over=over, now=now)


def _may_be_ours(outcome: Outcome) -> bool:
    if outcome.result is not Result.PERMANENT or outcome.code is None or outcome.phase is Phase.MAIL:
        return False
    if outcome.verdict.is_text:
        return not (outcome.enhanced or "").startswith(_CONTENT)
    return outcome.blame is not Blame.US


def _row(runtime: Runtime, refused: Refused) -> RecentRefusal:
    key = keyed_hash(runtime.secrets.address, f"answer.{_words(refused.outcome)}")
    return RecentRefusal(refused.outcome.id, key, domain_key(runtime, receiver(refused.domain)), refused.address_key)


def _words(outcome: Outcome) -> str:
    return alike(outcome.text) or f"{outcome.code} {outcome.phase}"


def _is_enough(group: Sequence[Refused], rows: Sequence[RecentRefusal]) -> bool:
    text = group[0].outcome.text
    number, receivers = ALIKE
    if not alike(text):
        number, receivers = WORDLESS
    elif _MAILBOX.search(text):
        number, receivers = ABOUT_MAILBOX
    return len(rows) >= number and len({row.receiver_key for row in rows}) >= receivers
