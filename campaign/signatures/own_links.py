"""Links to a signer's own page: the one in the thank-you, and private ones that work for fifteen minutes.

:func:`open_own` is the one place where such a link is opened; a further check of who may see the page belongs there.
"""

import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from campaign.database.connection import Transaction
from campaign.errors import PageLockedError, TokenRefusedError
from campaign.petitions.petitions import by_id
from campaign.runtime import Runtime
from campaign.security.tokens import NONCE, REFUSED, Purpose
from campaign.signatures import queries
from campaign.signatures.confirming import find
from campaign.signatures.queries import Signature

LIFE: Final = timedelta(minutes=15)
"""How long a private link works, and how long a signer may think about something that can't be undone."""

_MOMENT: Final = 5
"""Bytes of the second at which a token ends."""


def manage_token(runtime: Runtime, signature_id: int, nonce: bytes) -> str:
    """The token of the thank-you's link to a signer's own page; it works until the signature is erased."""
    return runtime.tokens.issue(Purpose.MANAGE, signature_id, nonce)


def private_token(runtime: Runtime, signature_id: int, nonce: bytes) -> str:
    """The token of a link to a signer's own page that works for :data:`LIFE` from now on."""
    return runtime.tokens.issue(Purpose.PRIVATE, signature_id, nonce + _end(runtime))


def works_until(runtime: Runtime, token: str) -> datetime | None:
    """When a link to an own page ends; None if it does not, or is no such link."""
    try:
        claim = runtime.tokens.read(Purpose.PRIVATE, token)
    except TokenRefusedError:
        return None
    return _moment(claim.nonce[NONCE:])


def open_own(runtime: Runtime, tx: Transaction, token: str, *, lock: bool = False) -> Signature:
    """The signature that a link to an own page opens.

    Raises:
        TokenRefusedError: altered, of another purpose, out of time, revoked, or the row is erased.
        PageLockedError: the petition is in discreet mode and the link is the one of the thank-you.
    """
    try:
        claim = runtime.tokens.read(Purpose.PRIVATE, token)
    except TokenRefusedError:
        return _unlocked(runtime, tx, find(runtime, tx, Purpose.MANAGE, token, lock=lock))
    row = queries.by_id(tx, claim.row_id, lock=lock)
    nonce, ends = claim.nonce[:NONCE], _moment(claim.nonce[NONCE:])
    if row is None or not row.nonce or not hmac.compare_digest(row.nonce, nonce) or ends < runtime.clock():
        raise TokenRefusedError(REFUSED)
    return row


def _unlocked(runtime: Runtime, tx: Transaction, row: Signature) -> Signature:
    petition = by_id(runtime, tx, row.petition_id).petition
    if petition.discreet:
        raise PageLockedError(slug=petition.slug, locale=row.locale)
    return row


def assent(runtime: Runtime, token: str, action: str) -> str:
    """What the page before ``action`` hands to its button: without it the action is not done."""

    def work(tx: Transaction) -> str:
        row = open_own(runtime, tx, token)
        return runtime.tokens.issue(Purpose.ASSENT, row.id, row.nonce + _end(runtime) + action.encode())

    return runtime.store.transact(work)


def is_assent(runtime: Runtime, token: str, action: str, given: str) -> bool:
    """True if ``given`` comes from the page before ``action`` on this signature, at most :data:`LIFE` ago.

    Raises:
        TokenRefusedError: the link to the own page does not work.
    """
    row = runtime.store.transact(lambda tx: open_own(runtime, tx, token))
    try:
        claim = runtime.tokens.read(Purpose.ASSENT, given)
    except TokenRefusedError:
        return False
    ends = claim.nonce[len(row.nonce) :][:_MOMENT]
    expected = row.nonce + ends + action.encode()
    return claim.row_id == row.id and claim.nonce == expected and _moment(ends) >= runtime.clock()


def private_link(runtime: Runtime) -> Callable[[int, bytes], str]:
    """Makes private links, as they go into mail."""
    return lambda signature_id, nonce: f"{runtime.settings.base_url}/me/{private_token(runtime, signature_id, nonce)}"


def _end(runtime: Runtime) -> bytes:
    return int((runtime.clock() + LIFE).timestamp()).to_bytes(_MOMENT, "big")


def _moment(raw: bytes) -> datetime:
    if len(raw) != _MOMENT:
        raise TokenRefusedError(REFUSED)
    return datetime.fromtimestamp(int.from_bytes(raw, "big"), UTC)
