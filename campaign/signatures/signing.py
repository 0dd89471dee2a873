"""Signing: take a form, plan its confirmation, and tell everybody the same."""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError, clean_name, clean_reason, person_key
from campaign.accounts.countries import CODES
from campaign.database.connection import DuplicateError, Transaction
from campaign.errors import ConflictError, InvalidInputError, TokenRefusedError
from campaign.outbox import plan as outbox_plan
from campaign.petitions.petitions import Opened, by_slug, list_live
from campaign.runtime import Runtime
from campaign.security.encryption import NONCE as FIELD_NONCE
from campaign.security.encryption import DataKey, VaultError
from campaign.security.tokens import NONCE as ROW_NONCE
from campaign.security.tokens import Purpose
from campaign.settings import LANGUAGES
from campaign.signatures import queries, signups
from campaign.signatures.consents import consent_id
from campaign.states import Lane, MessageKind, PetitionState, SignatureState

STAMP_LIFE = timedelta(hours=24)
HANDLE = 272
"""Bytes a sealed address is padded to: the answer to a sign-up is the same length for everyone."""

MAILBOX_SEATS = 2
"""People who may sign one petition with one mailbox."""


@dataclass(frozen=True)
class SignForm:
    """What a supporter typed and ticked."""

    name: str = field(repr=False)
    email: str = field(repr=False)
    country: str
    reason: str = field(default="", repr=False)
    show_name: bool = False
    wants_updates: bool = False
    locale: str = "en"


@dataclass(frozen=True)
class Requested:
    """The same answer for everyone: the address as typed, masked, and a handle for the code form."""

    masked_address: str
    handle: str = field(repr=False)


def form_stamp(runtime: Runtime, slug: str, text_version_id: int) -> str:
    """A signed stamp for the form of a petition: which text was shown, and in which minute.

    No finer, so that the page of a quiet petition stays the same for a minute and browsers need not fetch it again.
    """
    minute = int(runtime.clock().timestamp()) // 60 * 60
    return runtime.tokens.sign_text(Purpose.STAMP, f"{slug} {text_version_id} {minute}")


def read_stamp(runtime: Runtime, slug: str, stamp: str) -> int:
    """The text version a form was shown with.

    Raises:
        InvalidInputError: ``{"stamp": "expired"}``: missing, altered, of another petition or older than a day;
            pressing again helps.
    """
    try:
        petition, version, shown = runtime.tokens.read_text(Purpose.STAMP, stamp).split(" ")
        age = runtime.clock().timestamp() - int(shown)
    except (TokenRefusedError, ValueError):
        raise InvalidInputError({"stamp": "expired"}) from None
    if petition != slug or not -60 <= age <= STAMP_LIFE.total_seconds():
        raise InvalidInputError({"stamp": "expired"})
    return int(version)


@dataclass(frozen=True)
class _Checked:
    """A form that passed its rules."""

    name: str = field(repr=False)
    address: addresses.Address
    country: str
    reason: str = field(repr=False)
    show_name: bool
    wants_updates: bool
    locale: str


def check(runtime: Runtime, form: SignForm) -> _Checked:
    """Apply the rules to every field.

    Raises:
        InvalidInputError: a code per field: name (missing, too_long, looks_like_link, not_a_name), email (missing,
            invalid, role, not_ascii), country (missing, unknown), reason (too_long, looks_like_link).
    """
    problems: dict[str, str] = {}

    def rule(name: str, apply: Callable[[], object]) -> object:
        try:
            return apply()
        except RuleError as broken:
            problems[name] = broken.code
            return None

    name = rule("name", lambda: clean_name(form.name))
    reason = rule("reason", lambda: clean_reason(form.reason))
    address = rule("email", lambda: addresses.parse(form.email, gmail_rules=runtime.settings.gmail_rules))
    if not form.country:
        problems["country"] = "missing"
    elif form.country not in CODES:
        problems["country"] = "unknown"
    if problems or not isinstance(address, addresses.Address):
        raise InvalidInputError(problems)
    return _Checked(
        name=str(name), address=address, country=form.country, reason=str(reason), show_name=form.show_name,
        wants_updates=form.wants_updates, locale=form.locale if form.locale in LANGUAGES else LANGUAGES[0],
    )  # fmt: skip


def request_signature(
    runtime: Runtime,
    slug: str,
    form: SignForm,
    *,
    network: str | None = None,
    text_version_id: int | None = None,
    express: bool = True,
) -> Requested:
    """Store a pending signature and plan its confirmation, in one transaction.

    New, pending, confirmed and suppressed addresses get the same answer after the same work; what differs goes by
    mail, within the allowance of the mailbox.

    Args:
        runtime: the runtime.
        slug: the petition.
        form: as typed.
        network: the IP address it came from; hashed, never stored.
        text_version_id: the text that was on the page, from its stamp; the newest one if not given.
        express: try the one round trip of a plain sign-up first; the rows are the same without it.

    Raises:
        NotFoundError: no such petition.
        ConflictError: the petition can't be signed now.
        InvalidInputError: with a code per field.
        StoreUnavailableError: nothing was stored.
    """
    request = _checked_request(runtime, slug, form, network, text_version_id)

    def work(tx: Transaction) -> None:
        _store(tx, request)

    if not (express and _express(runtime, request)):
        _carefully(runtime, work)
    return _requested(runtime, request)


def request_plainly(
    runtime: Runtime, slug: str, form: SignForm, *, network: str | None, text_version_id: int
) -> Requested | None:
    """As :func:`request_signature`, but only what its express way can do.

    Returns:
        None if nothing was stored, and the careful way must decide.

    Raises:
        NotFoundError, ConflictError, InvalidInputError, StoreUnavailableError: as :func:`request_signature`.
    """
    request = _checked_request(runtime, slug, form, network, text_version_id)
    return _requested(runtime, request) if _express(runtime, request) else None


def _checked_request(
    runtime: Runtime, slug: str, form: SignForm, network: str | None, text_version_id: int | None
) -> "_Request":
    opened = by_slug(runtime, slug)
    if opened.petition.state is not PetitionState.LIVE:
        raise ConflictError("this petition is closed")
    checked = check(runtime, form)
    return _Request(
        opened=opened,
        checked=checked,
        whose=outbox_plan.origin(runtime, checked.address.canonical, network),
        signature_id=_ids(runtime).next(),
        text_version_id=text_version_id,
        consent_id=consent_id(runtime, "sign", checked.locale),
        updates_consent_id=consent_id(runtime, "updates", checked.locale) if checked.wants_updates else None,
        now=runtime.clock(),
    )


def _requested(runtime: Runtime, request: "_Request") -> Requested:
    address = request.checked.address
    return Requested(address.masked, seal_handle(runtime, request.opened.petition.id, address.canonical))


def _express(runtime: Runtime, request: "_Request") -> bool:
    if request.whose.network is None:
        return False
    keys = signups.Keys(request.whose.mailbox, request.whose.network)
    return signups.store(runtime.store, _new_row(request, request.signature_id), keys)


def _carefully(runtime: Runtime, work: Callable[[Transaction], None]) -> None:
    try:
        runtime.store.transact(work)
    except DuplicateError:
        # The same person pressed twice at the same moment: now the other row is there to be found.
        runtime.store.transact(work)


@dataclass(frozen=True)
class _Request:
    opened: Opened
    checked: _Checked
    whose: outbox_plan.Origin
    signature_id: int
    text_version_id: int | None
    consent_id: int
    updates_consent_id: int | None
    now: datetime


def _store(tx: Transaction, request: _Request) -> None:
    key, checked = request.opened.open_key, request.checked
    petition_id = request.opened.petition.id
    address_index = key.index(checked.address.canonical)
    person = person_index(key, checked.address.canonical, checked.name)
    present = queries.at_mailbox(tx, petition_id, address_index, person_index=person)
    same = next((row for row in present if row.person_index == person), None)
    confirmed = [row for row in present if row.state is SignatureState.CONFIRMED]
    if same is not None and same.state is SignatureState.CONFIRMED:
        _tell_owner(tx, request, MessageKind.ALREADY_SIGNED, same, present)
    elif same is not None:
        queries.renew(tx, same.id, _new_row(request, same.id))
        if not outbox_plan.has_open(tx, same.id, MessageKind.CONFIRMATION):
            _plan(tx, request, MessageKind.CONFIRMATION, same.id, again=True)
    elif len(confirmed) >= MAILBOX_SEATS:
        _tell_owner(tx, request, MessageKind.MAILBOX_FULL, confirmed[0], present)
    else:
        queries.add(tx, _new_row(request, request.signature_id))
        _plan(tx, request, MessageKind.CONFIRMATION, request.signature_id)


def _tell_owner(
    tx: Transaction,
    request: _Request,
    kind: MessageKind,
    recipient: queries.Signature,
    present: list[queries.Signature],
) -> None:
    # The owner of a mailbox hears of a repeated sign-up once a month at most, whoever repeats it.
    if not outbox_plan.planned_since(tx, [row.id for row in present], kind, since=request.now - timedelta(days=30)):
        _plan(tx, request, kind, recipient.id)


def _plan(tx: Transaction, request: _Request, kind: MessageKind, signature_id: int, *, again: bool = False) -> None:
    wanted = outbox_plan.Plan(
        kind=kind, lane=Lane.URGENT, due_at=request.now, signature_id=signature_id,
        petition_id=request.opened.petition.id,
    )  # fmt: skip
    _plan_within_allowance(tx, request.whose, wanted, again=again)


def _plan_within_allowance(
    tx: Transaction, whose: outbox_plan.Origin, wanted: outbox_plan.Plan, *, again: bool
) -> None:
    will_go = outbox_plan.plan(tx, whose, wanted, now=wanted.due_at)
    if will_go and again and wanted.signature_id is not None:
        # Tries come with mails, which the allowance limits, and never with mere sign-ups: the code can't be guessed.
        queries.allow_tries(tx, wanted.signature_id)


def person_index(key: DataKey, canonical: str, name: str) -> bytes:
    """The blind index of one person: a canonical mailbox and a name, whatever the spelling."""
    return key.index(f"{canonical}\n{person_key(name)}")


def _new_row(request: _Request, signature_id: int) -> queries.NewSignature:
    key, checked = request.opened.open_key, request.checked
    shown = request.opened.text_for(checked.locale)
    # Drawn at once: each draw lets other threads go first, and a sign-up in a rush waits for its turn again.
    dice = BytesIO(secrets.token_bytes(ROW_NONCE + 3 * FIELD_NONCE))

    def seal(column: str, text: str) -> bytes:
        return key.seal(text, place=queries.place(column, signature_id), nonce=dice.read(FIELD_NONCE))

    return queries.NewSignature(
        id=signature_id,
        petition_id=request.opened.petition.id,
        text_version_id=request.text_version_id or shown.id,
        consent_id=request.consent_id,
        updates_consent_id=request.updates_consent_id,
        locale=checked.locale,
        country=checked.country,
        show_name=checked.show_name,
        wants_updates=checked.wants_updates,
        nonce=dice.read(ROW_NONCE),
        address_index=key.index(checked.address.canonical),
        person_index=person_index(key, checked.address.canonical, checked.name),
        address=seal("address", checked.address.typed),
        name=seal("name", checked.name),
        reason=seal("reason", checked.reason) if checked.reason else None,
        requested_at=request.now,
    )


_blocks: dict[int, queries.IdBlocks] = {}


def _ids(runtime: Runtime) -> queries.IdBlocks:
    return _blocks.setdefault(id(runtime.store), queries.IdBlocks(runtime.store))


def seal_handle(runtime: Runtime, petition_id: int, canonical: str) -> str:
    """An opaque handle for the code form, so that the address need not be typed again nor stand in the page."""
    padded = canonical.encode().ljust(HANDLE, b"\0").decode()
    blob = runtime.secrets.handles.seal(padded, place=f"handle.{petition_id}")
    return base64.urlsafe_b64encode(blob).decode()


def open_handle(runtime: Runtime, petition_id: int, handle: str) -> str:
    """The canonical address behind a handle.

    Raises:
        TokenRefusedError: altered, or of another petition.
    """
    try:
        blob = base64.urlsafe_b64decode(handle)
        return runtime.secrets.handles.open(blob, place=f"handle.{petition_id}").rstrip("\0")
    except (ValueError, VaultError):
        raise TokenRefusedError("this form is too old; please ask for a new mail") from None


def resend(runtime: Runtime, email: str, *, network: str | None, locale: str) -> str:
    """Plan the confirmations that wait at a mailbox once more, within its allowance; the same answer for everyone.

    Returns:
        The masked address.

    Raises:
        InvalidInputError: the address can't be one.
    """
    try:
        address = addresses.parse(email, gmail_rules=runtime.settings.gmail_rules)
    except RuleError as broken:
        raise InvalidInputError({"email": broken.code}) from None
    whose = outbox_plan.origin(runtime, address.canonical, network)
    now = runtime.clock()
    opened = [by_slug(runtime, card.slug) for card in list_live(runtime, locale)]

    def work(tx: Transaction) -> None:
        for petition in opened:
            if petition.key is None:
                continue
            for row in queries.at_mailbox(tx, petition.petition.id, petition.key.index(address.canonical)):
                waits = row.state is SignatureState.PENDING
                if waits and not outbox_plan.has_open(tx, row.id, MessageKind.CONFIRMATION):
                    wanted = outbox_plan.Plan(
                        kind=MessageKind.CONFIRMATION, lane=Lane.URGENT, due_at=now, signature_id=row.id,
                        petition_id=petition.petition.id,
                    )  # fmt: skip
                    _plan_within_allowance(tx, whose, wanted, again=True)

    runtime.store.transact(work)
    return address.masked
