"""Requests: the web writes one sealed row for each; a worker decides (admission.py in this room).

Nothing here looks whether an address is known, so a request takes the same work for every address.
"""

import base64
import json
import re
import secrets
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError
from campaign.accounts.lookalikes import domain_in_letters
from campaign.accounts.reachable import check_reachable
from campaign.accounts.typos import suggest
from campaign.errors import ConflictError, InvalidInputError, NotFoundError, RequestGoneError, SigningPausedError
from campaign.networks.labels import label_of
from campaign.outbox import plan as outbox_plan
from campaign.petitions.petitions import Opened, by_slug
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey, DecryptionError, keyed_hash
from campaign.signatures import places, request_queries
from campaign.signatures.consents import consent_id
from campaign.signatures.signing import SignForm, check, person_index
from campaign.site.current import SwitchName, site_of
from campaign.states import PetitionState, RequestKind

VERSION: Final = 1
"""Version of the sealed text; a worker refuses one that it does not know."""

DROPPED: Final = frozenset({"trapped"})
"""Fields that a release before wrote and that nothing reads now."""

STEP: Final = 1024
"""Sealed texts are padded to a multiple of so many bytes: nearly all have the same length, whatever was typed."""

SHOWN: Final = timedelta(minutes=30)
"""How long the page after signing shows the whole address."""

RESEND_AFTER: Final = timedelta(minutes=1)
"""How long that page asks for patience before it offers to send the email again."""

SOON: Final = timedelta(minutes=3)
"""A booking within this time is not worth a word."""

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_REF = re.compile(r"[A-Za-z0-9_-]{22}")


class PayloadError(Exception):
    """Raised when what a request holds is of a version that this code does not know, or is no such text."""


@dataclass(frozen=True)
class SignaturePayload:
    """What a request for a signature holds, as it was typed and checked; consents are those that the page showed."""

    name: str = field(repr=False)
    email: str = field(repr=False)
    country: str
    reason: str = field(repr=False)
    show_name: bool
    wants_updates: bool
    locale: str
    text_version_id: int
    consent_id: int
    updates_consent_id: int | None
    forget: bool = False
    """True if name, address and reason are to be removed once the signature is counted."""


@dataclass(frozen=True)
class AddressPayload:
    """What a request for another confirmation, or for a sign-in link, holds."""

    email: str = field(repr=False)
    """The canonical address."""
    ref: str = field(default="", repr=False)
    """The sign-up whose confirmation is wanted once more; empty for whatever waits at the address."""


def seal(key: DataKey, ref: bytes, payload: SignaturePayload | AddressPayload) -> bytes:
    """Encrypt what a request holds, for its row alone."""
    # What a release before does not know is left out unless it is needed.
    values = {name: value for name, value in vars(payload).items() if name != "forget" or value}
    written = _JSON.encode({"v": VERSION} | values)
    size = len(written.encode())
    return key.seal(written + " " * (-size % STEP), place=_place(ref))


def _place(ref: bytes) -> str:
    return f"sign_up_request.sealed.{ref.hex()}"


def open_signature(key: DataKey, row: request_queries.NewRequest) -> SignaturePayload:
    """What a request for a signature holds.

    Raises:
        DecryptionError: it was sealed for another row or key.
        PayloadError: it is of an unknown version.
    """
    return SignaturePayload(**_open(key, row, SignaturePayload))


def open_address(key: DataKey, row: request_queries.NewRequest) -> AddressPayload:
    """What a request for a mail to an address holds.

    Raises:
        DecryptionError, PayloadError: as :func:`open_signature`.
    """
    return AddressPayload(**_open(key, row, AddressPayload))


def _open(key: DataKey, row: request_queries.NewRequest, kind: type) -> dict[str, Any]:
    opened: dict[str, Any] = json.loads(key.open(row.sealed, place=_place(row.ref)))
    values = {name: value for name, value in opened.items() if name not in DROPPED}
    known = fields(kind)
    # A release may add fields that have defaults: requests of the release before stay readable.
    needed = {one.name for one in known if one.default is MISSING}
    if values.pop("v", None) != VERSION or not needed <= values.keys() <= {one.name for one in known}:
        raise PayloadError("a request of another version")
    return values


def request_signature(
    runtime: Runtime,
    slug: str,
    form: SignForm,
    *,
    network: str | None = None,
    text_version_id: int | None = None,
    effort: places.Effort = places.Effort.NONE,
) -> str:
    """Check a sign form and write down that it was sent; returns the reference of the page that follows.

    Args:
        runtime: the runtime.
        slug: the petition.
        form: as typed.
        network: the IP address it came from, which is never stored; None if it came from no network.
        text_version_id: the text that was on the page, from its stamp; the newest one if not given.
        effort: what it offers if its network is under the shield.

    Raises:
        NotFoundError: no such petition.
        ConflictError: the petition can't be signed now.
        SigningPausedError: nothing can be signed now.
        InvalidInputError: with a code per field.
        NetworkShieldedError: its network is under the shield, and it offers nothing.
        NetworkBusyError: all that its network may be sent in the next hours is promised.
        StoreUnavailableError: nothing was stored.
    """
    opened = by_slug(runtime, slug)
    if opened.petition.state is not PetitionState.LIVE:
        raise ConflictError("this petition is closed")
    if SwitchName.SIGNING in site_of(runtime).switches:
        raise SigningPausedError("signing is paused")
    checked = check(runtime, form)
    key, canonical = opened.open_key, checked.address.canonical
    ref = secrets.token_bytes(request_queries.REF)
    payload = SignaturePayload(
        name=checked.name,
        email=checked.address.typed,
        country=checked.country,
        reason=checked.reason,
        show_name=checked.show_name,
        wants_updates=checked.wants_updates,
        locale=checked.locale,
        text_version_id=text_version_id or opened.text_for(checked.locale).id,
        consent_id=consent_id(runtime, "sign", checked.locale),
        updates_consent_id=consent_id(runtime, "updates", checked.locale) if checked.wants_updates else None,
        forget=checked.forget,
    )
    place = places.take(runtime, network, ref, effort)
    new = request_queries.NewRequest(
        ref=ref,
        kind=RequestKind.SIGNATURE,
        petition_id=opened.petition.id,
        sealed=seal(key, ref, payload),
        address_index=key.index(canonical),
        person_index=person_index(key, canonical, checked.name),
        mailbox=outbox_plan.mailbox_of(runtime, canonical),
        requested_at=runtime.clock(),
        **vars(place),
    )
    request_queries.add(runtime.store, new)
    places.settle(runtime, place)
    return as_text(ref)


def request_mine(runtime: Runtime, email: str, *, network: str | None) -> datetime | None:
    """Write down that links to all signatures of a mailbox are wanted, whether or not there are any.

    Returns:
        When the email is booked for, if that is later than :data:`SOON`: many people of this network ask for one now.

    Raises:
        InvalidInputError: the address can't be one.
        NetworkBusyError: as :func:`request_signature`.
        StoreUnavailableError: nothing was stored.
    """
    address = _address(runtime, email, gmail_rules=runtime.settings.gmail_rules)
    ref = secrets.token_bytes(request_queries.REF)
    place = places.take_for_links(runtime, network)
    _request_mail(runtime, RequestKind.MINE, address, ref, place)
    return place.due_at if place.due_at - runtime.clock() > SOON else None


def request_sign_in_link(runtime: Runtime, email: str, *, network: str | None) -> str:
    """Write down that a sign-in link is wanted for an address, whether or not it has an account.

    Returns:
        The masked address.

    Raises:
        InvalidInputError: the address can't be one.
        StoreUnavailableError: nothing was stored.
    """
    address = _address(runtime, email)
    # Sign-ups of a network never use up what its organisers and admins need: an allowance of its own.
    label = None if network is None else label_of(network, runtime.settings.keys, runtime.clock())
    place = places.Place(runtime.clock(), None if label is None else keyed_hash(label, "sign-in"))
    ref = secrets.token_bytes(request_queries.REF)
    return _request_mail(runtime, RequestKind.SIGN_IN, address, ref, place)


def _address(runtime: Runtime, email: str, *, gmail_rules: bool = False) -> addresses.Address:
    try:
        return check_reachable(runtime, addresses.parse(email, gmail_rules=gmail_rules))
    except RuleError as broken:
        raise InvalidInputError({"email": broken.code}) from None


def _request_mail(
    runtime: Runtime, kind: RequestKind, address: addresses.Address, ref: bytes, place: places.Place
) -> str:
    # Sign-in mail has an allowance of its own in each mailbox.
    subject = f"sign-in {address.canonical}" if kind is RequestKind.SIGN_IN else address.canonical
    new = request_queries.NewRequest(
        ref=ref,
        kind=kind,
        petition_id=None,
        sealed=seal(runtime.secrets.requests, ref, AddressPayload(address.canonical)),
        address_index=None,
        person_index=None,
        mailbox=outbox_plan.mailbox_of(runtime, subject),
        requested_at=runtime.clock(),
        **vars(place),
    )
    request_queries.add(runtime.store, new)
    places.settle(runtime, place)
    return address.masked


def request_again(runtime: Runtime, slug: str, ref: str, *, network: str | None) -> None:
    """Write down that the confirmation of one sign-up is wanted once more.

    Raises:
        NotFoundError: no such petition.
        RequestGoneError: no sign-up of this petition has this reference, or it is deleted.
        NetworkBusyError: as :func:`request_signature`.
        StoreUnavailableError: nothing was stored.
    """
    opened, row, payload = _find(runtime, slug, ref)
    canonical = _canonical(runtime, payload)
    place = places.take(runtime, network, row.ref)
    new_ref = secrets.token_bytes(request_queries.REF)
    new = request_queries.NewRequest(
        ref=new_ref,
        kind=RequestKind.RESEND,
        petition_id=opened.petition.id,
        sealed=seal(runtime.secrets.requests, new_ref, AddressPayload(canonical, ref)),
        address_index=row.address_index,
        person_index=row.person_index,
        mailbox=outbox_plan.mailbox_of(runtime, canonical),
        requested_at=runtime.clock(),
        **vars(place),
    )
    request_queries.add(runtime.store, new)
    places.settle(runtime, place)


@dataclass(frozen=True)
class Sent:
    """What the page that follows a sign-up shows."""

    slug: str
    ref: str = field(repr=False)
    address: str = field(repr=False)
    """As typed; masked once :data:`SHOWN` has passed, for the screen may be shared."""
    is_masked: bool
    may_resend: bool
    """False until :data:`RESEND_AFTER` has passed."""
    arrives_at: datetime | None = None
    """When the email is booked for, if that is later than :data:`SOON`."""
    is_in_line: bool = False
    """True if many people of this network sign now, so that each answer may bring the email forward."""
    suggestion: str = field(default="", repr=False)
    """The address that was probably meant, if its domain is a near miss of a large one; not once it is masked."""


def as_text(ref: bytes) -> str:
    """A reference as in the address of a page: 22 characters."""
    return base64.urlsafe_b64encode(ref).rstrip(b"=").decode()


def as_bytes(ref: str) -> bytes:
    """What :func:`as_text` wrote as text.

    Raises:
        RequestGoneError: it is no reference.
    """
    if not _REF.fullmatch(ref):
        raise RequestGoneError("no such request")
    return base64.urlsafe_b64decode(f"{ref}==")


def look_up(runtime: Runtime, slug: str, ref: str) -> Sent:
    """What the page of a sign-up shows; the same work for every sign-up, whatever became of it.

    Raises:
        NotFoundError: no such petition.
        RequestGoneError: no sign-up of this petition has this reference, or it is deleted.
    """
    _opened, row, payload = _find(runtime, slug, ref)
    shown = domain_in_letters(payload.email)
    now = runtime.clock()
    age = now - row.requested_at
    arrives_at = row.due_at if row.due_at - now > SOON else None
    sent = Sent(
        slug,
        ref,
        shown,
        is_masked=False,
        may_resend=age >= RESEND_AFTER,
        arrives_at=arrives_at,
        is_in_line=row.ticket != places.ASIDE,
    )
    if age >= SHOWN:
        return replace(sent, address=addresses.Address(typed=shown, canonical=shown).masked, is_masked=True)
    return replace(sent, suggestion=suggest(payload.email) or "")


def form_of(runtime: Runtime, slug: str, ref: str) -> SignForm:
    """The form of a sign-up with everything that was typed, to be changed and sent again as a request of its own.

    Once :data:`SHOWN` has passed, what could tell others who signed is left empty: name, address and reason.

    Raises:
        NotFoundError, RequestGoneError: as :func:`look_up`.
    """
    _opened, row, payload = _find(runtime, slug, ref)
    is_hidden = runtime.clock() - row.requested_at >= SHOWN
    return SignForm(
        name="" if is_hidden else payload.name,
        email="" if is_hidden else domain_in_letters(payload.email),
        country=payload.country,
        reason="" if is_hidden else payload.reason,
        show_name=payload.show_name,
        wants_updates=payload.wants_updates,
        locale=payload.locale,
        forget=payload.forget,
    )


def stored(runtime: Runtime, slug: str, ref: str) -> request_queries.Request:
    """The row of a sign-up.

    Raises:
        NotFoundError, RequestGoneError: as :func:`look_up`.
    """
    _opened, row, _payload = _find(runtime, slug, ref)
    return row


def _canonical(runtime: Runtime, payload: SignaturePayload) -> str:
    try:
        return addresses.canonical(payload.email, gmail_rules=runtime.settings.gmail_rules)
    except RuleError:
        # The rules have changed since it was typed.
        raise RequestGoneError("this address is not accepted any longer") from None


def _find(runtime: Runtime, slug: str, ref: str) -> tuple[Opened, request_queries.Request, SignaturePayload]:
    opened = by_slug(runtime, slug)
    if opened.petition.state is PetitionState.DRAFT:
        raise NotFoundError("there is no such petition")
    raw = as_bytes(ref)
    row = runtime.store.transact(lambda tx: request_queries.by_ref(tx, raw))
    if row is None or row.petition_id != opened.petition.id or row.kind is not RequestKind.SIGNATURE:
        raise RequestGoneError("no such request")
    try:
        return opened, row, open_signature(opened.open_key, row)
    except (DecryptionError, PayloadError):
        raise RequestGoneError("this request can't be read") from None
