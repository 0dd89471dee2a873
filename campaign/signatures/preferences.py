"""A signer's own page and the unsubscribe links: see, hide, change, withdraw, take away, erase."""

from dataclasses import dataclass, field
from datetime import datetime

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError, clean_name, clean_reason
from campaign.accounts.countries import CODES
from campaign.database.connection import DuplicateError, Transaction
from campaign.errors import ConflictError, InvalidInputError, TokenRefusedError
from campaign.outbox import plan as outbox_plan
from campaign.petitions import queries as petition_queries
from campaign.petitions.petitions import Opened, by_id
from campaign.petitions.rules import TextVersion
from campaign.runtime import Runtime
from campaign.security.tokens import REFUSED, Purpose
from campaign.signatures import confirming_queries, erasure, erasure_queries, mine, queries
from campaign.signatures import consents as signature_consents
from campaign.signatures.consents import consent_id
from campaign.signatures.own_links import open_own
from campaign.signatures.queries import Signature
from campaign.signatures.signing import person_index
from campaign.states import SIGNATURE_MOVES, SignatureState


@dataclass(frozen=True)
class Consent:
    """What a signer agreed to: the wording, its language and its SHA-256."""

    text: str
    locale: str
    hash: str


@dataclass(frozen=True)
class OwnPage:
    """Everything that is stored about one signature, for its signer's eyes."""

    slug: str
    title: str
    locale: str
    state: SignatureState
    name: str = field(repr=False)
    email: str = field(repr=False)
    country: str
    reason: str = field(repr=False)
    show_name: bool
    wants_updates: bool
    requested_at: datetime
    confirmed_at: datetime | None
    ended_at: datetime | None
    updates_changed_at: datetime | None
    text: TextVersion
    consent: Consent
    updates_consent: Consent | None
    forget: bool = False
    """True if name, address and reason are about to be removed."""
    is_forgotten: bool = False
    """True if they were."""


def unsubscribe_token(runtime: Runtime, signature_id: int) -> str:
    """The token of an unsubscribe link; it holds no nonce, for it must work for ever."""
    return runtime.tokens.issue(Purpose.UNSUBSCRIBE, signature_id)


def own_page(runtime: Runtime, token: str) -> OwnPage:
    """All that is stored about the signature behind a link.

    Raises:
        TokenRefusedError: the token does not work, or the signature was erased.
    """
    return runtime.store.transact(lambda tx: _own_page(runtime, tx, open_own(runtime, tx, token)))


def _own_page(runtime: Runtime, tx: Transaction, row: Signature) -> OwnPage:
    opened = by_id(runtime, tx, row.petition_id)
    key = opened.open_key
    signed = petition_queries.text_by_id(tx, row.text_version_id or 0) or opened.text_for(row.locale)
    consents = signature_consents.by_ids(tx, [row.consent_id, row.updates_consent_id])
    updates = consents.get(row.updates_consent_id or 0)

    def clear(column: str, blob: bytes | None) -> str:
        return queries.open_field(key, row.id, column, blob) or ""

    return OwnPage(
        slug=opened.petition.slug,
        title=opened.text_for(row.locale).title,
        locale=row.locale,
        state=row.state,
        name=clear("name", row.name),
        email=clear("address", row.address),
        country=row.country,
        reason=clear("reason", row.reason),
        show_name=row.show_name,
        wants_updates=row.wants_updates,
        requested_at=row.requested_at,
        confirmed_at=row.confirmed_at,
        ended_at=row.ended_at,
        updates_changed_at=row.updates_changed_at,
        text=signed,
        consent=Consent(*consents[row.consent_id or 0]),
        updates_consent=Consent(*updates) if updates else None,
        forget=row.forget,
        is_forgotten=row.forgotten_at is not None,
    )


def export(runtime: Runtime, token: str) -> dict[str, object]:
    """What a signer takes away: plain JSON of everything stored about the signature (GDPR article 20).

    Raises:
        TokenRefusedError: the token does not work.
    """
    page = own_page(runtime, token)

    def moment(when: datetime | None) -> str | None:
        return None if when is None else when.isoformat()

    def consent(given: Consent | None) -> dict[str, str] | None:
        return None if given is None else vars(given)

    return {
        "petition": {"slug": page.slug, "title": page.title},
        "signature": {
            "state": str(page.state),
            "name": page.name,
            "email": page.email,
            "country": page.country,
            "reason": page.reason,
            "show_name": page.show_name,
            "wants_updates": page.wants_updates,
            "forget_once_counted": page.forget,
            "language": page.locale,
            "requested_at": moment(page.requested_at),
            "confirmed_at": moment(page.confirmed_at),
            "ended_at": moment(page.ended_at),
            "updates_changed_at": moment(page.updates_changed_at),
        },
        "signed_text": {
            "title": page.text.title,
            "language": page.text.locale,
            "version": page.text.version,
            "addressed_to": page.text.addressed_to,
            "text": page.text.body_markdown,
            "sha256": page.text.hash.hex(),
        },
        "consents": {"sign": consent(page.consent), "updates": consent(page.updates_consent)},
    }


def _opened_row(runtime: Runtime, tx: Transaction, token: str) -> tuple[Opened, Signature]:
    row = open_own(runtime, tx, token, lock=True)
    return by_id(runtime, tx, row.petition_id), row


def _check_changeable(row: Signature) -> None:
    if row.forget:
        raise ConflictError("this signer is forgotten, or about to be")
    if row.state is not SignatureState.CONFIRMED:
        raise ConflictError("only a confirmed signature can be changed")


def forget(runtime: Runtime, token: str) -> None:
    """Have name, address and reason removed once the thank-you is settled; the signature still counts.

    Updates end and the name is hidden at once. Repeating it is harmless.

    Raises:
        TokenRefusedError: the token does not work.
        ConflictError: the signature is not confirmed.
    """

    def work(tx: Transaction) -> None:
        _, row = _opened_row(runtime, tx, token)
        if row.state is not SignatureState.CONFIRMED:
            raise ConflictError("only a confirmed signature can be forgotten")
        erasure_queries.want_forgetting(tx, row.id, now=runtime.clock())

    runtime.store.transact(work)


def set_name_shown(runtime: Runtime, token: str, *, show_name: bool) -> None:
    """Show or hide the signer's name on the petition page.

    Raises:
        TokenRefusedError: the token does not work.
        ConflictError: the signature is not confirmed, or its signer is forgotten, or about to be.
    """

    def work(tx: Transaction) -> None:
        _, row = _opened_row(runtime, tx, token)
        _check_changeable(row)
        queries.set_shown(tx, row.id, show_name=show_name)

    runtime.store.transact(work)


def set_updates(runtime: Runtime, token: str, *, wants_updates: bool) -> None:
    """Change whether the signer gets updates; effective for everything not yet handed to the mail server.

    Raises:
        TokenRefusedError: the token does not work.
        ConflictError: the signature is not confirmed, or its signer is forgotten.
    """
    locale = runtime.store.transact(lambda tx: open_own(runtime, tx, token)).locale
    agreed = consent_id(runtime, "updates", locale) if wants_updates else None

    def work(tx: Transaction) -> None:
        opened, row = _opened_row(runtime, tx, token)
        _check_changeable(row)
        queries.set_updates(tx, row.id, wants_updates=wants_updates, consent_id=agreed, now=runtime.clock())
        if wants_updates:
            mine.allow_updates(runtime, tx, opened, row)

    runtime.store.transact(work)


def correct(runtime: Runtime, token: str, *, name: str, country: str, reason: str) -> None:
    """Correct name, country and reason; the address is changed by :mod:`~campaign.signatures.moving`.

    Raises:
        TokenRefusedError: the token does not work.
        ConflictError: as :func:`set_name_shown`.
        InvalidInputError: with a code per field; ``{"name": "taken"}`` if the other person of the mailbox has it.
    """
    problems: dict[str, str] = {}
    cleaned = ["", ""]
    for position, (label, rule, typed) in enumerate([("name", clean_name, name), ("reason", clean_reason, reason)]):
        try:
            cleaned[position] = rule(typed)
        except RuleError as broken:
            problems[label] = broken.code
    if country not in CODES:
        problems["country"] = "unknown" if country else "missing"
    if problems:
        raise InvalidInputError(problems)

    def work(tx: Transaction) -> None:
        opened, row = _opened_row(runtime, tx, token)
        _check_changeable(row)
        key = opened.open_key
        typed = queries.open_field(key, row.id, "address", row.address) or ""
        canonical = addresses.parse(typed, gmail_rules=runtime.settings.gmail_rules).canonical
        sealed = [
            key.seal(text, place=queries.place(column, row.id)) if text else None
            for column, text in zip(("name", "reason"), cleaned, strict=True)
        ]
        queries.correct(
            tx,
            row.id,
            name=sealed[0] or b"",
            person_index=person_index(key, canonical, cleaned[0]),
            country=country,
            reason=sealed[1],
        )

    try:
        runtime.store.transact(work)
    except DuplicateError:
        raise InvalidInputError({"name": "taken"}) from None


def withdraw(runtime: Runtime, token: str) -> None:
    """Take a confirmed signature back: the count falls, nothing more is mailed. Repeating it is harmless.

    Raises:
        TokenRefusedError: the token does not work.
        ConflictError: the signature was never confirmed.
    """

    def work(tx: Transaction) -> None:
        _, row = _opened_row(runtime, tx, token)
        _withdraw(tx, row, now=runtime.clock())

    runtime.store.transact(work)


def _withdraw(tx: Transaction, row: Signature, *, now: datetime) -> None:
    if row.state is SignatureState.WITHDRAWN:
        return
    if SignatureState.WITHDRAWN not in SIGNATURE_MOVES[row.state]:
        raise ConflictError("only a confirmed signature can be withdrawn")
    queries.end(tx, row.id, state=SignatureState.WITHDRAWN, reason="by_signer", now=now)
    outbox_plan.cancel_for(tx, [row.id], reason="withdrawn", now=now)


def erase(runtime: Runtime, token: str) -> None:
    """Erase what tells who signed. A confirmed signature still counts, anonymously: ADR 22.

    A pending one is ended, and with a confirmed one those that wait for its signer. Every link to the signature stops
    working; no more mail is sent.

    Raises:
        TokenRefusedError: the token does not work (as after an earlier erasure).
    """

    def work(tx: Transaction) -> None:
        found = open_own(runtime, tx, token)
        confirming_queries.lock_mailbox(tx, found.petition_id, found.address_index or b"")
        erase_signature(runtime, tx, open_own(runtime, tx, token, lock=True))

    runtime.store.transact(work)


def erase_signature(runtime: Runtime, tx: Transaction, found: Signature) -> None:
    """As :func:`erase`, for a caller that has made sure who asks; an erased signature stays as it is."""
    confirming_queries.lock_mailbox(tx, found.petition_id, found.address_index or b"")
    row = queries.by_id(tx, found.id, lock=True) or found
    beside = confirming_queries.at_mailbox(tx, row.petition_id, row.address_index or b"")
    ids = [row.id, *(one.id for one in beside if one.person_index == row.person_index and one.id != row.id)]
    queries.expire(tx, ids, reason="erased", now=runtime.clock())
    erasure.erase(runtime, tx, ids, reason="erased")


@dataclass(frozen=True)
class UnsubscribePage:
    """What the unsubscribe page shows."""

    slug: str
    title: str
    locale: str
    wants_updates: bool
    counts: bool
    """False if the signature does not count, or not any longer."""
    has_address: bool
    """False once the address is removed: then nothing leads to other signatures of the mailbox."""


def unsubscribe_page(runtime: Runtime, token: str) -> UnsubscribePage:
    """What the unsubscribe page shows; changes nothing.

    Raises:
        TokenRefusedError: altered or of another purpose. It never expires.
    """

    def work(tx: Transaction) -> UnsubscribePage:
        row = _by_unsubscribe_token(runtime, tx, token)
        opened = by_id(runtime, tx, row.petition_id)
        title = opened.text_for(row.locale).title
        # Its link works for ever; the language was erased with the rest.
        locale = row.locale or opened.petition.default_locale
        counts, has_address = row.state is SignatureState.CONFIRMED, row.address is not None
        return UnsubscribePage(opened.petition.slug, title, locale, row.wants_updates, counts, has_address)

    return runtime.store.transact(work)


def _by_unsubscribe_token(runtime: Runtime, tx: Transaction, token: str) -> Signature:
    claim = runtime.tokens.read(Purpose.UNSUBSCRIBE, token)
    row = queries.by_id(tx, claim.row_id, lock=True)
    if row is None:
        raise TokenRefusedError(REFUSED)
    return row


def unsubscribe(runtime: Runtime, token: str, *, everything: bool = False) -> None:
    """Stop the updates of one petition, or all mail that is not asked for; effective at once.

    Args:
        runtime: the runtime.
        token: from an unsubscribe link.
        everything: also for every other petition signed with this address, now and later.

    Raises:
        TokenRefusedError: altered or of another purpose.
    """

    def work(tx: Transaction) -> None:
        row = _by_unsubscribe_token(runtime, tx, token)
        queries.set_updates(tx, row.id, wants_updates=False, consent_id=None, now=runtime.clock())
        opened = by_id(runtime, tx, row.petition_id)
        if everything and opened.key is not None and row.address is not None:
            mine.stop_everything(runtime, tx, mine.canonical_of(runtime, opened, row) or "")

    runtime.store.transact(work)


def one_click(runtime: Runtime, token: str) -> None:
    """RFC 8058 section 3.2: unsubscribe at once; an unknown token is answered the same and changes nothing."""
    try:
        unsubscribe(runtime, token)
    except TokenRefusedError:
        return
