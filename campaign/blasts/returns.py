"""What came back of an update after the mail server had taken it: beside the equation of the ledger, no part of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import LOST_KINDS, CameBack, EventKind

AFTER: Final = timedelta(days=7)
"""An unsubscription within this time is taken as an answer to the update."""

SHOWN: Final = 20


@dataclass(frozen=True)
class Returns:
    """What is known of the accepted messages of a blast since."""

    known: Mapping[CameBack, int]
    """Messages by the strongest that is known; of the others nothing was told."""
    reasons: tuple[tuple[str, str, int], ...]
    """Cause, status code or words of the server, and number of messages that came back; the most frequent first."""
    providers: tuple[tuple[str, int], ...]
    """Mail provider of the recipient, and number of messages that came back."""
    other_reasons: int
    """Messages that came back for reasons that are too rare to be listed."""
    unsubscribed: int
    """Recipients who wanted no more updates within :data:`AFTER`."""

    @property
    def is_empty(self) -> bool:
        """True if nothing is known at all."""
        return not self.known and not self.unsubscribed


def of_blast(tx: Transaction, blast_id: int, petition_id: int, *, since: datetime) -> Returns:
    """Count what came back of a blast that started at ``since``; by indexes of what came back alone."""
    known = tx.execute(
        text("""
        select came_back, count(*) as n from message where blast_id = :id and came_back is not null group by 1"""),
        id=blast_id,
    )
    lost = text("""
        with lost as (
            select distinct on (m.id) m.id, coalesce(e.cause, 'other') as cause,
                coalesce(e.status, nullif(e.detail ->> 'text', ''), '') as words,
                coalesce(e.mail_provider, 'other') as provider
            from message m join delivery_event e on e.message_id = m.id
            where m.blast_id = :id and m.came_back = 'bounced' and e.kind = any(cast(:kinds as text[]))
            order by m.id, e.id desc)
        select cause, words, provider, count(*) as n from lost group by 1, 2, 3""")
    kinds = [str(kind) for kind in LOST_KINDS - {EventKind.COMPLAINED}]
    reasons: dict[tuple[str, str], int] = {}
    providers: dict[str, int] = {}
    for row in tx.execute(lost, id=blast_id, kinds=kinds):
        reasons[row.cause, row.words] = reasons.get((row.cause, row.words), 0) + row.n
        providers[row.provider] = providers.get(row.provider, 0) + row.n
    shown = tuple((cause, words, n) for (cause, words), n in _largest(reasons))
    return Returns(
        known={CameBack(row.came_back): row.n for row in known},
        reasons=shown,
        other_reasons=sum(reasons.values()) - sum(n for _, _, n in shown),
        providers=tuple(_largest(providers)),
        unsubscribed=_unsubscribed(tx, blast_id, petition_id, since=since),
    )


Key = TypeVar("Key")


def _largest(numbers: Mapping[Key, int]) -> list[tuple[Key, int]]:
    return sorted(numbers.items(), key=lambda pair: -pair[1])[:SHOWN]


def _unsubscribed(tx: Transaction, blast_id: int, petition_id: int, *, since: datetime) -> int:
    return int(
        tx.execute(
            text("""
            select count(*) from signature s join message m on m.blast_id = :id and m.signature_id = s.id
            where s.petition_id = :petition_id and not s.wants_updates and s.updates_changed_at >= :since
                and m.state = 'accepted' and s.updates_changed_at between m.settled_at and m.settled_at + :after"""),
            id=blast_id,
            petition_id=petition_id,
            since=since,
            after=AFTER,
        ).scalar_one()
    )
