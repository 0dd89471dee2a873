"""Confirming: one button or six digits, once; the thank-you is planned in the same transaction."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError
from campaign.database.connection import DuplicateError, Transaction
from campaign.errors import AlreadySignedError, InvalidInputError, TokenRefusedError
from campaign.networks.labels import prefix_of
from campaign.outbox import plan as outbox_plan
from campaign.petitions.petitions import Opened, by_id, by_slug
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey
from campaign.security.tokens import REFUSED, Purpose
from campaign.signatures import (
    code_tries,
    codes,
    confirming_queries,
    erasure,
    erasure_queries,
    mine,
    places,
    queries,
    request_queries,
    same_signer,
)
from campaign.signatures.consents import consent_id
from campaign.signatures.mine_queries import Mine
from campaign.signatures.page_opens import Opening, opening_of
from campaign.signatures.queries import Signature
from campaign.signatures.requests import stored
from campaign.signatures.same_signer import clear
from campaign.signatures.signing import MAILBOX_SEATS, SignForm, check, person_index
from campaign.states import Lane, MessageKind, SignatureState

T = TypeVar("T")


@dataclass(frozen=True)
class Confirmation:
    """What the confirm page shows before the button is pressed: the form that the link belongs to."""

    slug: str
    title: str
    locale: str
    state: SignatureState
    name: str = field(repr=False)
    reason: str = field(repr=False)
    country: str
    wants_updates: bool
    show_name: bool
    forget: bool
    near_name: str = field(default="", repr=False)
    """The name of a confirmed signature of this mailbox that may be the same signer's, if there is one."""
    may_be_other: bool = False
    """True if that name differs, so that both may count."""
    is_older: bool = False
    """True if a form that was sent later is confirmed already: pressing the button changes nothing."""
    opened: Opening | None = None
    """What counts the page as opened; None once it is confirmed."""


@dataclass(frozen=True)
class Confirmed:
    """Where to go with thanks."""

    slug: str
    locale: str
    answered: tuple[bytes, ...] = field(default=(), repr=False, compare=False)
    """The references of the sign-ups that were answered by this."""


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
        row = _resolve(tx, find(runtime, tx, Purpose.CONFIRM, token))
        opened = by_id(runtime, tx, row.petition_id)
        _check_open(runtime, opened, row)
        key = opened.open_key
        same = same_signer.find(key, row, same_signer.others(tx, row)) if row.state is SignatureState.PENDING else None
        return Confirmation(
            opened.petition.slug,
            opened.text_for(row.locale).title,
            row.locale,
            row.state,
            name=clear(key, row, "name", row.name),
            reason=clear(key, row, "reason", row.reason),
            country=row.country,
            wants_updates=row.wants_updates,
            show_name=row.show_name and not opened.petition.discreet,
            forget=row.forget,
            near_name=clear(key, same, "name", same.name) if same else "",
            may_be_other=same is not None and same.person_index != row.person_index,
            is_older=same is not None and same.forgotten_at is None and row.id < (same.form_id or same.id),
            opened=opening_of(row),
        )

    return runtime.store.transact(work)


def _resolve(tx: Transaction, row: Signature) -> Signature:
    """The signature that a link is about now: a sign-up may have become part of another."""
    if row.replaced_by is None:
        return row
    return queries.by_id(tx, row.replaced_by) or row


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


def confirm(runtime: Runtime, token: str, *, is_other: bool = False) -> Confirmed:
    """Confirm by the button; a second press changes nothing and is thanked the same.

    If the same signer has confirmed another form meanwhile, the count stays, and the newer form is kept.

    Args:
        runtime: the runtime.
        token: of the link.
        is_other: the reader says that a near name at this mailbox is another signer's.

    Raises:
        TokenRefusedError: the token does not work.
        AlreadySignedError: two others have confirmed with this mailbox meanwhile.
    """

    def work(tx: Transaction) -> Confirmed:
        row = find(runtime, tx, Purpose.CONFIRM, token)
        return _confirm(runtime, tx, row, method="button", is_other=is_other)

    confirmed: Confirmed = _with_second_try(runtime, work)
    _free_place(runtime, confirmed)
    return confirmed


def _free_place(runtime: Runtime, confirmed: Confirmed) -> None:
    if confirmed.answered:
        places.answered(runtime, confirmed.answered)


def _with_second_try(runtime: Runtime, work: Callable[[Transaction], T]) -> T:
    try:
        return runtime.store.transact(work)
    except DuplicateError:
        # A release before this one, which takes no lock, confirmed another of the mailbox in the same moment.
        try:
            return runtime.store.transact(work)
        except DuplicateError:
            raise AlreadySignedError("two people have signed with this mailbox") from None


def _confirm(runtime: Runtime, tx: Transaction, found: Signature, *, method: str, is_other: bool = False) -> Confirmed:
    # First: each of two transactions at one mailbox would else hold a row that the other needs.
    confirming_queries.lock_mailbox(tx, found.petition_id, found.address_index or b"")
    row = _resolve(tx, queries.by_id(tx, found.id, lock=True) or found)
    opened = by_id(runtime, tx, row.petition_id)
    _check_open(runtime, opened, row)
    if row.state is SignatureState.PENDING:
        if row.show_name and opened.petition.discreet:
            # Its page said that the name is not shown, and that must hold if discreet mode is turned off one day.
            queries.set_shown(tx, row.id, show_name=False)
            row = replace(row, show_name=False)
        refs = request_queries.refs_of(tx, row.id)
        beside = same_signer.others(tx, row)
        same = same_signer.find(opened.open_key, row, beside)
        if same is not None and same.forgotten_at is not None:
            _take_seat(runtime, tx, row, opened.open_key, method=method, instead_of=same.id)
            same = row
        elif same is not None and not (is_other and same.person_index != row.person_index):
            same_signer.merge(runtime, tx, opened.open_key, row, same)
        else:
            _take_seat(runtime, tx, row, opened.open_key, method=method)
            same = row
        same_signer.settle_others(runtime, tx, opened.open_key, same, form_id=row.id, beside=beside)
        kept = queries.by_id(tx, same.id) if row.wants_updates else None
        if kept is not None and kept.wants_updates:
            mine.allow_updates(runtime, tx, opened, kept)
        return Confirmed(opened.petition.slug, row.locale, refs)
    return Confirmed(opened.petition.slug, row.locale)


def _take_seat(
    runtime: Runtime, tx: Transaction, row: Signature, key: DataKey, *, method: str, instead_of: int | None = None
) -> None:
    """Confirm a sign-up; one of the same signer that was erased gives its place in the count, or else one in excess.

    ``instead_of`` is a forgotten signature of the same signer, which ends.
    """
    now, counted = runtime.clock(), False
    mailbox, person = row.address_index or b"", row.person_index or b""
    if instead_of is not None:
        counted = erasure_queries.give_place(tx, instead_of, now=now)
        erasure.erase(runtime, tx, [instead_of], reason="replaced")
    erased = erasure.places(tx, key, row.petition_id, mailbox, person)
    used = confirming_queries.used_slots(tx, row.petition_id, mailbox)
    free = [seat for seat in range(1, MAILBOX_SEATS + 1) if seat not in used]
    if not free:
        raise AlreadySignedError("two people have signed with this mailbox")
    place = erased.counting or (erased.others[0] if len(erased.others) >= len(free) else None)
    if place is not None and instead_of is None:
        counted = erasure_queries.give_place(tx, place.id, now=now)
    erasure_queries.drop_marks(tx, [one.id for one in erased.mine if one.state is SignatureState.REMOVED])
    confirming_queries.confirm(tx, row.id, slot=free[0], method=method, counted=counted, now=now)
    outbox_plan.add(tx, _thank_you(row, now))


def correct(runtime: Runtime, token: str, form: SignForm) -> None:
    """Change what a pending sign-up holds, before it is confirmed; the mailbox stays.

    Args:
        runtime: the runtime.
        token: of the confirm link.
        form: as typed; its address is not looked at.

    Raises:
        TokenRefusedError: the token does not work, or nothing waits for a confirmation.
        InvalidInputError: with a code per field.
    """
    locale = runtime.store.transact(lambda tx: find(runtime, tx, Purpose.CONFIRM, token)).locale
    updates = consent_id(runtime, "updates", locale) if form.wants_updates else None

    def work(tx: Transaction) -> None:
        row = find(runtime, tx, Purpose.CONFIRM, token, lock=True)
        opened = by_id(runtime, tx, row.petition_id)
        _check_open(runtime, opened, row)
        if row.state is not SignatureState.PENDING:
            raise TokenRefusedError(REFUSED)
        key = opened.open_key
        email = clear(key, row, "address", row.address)
        shown = form.show_name and not opened.petition.discreet
        checked = check(runtime, replace(form, email=email, locale=row.locale, show_name=shown))
        name, reason = (
            key.seal(text, place=queries.place(column, row.id)) if text else None
            for column, text in (("name", checked.name), ("reason", checked.reason))
        )
        corrected = confirming_queries.Form(
            name=name or b"",
            person_index=person_index(key, checked.address.canonical, checked.name),
            reason=reason,
            country=checked.country,
            locale=row.locale,
            show_name=checked.show_name,
            wants_updates=checked.wants_updates,
            updates_consent_id=updates if checked.wants_updates else None,
            forget=checked.forget,
        )
        confirming_queries.set_form(tx, row.id, corrected)

    runtime.store.transact(work)


def _thank_you(row: Signature, now: datetime) -> outbox_plan.Plan:
    return outbox_plan.Plan(
        kind=MessageKind.THANK_YOU, lane=Lane.URGENT, due_at=now, signature_id=row.id, petition_id=row.petition_id
    )


def confirm_with_code(
    runtime: Runtime, slug: str, *, code: str, ref: str = "", email: str = "", network: str | None = None
) -> Confirmed:
    """Confirm by the six digits of the mail, from any device.

    The work is the same for every mailbox, known or not: the same statements, one of which counts the try, and the same
    number of comparisons. So neither the words nor the time of an answer tell who has signed. With a reference only the
    code of that sign-up is right.

    Args:
        runtime: the runtime.
        slug: the petition.
        code: as typed or pasted; the digits are taken out of it, in any script.
        ref: the reference of a sign-up, from the page that follows it; or
        email: the address as typed.
        network: the IP address that the code came from; hashed, never stored.

    Raises:
        InvalidInputError: ``{"code": "wrong"}``, the same for an unknown address and for a code with no try left;
            ``{"code": "missing"}`` if no digit was typed; ``{"email": …}`` if the address can't be one.
        RequestGoneError: there is no such sign-up, or it is deleted.
        AlreadySignedError: two others have confirmed with this mailbox meanwhile.
    """
    opened = by_slug(runtime, slug)
    if ref:
        request = stored(runtime, slug, ref)
        address_index, only, source = request.address_index or b"", request.signature_id or 0, ref
    else:
        address_index, only = _address_index(runtime, opened, email), None
        source = prefix_of(network or "")
    typed = codes.digits_of(code)
    if len(typed) != codes.DIGITS:
        # Nothing that can be right: no try.
        raise InvalidInputError({"code": "wrong" if typed else "missing"})
    place = opened.petition.id, address_index

    def work(tx: Transaction) -> Confirmed | None:
        return try_code(runtime, tx, place, typed, only=only, source=source)

    try:
        confirmed: Confirmed | None = _with_second_try(runtime, work)
    except TokenRefusedError:
        confirmed = None
    if confirmed is None:
        raise InvalidInputError({"code": "wrong"})
    _free_place(runtime, confirmed)
    return confirmed


def try_code(
    runtime: Runtime, tx: Transaction, place: tuple[int, bytes], typed: str, *, only: int | None, source: str
) -> Confirmed | None:
    """Confirm by six digits in the caller's transaction; None if they are wrong, or no try is left.

    Args:
        runtime: the runtime.
        tx: the open transaction; after it :func:`campaign.signatures.places.answered` frees what this answered.
        place: the petition, and the blind index of the mailbox.
        typed: the digits.
        only: the one signature whose code is right; None: any of the mailbox.
        source: where the try comes from, for its limit.
    """
    now = runtime.clock()
    mailed = confirming_queries.codes(tx, *place, only=only)
    limits = codes.limits(runtime, place, mailed, source)
    ends = now + timedelta(days=runtime.settings.confirm_days)
    has_tries = code_tries.count(tx, limits, now=now, expires_at=ends)
    match = codes.match(runtime, mailed, typed)
    row = queries.by_id(tx, match) if match and has_tries else None
    if row is None:
        return None
    # The right code is no guess: it uses up no try, however often it is sent.
    code_tries.reset(tx, limits)
    return _confirm(runtime, tx, row, method="code")


def _address_index(runtime: Runtime, opened: Opened, email: str) -> bytes:
    try:
        canonical = addresses.parse(email, gmail_rules=runtime.settings.gmail_rules).canonical
    except RuleError as broken:
        raise InvalidInputError({"email": broken.code}) from None
    return opened.open_key.index(canonical)


def decline(runtime: Runtime, token: str) -> str:
    """Erase a signature at once ("I did not sign"); one that is confirmed is withdrawn. Returns its language.

    Raises:
        TokenRefusedError: the token does not work, or the signature has ended.
    """

    def work(tx: Transaction) -> str:
        row = _resolve(tx, find(runtime, tx, Purpose.CONFIRM, token))
        confirming_queries.lock_mailbox(tx, row.petition_id, row.address_index or b"")
        row = queries.by_id(tx, row.id, lock=True) or row
        now = runtime.clock()
        if row.state is SignatureState.PENDING:
            queries.expire(tx, [row.id], reason="declined", now=now)
        elif row.state is SignatureState.CONFIRMED:
            queries.end(tx, row.id, state=SignatureState.WITHDRAWN, reason="declined", now=now)
        else:
            raise TokenRefusedError(REFUSED)
        erasure.erase(runtime, tx, [row.id], reason="declined")
        return row.locale

    return runtime.store.transact(work)
