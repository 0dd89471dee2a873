"""Forget me once I am counted: after the thank-you nothing is left that could be read, only the blind indexes.

They keep the rules of a mailbox: nobody is counted twice, couples are two, and the owner of the mailbox can withdraw.
"""

import secrets
from datetime import timedelta
from functools import partial
from typing import Final

from campaign.database.connection import Transaction
from campaign.runtime import Runtime
from campaign.security.tokens import NONCE
from campaign.signatures import confirming_queries, erasure_queries, moving_queries, request_queries

UNCERTAIN: Final = timedelta(days=1)
"""After this time a thank-you whose outcome is unknown counts as settled."""

SLICE: Final = 200


def forget_counted(runtime: Runtime) -> int:
    """Forget the signers who want it and whose thank-you is settled; returns how many. A second run finds none."""
    total = 0
    while True:
        before = runtime.clock() - UNCERTAIN
        found = runtime.store.transact(partial(erasure_queries.to_forget, uncertain_before=before, limit=SLICE))
        forgotten = 0
        for signature_id, petition_id, address_index in found:
            work = partial(_forget, runtime, signature_id=signature_id, place=(petition_id, address_index))
            forgotten += runtime.store.transact(work)
        total += forgotten
        if len(found) < SLICE or not forgotten:
            return total


def _forget(runtime: Runtime, tx: Transaction, *, signature_id: int, place: tuple[int, bytes]) -> bool:
    # Before the row, as confirming does: the two never wait for each other.
    confirming_queries.lock_mailbox(tx, *place)
    request_queries.delete_of(tx, [signature_id])
    moving_queries.delete_of(tx, [signature_id])
    return erasure_queries.forget(tx, signature_id, nonce=secrets.token_bytes(NONCE), now=runtime.clock())
