"""Confirming: one button or six digits, once; the thank-you is planned in the same transaction."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError
from campaign.database.connection import DuplicateError, Transaction
from campaign.errors import AlreadySignedError, InvalidInputError, TokenRefusedError
from campaign.outbox import plan as outbox_plan
from campaign.petitions.petitions import Opened, by_id, by_slug
from campaign.runtime import Runtime
from campaign.security.encryption import keyed_hash
from campaign.security.tokens import REFUSED, Purpose
from campaign.signatures import code_tries, mine, queries
from campaign.signatures.mine_queries import Mine
from campaign.signatures.queries import Signature
from campaign.signatures.requests import address_index_of
from campaign.signatures.signing import MAILBOX_SEATS
from campaign.states import Lane, MessageKind, SignatureState

T = TypeVar("T")

CODE_TRIES = 5
"""Wrong codes for a mailbox of a petition until the next mail with a code."""

CODE_DIGITS = 6


@dataclass(frozen=True)
class Confirmation:
    """What the confirm page shows before the button is pressed."""

    slug: str
    title: str
    locale: str
    state: SignatureState
    wants_updates: bool
    show_name: bool


@dataclass(frozen=True)
class Confirmed:
    """Where to go with thanks."""

    slug: str
    locale: str


def code_for(runtime: Runtime, signature_id: int, nonce: bytes) -> str:
    """The six digits of a signature: the second key, for another device or a scanner-ridden mailbox. Not stored."""
    digest = keyed_hash(runtime.secrets.code, f"{signature_id}.{nonce.hex()}")
    return f"{int.from_bytes(digest[:8], 'big') % 1_000_000:06d}"


def find(runtime: Runtime, tx: Transaction, purpose: Purpose, token: str, *, lock: bool = False) -> Signature:
    """The signature a token opens.

    Raises:
        TokenRefusedError: altered, of another purpose, revoked, or the row is erased.
    """
    claim = runtime.tokens.read(purpose, token)
    row = queries.by_id(tx, claim.row_id, lock=lock)
    if row is None or not row.nonce or not hmac.compare_digest(row.nonce, claim.nonce):
        raise TokenRefusedError(REFUSED)
    return row


def look_up_confirmation(runtime: Runtime, token: str) -> Confirmation:
    """What the confirm page shows; changes nothing.

    Raises:
        TokenRefusedError: one kind answer for every token that does not work.
    """

    def work(tx: Transaction) -> Confirmation:
        row = find(runtime, tx, Purpose.CONFIRM, token)
        opened = by_id(runtime, tx, row.petition_id)
        _check_open(runtime, opened, row)
        shown = opened.text_for(row.locale)
        return Confirmation(opened.petition.slug, shown.title, row.locale, row.state, row.wants_updates, row.show_name)

    return runtime.store.transact(work)


def _check_open(runtime: Runtime, opened: Opened, row: Signature) -> None:
    if row.state is SignatureState.CONFIRMED:
        return
    now = runtime.clock()
    expired = row.requested_at + timedelta(days=runtime.settings.confirm_days) < now
    if row.state is not SignatureState.PENDING or expired or not opened.petition.accepts_confirmations(now):
        raise TokenRefusedError(REFUSED)


def link_if_open(runtime: Runtime, opened: Opened, one: Mine) -> str:
    """The link that confirms a signature; empty if it can't be confirmed now."""
    now = runtime.clock()
    expired = one.requested_at + timedelta(days=runtime.settings.confirm_days) < now
    if one.state is not SignatureState.PENDING or expired or not opened.petition.accepts_confirmations(now):
        return ""
    return f"{runtime.settings.base_url}/c/{runtime.tokens.issue(Purpose.CONFIRM, one.id, one.nonce)}"


def confirm(runtime: Runtime, token: str) -> Confirmed:
    """Confirm by the button; a second press changes nothing and is thanked the same.

    Raises:
        TokenRefusedError: the token does not work.
        AlreadySignedError: two others have confirmed with this mailbox meanwhile.
    """

    def work(tx: Transaction) -> Confirmed:
        row = find(runtime, tx, Purpose.CONFIRM, token, lock=True)
        return _confirm(runtime, tx, row, method="button")

    return _with_second_try(runtime, work)


def _with_second_try(runtime: Runtime, work: Callable[[Transaction], T]) -> T:
    try:
        return runtime.store.transact(work)
    except DuplicateError:
        # Another person of the mailbox confirmed in the same moment: the other seat may be free.
        try:
            return runtime.store.transact(work)
        except DuplicateError:
            raise AlreadySignedError("two people have signed with this mailbox") from None


def _confirm(runtime: Runtime, tx: Transaction, row: Signature, *, method: str) -> Confirmed:
    opened = by_id(runtime, tx, row.petition_id)
    _check_open(runtime, opened, row)
    if row.state is SignatureState.PENDING:
        now = runtime.clock()
        queries.confirm(tx, row.id, slot=_free_seat(tx, row), method=method, now=now)
        outbox_plan.add(tx, _thank_you(row, now))
        if row.wants_updates:
            mine.allow_updates(runtime, tx, opened, row)
    return Confirmed(opened.petition.slug, row.locale)


def _free_seat(tx: Transaction, row: Signature) -> int:
    used = queries.used_slots(tx, row.petition_id, row.address_index or b"")
    for seat in range(1, MAILBOX_SEATS + 1):
        if seat not in used:
            return seat
    raise AlreadySignedError("two people have signed with this mailbox")


def _thank_you(row: Signature, now: datetime) -> outbox_plan.Plan:
    return outbox_plan.Plan(
        kind=MessageKind.THANK_YOU, lane=Lane.URGENT, due_at=now, signature_id=row.id, petition_id=row.petition_id
    )


def confirm_with_code(runtime: Runtime, slug: str, *, code: str, ref: str = "", email: str = "") -> Confirmed:
    """Confirm by the six digits of the mail, from any device.

    The work is the same for every mailbox, known or not: the same statements, one of which counts the try, and the same
    number of comparisons. So neither the words nor the time of an answer tell who has signed.

    Args:
        runtime: the runtime.
        slug: the petition.
        code: as typed; blanks and dashes, and Persian or Arabic digits, are fine.
        ref: the reference of a sign-up, from the page that follows it; or
        email: the address as typed.

    Raises:
        InvalidInputError: ``{"code": "wrong"}``, the same for an unknown address and for a code with no try left;
            ``{"code": "missing"}`` if no digit was typed; ``{"email": …}`` if the address can't be one.
        RequestGoneError: there is no such sign-up, or it is deleted.
        AlreadySignedError: two others have confirmed with this mailbox meanwhile.
    """
    opened = by_slug(runtime, slug)
    address_index = address_index_of(runtime, slug, ref) if ref else _address_index(runtime, opened, email)
    typed = "".join(str(int(character)) for character in code if character.isdecimal())
    if len(typed) != CODE_DIGITS:
        # Nothing that can be right: no try.
        raise InvalidInputError({"code": "wrong" if typed else "missing"})
    place = opened.petition.id, address_index

    def work(tx: Transaction) -> Confirmed | None:
        now = runtime.clock()
        ends = now + timedelta(days=runtime.settings.confirm_days)
        tries = code_tries.count(tx, place, now=now, expires_at=ends)
        match = _match(runtime, queries.codes(tx, *place), typed)
        if not match or tries > CODE_TRIES:
            return None
        # The right code is no guess: it uses up no try, however often it is sent.
        code_tries.grant(tx, [place])
        row = queries.by_id(tx, match, lock=True)
        return None if row is None else _confirm(runtime, tx, row, method="code")

    try:
        confirmed: Confirmed | None = _with_second_try(runtime, work)
    except TokenRefusedError:
        confirmed = None
    if confirmed is None:
        raise InvalidInputError({"code": "wrong"})
    return confirmed


def _match(runtime: Runtime, codes: Sequence[tuple[int, bytes]], typed: str) -> int:
    """The id of the signature that a code belongs to, or 0; compares with all."""
    match = 0
    for signature_id, nonce in codes:
        if hmac.compare_digest(code_for(runtime, signature_id, nonce), typed):
            match = match or signature_id
    return match


def _address_index(runtime: Runtime, opened: Opened, email: str) -> bytes:
    try:
        canonical = addresses.parse(email, gmail_rules=runtime.settings.gmail_rules).canonical
    except RuleError as broken:
        raise InvalidInputError({"email": broken.code}) from None
    return opened.open_key.index(canonical)


def decline(runtime: Runtime, token: str) -> str:
    """Erase a pending signature at once ("I did not sign"); returns its language. Repeating it is harmless.

    Raises:
        TokenRefusedError: the token does not work, or the signature is confirmed (the own page withdraws that).
    """

    def work(tx: Transaction) -> str:
        row = find(runtime, tx, Purpose.CONFIRM, token, lock=True)
        if row.state is not SignatureState.PENDING:
            raise TokenRefusedError(REFUSED)
        now = runtime.clock()
        queries.expire(tx, [row.id], reason="declined", now=now)
        queries.erase(tx, [row.id], now=now)
        outbox_plan.cancel_for(tx, [row.id], reason="declined", now=now)
        return row.locale

    return runtime.store.transact(work)
