"""Changing the address of a signature: typed on the own page, confirmed from the new mailbox, told to the old one.

The count stays as it is, and so does everything else about the signature. Links that were mailed before open nothing
from then on, for they lie in a mailbox that may be lost.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError
from campaign.accounts.mail_providers import provider_of
from campaign.accounts.reachable import check_reachable
from campaign.database.connection import DuplicateError, Transaction
from campaign.errors import AlreadySignedError, ConflictError, InvalidInputError, TokenRefusedError
from campaign.outbox import plan as outbox_plan
from campaign.petitions.petitions import Opened, by_id
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey
from campaign.security.tokens import NONCE, REFUSED, Purpose
from campaign.signatures import confirming_queries, erasure, moving_queries, queries
from campaign.signatures.moving_queries import Change
from campaign.signatures.own_links import open_own
from campaign.signatures.queries import Signature
from campaign.signatures.same_signer import clear
from campaign.signatures.signing import MAILBOX_SEATS, person_index
from campaign.states import Lane, MessageKind, SignatureState

LIFE: Final = timedelta(days=1)
"""How long the link to the new mailbox works."""

UNDO: Final = timedelta(days=7)
"""How long the old mailbox may take the change back."""


@dataclass(frozen=True)
class Moving:
    """What the pages of a change show."""

    slug: str
    title: str
    locale: str
    address: str = field(repr=False)
    """The address that the signature will have."""


def ask(runtime: Runtime, token: str, email: str) -> None:
    """Mail a link to another address; the signature has it once its button is pressed there.

    The answer is the same whether or not the new mailbox has signed, or may be mailed now.

    Args:
        runtime: the runtime.
        token: of the own page.
        email: the new address as typed.

    Raises:
        TokenRefusedError: the link to the own page does not work.
        InvalidInputError: ``{"email": …}``: it can't be an address.
        ConflictError: the signature is not confirmed.
    """
    try:
        address = check_reachable(runtime, addresses.parse(email, gmail_rules=runtime.settings.gmail_rules))
    except RuleError as broken:
        raise InvalidInputError({"email": broken.code}) from None
    mailbox = outbox_plan.mailbox_of(runtime, address.canonical)
    nonce, now = secrets.token_bytes(NONCE), runtime.clock()

    def work(tx: Transaction) -> None:
        # First: who decides on requests waits for signatures, never the other way round.
        outbox_plan.take_turn(tx)
        row = open_own(runtime, tx, token, lock=True)
        if row.state is not SignatureState.CONFIRMED or row.forget:
            raise ConflictError("only a confirmed signature changes its address")
        key = by_id(runtime, tx, row.petition_id).open_key
        sealed = key.seal(address.typed, place=_place("address", nonce))
        moving_queries.ask(tx, row.id, nonce=nonce, address=sealed, now=now)
        wanted = _plan(MessageKind.ADDRESS_CHECK, row, runtime)
        outbox_plan.plan(tx, mailbox, wanted, now=now)

    runtime.store.transact(work)


def _place(column: str, nonce: bytes) -> str:
    return f"address_change.{column}.{nonce.hex()}"


def _plan(kind: MessageKind, row: Signature, runtime: Runtime, about_id: int | None = None) -> outbox_plan.Plan:
    return outbox_plan.Plan(
        kind=kind,
        lane=Lane.URGENT,
        due_at=runtime.clock(),
        signature_id=row.id,
        petition_id=row.petition_id,
        about_id=about_id,
    )


def _find(runtime: Runtime, tx: Transaction, purpose: Purpose, token: str) -> tuple[Change, Signature, Opened]:
    """A change with its signature, both locked.

    Raises:
        TokenRefusedError: the token does not work, or there is nothing to change.
    """
    claim = runtime.tokens.read(purpose, token)
    change = moving_queries.by_id(tx, claim.row_id, lock=True)
    if change is None or change.undone_at is not None or not hmac.compare_digest(change.nonce, claim.nonce):
        raise TokenRefusedError(REFUSED)
    row = queries.by_id(tx, change.signature_id, lock=True)
    if row is None or row.address is None or not _is_in_time(runtime, purpose, change):
        raise TokenRefusedError(REFUSED)
    if purpose is Purpose.MOVE and (row.state is not SignatureState.CONFIRMED or row.forget):
        raise TokenRefusedError(REFUSED)
    return change, row, by_id(runtime, tx, row.petition_id)


def _is_in_time(runtime: Runtime, purpose: Purpose, change: Change) -> bool:
    now = runtime.clock()
    if purpose is Purpose.MOVE:
        return now < change.asked_at + LIFE
    return change.confirmed_at is not None and now < change.confirmed_at + UNDO


def look_up(runtime: Runtime, token: str, *, back: bool = False) -> Moving:
    """What the page before the button shows; changes nothing.

    Args:
        runtime: the runtime.
        token: of the link.
        back: the link that the old mailbox got.

    Raises:
        TokenRefusedError: the token does not work, or it is too late.
    """
    purpose = Purpose.MOVE_BACK if back else Purpose.MOVE

    def work(tx: Transaction) -> Moving:
        change, row, opened = _find(runtime, tx, purpose, token)
        typed = _old_address(opened.open_key, change) if back else _address(opened.open_key, change)
        return Moving(opened.petition.slug, opened.text_for(row.locale).title, row.locale, typed)

    return runtime.store.transact(work)


def _address(key: DataKey, change: Change) -> str:
    return key.open(bytes(change.address), place=_place("address", change.nonce))


def _old_address(key: DataKey, change: Change) -> str:
    if change.old_address is None:
        raise TokenRefusedError(REFUSED)
    return key.open(bytes(change.old_address), place=_place("old_address", change.nonce))


def confirm(runtime: Runtime, token: str) -> Moving:
    """Give the signature its new address, and tell the old one; a second press changes nothing.

    Raises:
        TokenRefusedError: the token does not work, or it is too late.
        AlreadySignedError: two others have signed with the new mailbox, or the same name has.
    """

    def work(tx: Transaction) -> Moving:
        change, row, opened = _find(runtime, tx, Purpose.MOVE, token)
        key, typed, now = opened.open_key, _address(opened.open_key, change), runtime.clock()
        if change.confirmed_at is None:
            before = clear(key, row, "address", row.address)
            _move(runtime, tx, key, row, typed)
            sealed = key.seal(before, place=_place("old_address", change.nonce))
            moving_queries.confirm(tx, change.id, old_address=sealed, now=now)
            outbox_plan.add(tx, _plan(MessageKind.ADDRESS_CHANGED, row, runtime, change.id))
        return Moving(opened.petition.slug, opened.text_for(row.locale).title, row.locale, typed)

    return _unless_taken(runtime, work)


def undo(runtime: Runtime, token: str) -> Moving:
    """Give the signature its old address back; what was changed after it counts no more either.

    Raises:
        TokenRefusedError: the token does not work, it is too late, or the signature is erased.
        AlreadySignedError: two others have signed with the old mailbox meanwhile.
    """

    def work(tx: Transaction) -> Moving:
        change, row, opened = _find(runtime, tx, Purpose.MOVE_BACK, token)
        typed = _old_address(opened.open_key, change)
        _move(runtime, tx, opened.open_key, row, typed)
        moving_queries.undo(tx, change, now=runtime.clock())
        return Moving(opened.petition.slug, opened.text_for(row.locale).title, row.locale, typed)

    return _unless_taken(runtime, work)


def _unless_taken(runtime: Runtime, work: Callable[[Transaction], Moving]) -> Moving:
    try:
        return runtime.store.transact(work)
    except DuplicateError:
        raise AlreadySignedError("this name, or two people, have signed with the mailbox") from None


def _move(runtime: Runtime, tx: Transaction, key: DataKey, row: Signature, typed: str) -> None:
    canonical = addresses.canonical(typed, gmail_rules=runtime.settings.gmail_rules)
    index, person = key.index(canonical), person_index(key, canonical, clear(key, row, "name", row.name))
    confirming_queries.lock_mailbox(tx, row.petition_id, index)
    place = moving_queries.Place(
        address=key.seal(typed, place=queries.place("address", row.id)),
        address_index=index,
        person_index=person,
        slot=_seat(tx, key, row, index, person),
        mail_provider=provider_of(typed),
        nonce=secrets.token_bytes(NONCE),
    )
    before = addresses.canonical(clear(key, row, "address", row.address), gmail_rules=runtime.settings.gmail_rules)
    moving_queries.move(tx, row.id, place)
    moving_queries.detach_suppressions(tx, row.id, [runtime.secrets.address_key(before)])


def _seat(tx: Transaction, key: DataKey, row: Signature, index: bytes, person: bytes) -> int | None:
    """The seat of a signature at a mailbox: only confirmed ones have one. Erased ones that count hold theirs."""
    if row.state is not SignatureState.CONFIRMED:
        return None
    beside = confirming_queries.seats(tx, row.petition_id, index)
    if row.id in beside:
        return beside[row.id]
    free = [seat for seat in range(1, MAILBOX_SEATS + 1) if seat not in beside.values()]
    erased = erasure.places(tx, key, row.petition_id, index, person)
    if erased.counting is not None or len(free) <= len(erased.others):
        raise AlreadySignedError("two others have signed with this mailbox")
    return free[0]


@dataclass(frozen=True)
class Letter:
    """Where a mail about a change goes, and its link."""

    address: str = field(repr=False)
    link: str = field(repr=False)


def letter(
    runtime: Runtime, tx: Transaction, opened: Opened, *, signature_id: int, change_id: int | None
) -> Letter | None:
    """What the mail of a change needs: to the new address, or with a change's id to the one before.

    None if nothing is to be mailed any longer.
    """
    if opened.key is None:
        return None
    base = runtime.settings.base_url
    if change_id is None:
        change = moving_queries.asked_for(tx, signature_id)
        if change is None:
            return None
        return Letter(_address(opened.key, change), f"{base}/move/{_token(runtime, Purpose.MOVE, change)}")
    change = moving_queries.by_id(tx, change_id)
    if change is None or change.old_address is None:
        return None
    return Letter(_old_address(opened.key, change), f"{base}/move-back/{_token(runtime, Purpose.MOVE_BACK, change)}")


def _token(runtime: Runtime, purpose: Purpose, change: Change) -> str:
    return runtime.tokens.issue(purpose, change.id, bytes(change.nonce))


def purge(runtime: Runtime, tx: Transaction) -> int:
    """Delete changes that nothing can be done with any longer, with the addresses that they hold."""
    now = runtime.clock()
    return moving_queries.purge(tx, asked_before=now - LIFE, confirmed_before=now - UNDO)
