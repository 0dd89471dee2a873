"""Erasure: the one way in which a signature loses what tells who signed. Docs: ADR 22.

What stays is a row that says that somebody signed on a day, whether it counts, and, if it does, keyed hashes of its
mailbox and person, which stop a second count. What was agreed to is counted apart (``consent_proof``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from campaign.accounts import audit
from campaign.database.connection import Transaction
from campaign.outbox import plan as outbox_plan
from campaign.petitions import petitions
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey
from campaign.signatures import erasure_queries, moving_queries, reply_mail, request_queries
from campaign.signatures.erasure_queries import Erased, Mark
from campaign.states import SignatureState


def erase(runtime: Runtime, tx: Transaction, signature_ids: Sequence[int], *, reason: str) -> int:
    """Erase signatures, what waits for them in the outbox, and the requests and address changes of their mailboxes.

    Args:
        runtime: the runtime.
        tx: the caller's transaction, which holds the rows.
        signature_ids: of any petitions.
        reason: why their mail is cancelled.

    Returns:
        How many were erased; those erased before are not among them.
    """
    if not signature_ids:
        return 0
    ids, now = list(signature_ids), runtime.clock()
    marks = _marks(runtime, tx, ids)
    request_queries.delete_of(tx, ids)
    moving_queries.delete_of(tx, ids)
    reply_mail.delete_of(tx, ids)
    erasure_queries.keep_consents(tx, ids)
    changed = erasure_queries.erase(tx, ids, marks, now=now)
    outbox_plan.cancel_for(tx, ids, reason=reason, now=now)
    outbox_plan.round_times(tx, ids)
    destroy_keys(tx, erasure_queries.petitions_of(tx, ids), now=now)
    return changed


def destroy_keys(tx: Transaction, petition_ids: Sequence[int], *, now: datetime) -> int:
    """Destroy the data key of each closed petition whose last signer is erased; returns how many.

    Such a petition stays closed, and its marks meet nothing any longer.
    """
    destroyed = erasure_queries.destroy_keys(tx, petition_ids, now=now)
    for petition_id in destroyed:
        audit.add(tx, action="petition.destroy_key", subject="petition", subject_id=petition_id)
    return len(destroyed)


def _marks(runtime: Runtime, tx: Transaction, signature_ids: Sequence[int]) -> list[Mark]:
    found = erasure_queries.counting(tx, signature_ids)
    of = petitions.by_ids(runtime, tx, sorted({row.petition_id for row in found})) if found else []
    keys = {opened.petition.id: opened.key for opened in of}
    marks = []
    for row in found:
        key = keys.get(row.petition_id)
        if key is not None:
            mailbox, person = row.address_index, row.person_index
            marks.append(Mark(row.id, key.mark(mailbox), key.mark(mailbox, person)))
    return marks


def finish_older(runtime: Runtime, *, limit: int) -> int:
    """Remove what a release before this one left of signatures that it erased; returns how many it found."""

    def work(tx: Transaction) -> int:
        ids = erasure_queries.half_erased(tx, limit=limit)
        if ids:
            erasure_queries.keep_consents(tx, ids)
            erasure_queries.finish(tx, ids, now=runtime.clock())
            outbox_plan.round_times(tx, ids)
        return len(ids)

    return runtime.store.transact(work)


@dataclass(frozen=True)
class Places:
    """The erased signatures of a mailbox, as one who signs there again meets them."""

    mine: tuple[Erased, ...]
    """Those of the same person."""
    others: tuple[Erased, ...] = field(default=())
    """Those of others that count."""

    @property
    def counting(self) -> Erased | None:
        """The one of the same person that counts."""
        return next((one for one in self.mine if one.state is SignatureState.CONFIRMED), None)


def places(tx: Transaction, key: DataKey, petition_id: int, address_index: bytes, person_index: bytes) -> Places:
    """Look up the erased signatures of a mailbox by their marks; locked until the transaction ends."""
    person = key.mark(address_index, person_index)
    found = erasure_queries.at_mailbox(tx, petition_id, key.mark(address_index))
    return Places(
        mine=tuple(one for one in found if one.person == person),
        others=tuple(one for one in found if one.person != person and one.state is SignatureState.CONFIRMED),
    )
