"""Codes for the own page of a petition in discreet mode: the link of an earlier email opens it only with a fresh one.

Who reads over a shoulder, or finds an old email, has the link but not the code, which works for a few minutes.
"""

import hmac
from typing import Final

from campaign.database.connection import Transaction
from campaign.errors import InvalidInputError
from campaign.outbox import plan as outbox_plan
from campaign.petitions.petitions import by_id
from campaign.runtime import Runtime
from campaign.security.encryption import keyed_hash
from campaign.security.tokens import Purpose
from campaign.signatures import code_tries, codes, mine, own_code_queries, own_links
from campaign.signatures.confirming import find
from campaign.states import Lane, MessageKind

TRIES: Final = 5
"""Wrong codes until the next email with a code."""


def code_for(runtime: Runtime, signature_id: int, nonce: bytes, message_id: int) -> str:
    """The six digits of one email; not stored."""
    digest = keyed_hash(runtime.secrets.code, f"own page {message_id} {signature_id}.{nonce.hex()}")
    return f"{int.from_bytes(digest[:8], 'big') % 1_000_000:06d}"


def ask(runtime: Runtime, token: str) -> None:
    """Email a code to the address of a signature, within the allowance of its mailbox.

    Args:
        runtime: the runtime.
        token: of the link to the own page.

    Raises:
        TokenRefusedError: the link does not work.
    """

    def work(tx: Transaction) -> None:
        # First: who decides on requests waits for signatures, never the other way round.
        outbox_plan.take_turn(tx)
        row = find(runtime, tx, Purpose.MANAGE, token)
        canonical = mine.canonical_of(runtime, by_id(runtime, tx, row.petition_id), row)
        if canonical is None:
            return
        now = runtime.clock()
        wanted = outbox_plan.Plan(
            kind=MessageKind.OWN_CODE, lane=Lane.URGENT, due_at=now, signature_id=row.id, petition_id=row.petition_id
        )
        outbox_plan.plan(tx, outbox_plan.mailbox_of(runtime, canonical), wanted, now=now)

    runtime.store.transact(work)


def open_page(runtime: Runtime, token: str, typed: str) -> str:
    """The token of a link that opens the own page for :data:`own_links.LIFE`.

    Args:
        runtime: the runtime.
        token: of the link to the own page.
        typed: the code, as typed or pasted.

    Raises:
        TokenRefusedError: the link does not work.
        InvalidInputError: ``{"code": "missing"}`` or ``{"code": "wrong"}``: not the code of the newest email, too old,
            or tried too often.
    """
    digits = codes.digits_of(typed)
    if len(digits) != codes.DIGITS:
        raise InvalidInputError({"code": "wrong" if digits else "missing"})

    def work(tx: Transaction) -> str | None:
        row, now = find(runtime, tx, Purpose.MANAGE, token), runtime.clock()
        message_id = own_code_queries.newest(tx, row.id, due_after=now - own_links.LIFE) or 0
        key = keyed_hash(runtime.secrets.code, f"own page tries {row.id} {message_id}")
        limits = [code_tries.Limit(key, TRIES)]
        has_tries = code_tries.count(tx, limits, now=now, expires_at=now + own_links.LIFE)
        right = hmac.compare_digest(code_for(runtime, row.id, row.nonce, message_id), digits)
        if not (right and has_tries and message_id):
            return None
        code_tries.reset(tx, limits)
        return own_links.private_token(runtime, row.id, row.nonce)

    opened: str | None = runtime.store.transact(work)
    if opened is None:
        raise InvalidInputError({"code": "wrong"})
    return opened
