"""Accounts of organisers and admins: sign-in by a link that opens once, sessions on the server."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from campaign import addresses
from campaign.database.connection import DuplicateError, Transaction
from campaign.domain.names import RuleError, clean_name
from campaign.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError, TokenRefusedError
from campaign.i18n import zone_names
from campaign.outbox import allowance
from campaign.outbox import plan as outbox_plan
from campaign.runtime import Runtime
from campaign.security.tokens import NONCE, REFUSED, Purpose
from campaign.settings import LANGUAGES
from campaign.states import Lane, MessageKind
from campaign.store import accounts, audit
from campaign.store.petitions import by_slug as petition_by_slug

LINK_LIFE = timedelta(minutes=15)
PRINTED_LINK_LIFE = timedelta(hours=12)
"""A link that the command line printed: whoever sees the terminal owns the machine anyway."""

SESSION_LIFE = timedelta(days=7)
IDLE = timedelta(hours=12)
SIGN_INS_PER_HOUR = 5
SIGN_INS_PER_NETWORK = 30


class Role(StrEnum):
    """What an account may do: an organiser its own petitions, an admin everything."""

    ORGANISER = "organiser"
    ADMIN = "admin"


@dataclass(frozen=True)
class Account:
    """An account in clear."""

    id: int
    role: Role
    name: str = field(repr=False)
    email: str = field(repr=False)
    locale: str
    time_zone: str
    disabled: bool
    created_at: datetime

    @property
    def is_admin(self) -> bool:
        """True for an admin."""
        return self.role is Role.ADMIN


@dataclass(frozen=True)
class Session:
    """An open session: who, and the token that its forms carry against forgery."""

    account: Account
    csrf: str = field(repr=False)


def _place(column: str, account_id: int) -> str:
    return f"account.{column}.{account_id}"


def in_clear(runtime: Runtime, stored: accounts.StoredAccount) -> Account:
    """A stored account with its name and address decrypted."""
    return Account(
        id=stored.id,
        role=Role(stored.role),
        name=runtime.accounts.open(stored.name, place=_place("name", stored.id)),
        email=runtime.accounts.open(stored.address, place=_place("address", stored.id)),
        locale=stored.locale,
        time_zone=stored.time_zone,
        disabled=stored.disabled_at is not None,
        created_at=stored.created_at,
    )


def _address(email: str) -> addresses.Address:
    try:
        return addresses.parse(email)
    except RuleError as broken:
        raise InvalidInputError({"email": broken.code}) from None


def create(runtime: Runtime, *, email: str, name: str, role: Role, locale: str = "en", by: int | None = None) -> int:
    """Create an account; returns its id.

    Raises:
        InvalidInputError: a field is wrong, or the address has an account (``{"email": "taken"}``).
    """
    address = _address(email)
    try:
        clean = clean_name(name)
    except RuleError as broken:
        raise InvalidInputError({"name": broken.code}) from None
    if locale not in LANGUAGES:
        raise InvalidInputError({"locale": "unknown"})

    def work(tx: Transaction) -> int:
        account_id = accounts.next_id(tx)
        key = runtime.accounts
        accounts.add(
            tx, account_id, address_index=key.index(address.canonical),
            address=key.seal(address.typed, place=_place("address", account_id)),
            name=key.seal(clean, place=_place("name", account_id)), role=str(role), locale=locale,
        )  # fmt: skip
        audit.add(
            tx, action="account.create", subject="account", subject_id=account_id, account_id=by, actor="cli",
            detail={"role": str(role)},
        )  # fmt: skip
        return account_id

    try:
        return runtime.store.transact(work)
    except DuplicateError:
        raise InvalidInputError({"email": "taken"}) from None


def find(runtime: Runtime, email: str) -> Account | None:
    """The account of an address, if there is one."""
    index = runtime.accounts.index(_address(email).canonical)
    stored = runtime.store.transact(lambda tx: accounts.by_index(tx, index))
    return None if stored is None else in_clear(runtime, stored)


def list_all(runtime: Runtime) -> list[Account]:
    """Every account, for admins."""
    return [in_clear(runtime, stored) for stored in runtime.store.transact(accounts.all_accounts)]


def organisers(runtime: Runtime) -> dict[int, list[Account]]:
    """Who organises each petition, for admins; petitions without anybody are not there."""
    found: dict[int, list[Account]] = {}
    for petition_id, stored in runtime.store.transact(accounts.memberships):
        found.setdefault(petition_id, []).append(in_clear(runtime, stored))
    return found


def sign_in_link(runtime: Runtime, account_id: int, *, life: timedelta = PRINTED_LINK_LIFE) -> str:
    """A one-time address that opens a session, for the command line.

    Raises:
        NotFoundError: no such account, or it is disabled.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> tuple[int, bytes]:
        stored = accounts.by_id(tx, account_id)
        if stored is None or stored.disabled_at is not None:
            raise NotFoundError("there is no such account, or it is disabled")
        nonce = secrets.token_bytes(NONCE)
        audit.add(tx, action="account.sign_in_link", subject="account", subject_id=account_id, actor="cli")
        return accounts.add_link(tx, account_id, nonce=nonce, expires_at=now + life, message_id=None), nonce

    link_id, nonce = runtime.store.transact(work)
    return link_address(runtime, link_id, nonce)


def link_address(runtime: Runtime, link_id: int, nonce: bytes) -> str:
    """The address behind a stored link."""
    return f"{runtime.settings.base_url}/sign-in/{runtime.tokens.issue(Purpose.SIGN_IN, link_id, nonce)}"


def request_sign_in(runtime: Runtime, email: str, *, network: str | None) -> str:
    """Mail a sign-in link to an address that has an account; the same answer for everyone.

    Returns:
        The masked address.

    Raises:
        InvalidInputError: the address can't be one.
    """
    address = _address(email)
    now = runtime.clock()
    whose = outbox_plan.origin(runtime, f"sign-in {address.canonical}", network)
    hour = timedelta(hours=1)

    def work(tx: Transaction) -> None:
        for key, limit in ((whose.mailbox, SIGN_INS_PER_HOUR), (whose.network, SIGN_INS_PER_NETWORK)):
            if key is None:
                continue
            allowance.lock_keys(tx, [key])
            if len(allowance.slots(tx, {key: now - hour})[key]) >= limit:
                return
            allowance.add_grants(tx, [allowance.Grant(key, now, hour)])
        stored = accounts.by_index(tx, runtime.accounts.index(address.canonical))
        if stored is None or stored.disabled_at is not None:
            return
        plan = outbox_plan.Plan(kind=MessageKind.SIGN_IN, lane=Lane.URGENT, due_at=now, account_id=stored.id)
        message_id = outbox_plan.add(tx, plan)
        accounts.add_link(
            tx, stored.id, nonce=secrets.token_bytes(NONCE), expires_at=now + LINK_LIFE, message_id=message_id
        )

    runtime.store.transact(work)
    return address.masked


def look_up_link(runtime: Runtime, token: str) -> None:
    """Check a sign-in link without using it up: scanners may fetch the page.

    Raises:
        TokenRefusedError: the link does not work, or has been used.
    """
    runtime.store.transact(lambda tx: _link(runtime, tx, token))


def _link(runtime: Runtime, tx: Transaction, token: str) -> accounts.Link:
    claim = runtime.tokens.read(Purpose.SIGN_IN, token)
    link = accounts.link(tx, claim.row_id)
    works = (
        link is not None
        and link.used_at is None
        and link.expires_at > runtime.clock()
        and hmac.compare_digest(link.nonce, claim.nonce)
    )
    if link is None or not works:
        raise TokenRefusedError(REFUSED)
    return link


def sign_in(runtime: Runtime, token: str) -> str:
    """Open a session with a one-time link; returns the value of its cookie.

    Raises:
        TokenRefusedError: the link does not work, was used, or its account is disabled.
    """
    value, now = secrets.token_urlsafe(32), runtime.clock()

    def work(tx: Transaction) -> None:
        link = _link(runtime, tx, token)
        stored = accounts.by_id(tx, link.account_id)
        if stored is None or stored.disabled_at is not None:
            raise TokenRefusedError(REFUSED)
        accounts.use_link(tx, link.id, now=now)
        accounts.add_session(
            tx, key=_session_key(value), account_id=stored.id, csrf=secrets.token_bytes(32), now=now,
            expires_at=now + SESSION_LIFE,
        )  # fmt: skip
        audit.add(tx, action="account.sign_in", subject="account", subject_id=stored.id, account_id=stored.id)

    runtime.store.transact(work)
    return value


def _session_key(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()


def session(runtime: Runtime, cookie: str | None) -> Session | None:
    """The session behind a cookie; None if there is none, it ended, or its account is disabled."""
    if not cookie or len(cookie) > 100:
        return None
    now = runtime.clock()
    found = runtime.store.transact(
        lambda tx: accounts.session(tx, _session_key(cookie), now=now, idle_since=now - IDLE)
    )
    if found is None:
        return None
    return Session(in_clear(runtime, found[0]), found[1].hex())


def sign_out(runtime: Runtime, cookie: str) -> None:
    """End a session; repeating it is harmless."""
    runtime.store.transact(lambda tx: accounts.end_session(tx, _session_key(cookie)))


def set_role(runtime: Runtime, account_id: int, role: Role, *, by: Account) -> None:
    """Change what an account may do.

    Raises:
        ForbiddenError: the actor is no admin, or it is their own account (nobody locks the last admin out).
    """
    _admin_only(by)
    if account_id == by.id:
        raise ConflictError("another admin must change your own role")

    def work(tx: Transaction) -> None:
        accounts.set_role(tx, account_id, str(role))
        audit.add(
            tx, action="account.set_role", subject="account", subject_id=account_id, account_id=by.id,
            detail={"role": str(role)},
        )  # fmt: skip

    runtime.store.transact(work)


def set_disabled(runtime: Runtime, account_id: int, *, disabled: bool, by: Account) -> None:
    """Disable an account and end its sessions, or let it in again.

    Raises:
        ForbiddenError: the actor is no admin.
        ConflictError: it is their own account.
    """
    _admin_only(by)
    if account_id == by.id:
        raise ConflictError("another admin must disable your own account")

    def work(tx: Transaction) -> None:
        accounts.set_disabled(tx, account_id, runtime.clock() if disabled else None)
        action = "account.disable" if disabled else "account.enable"
        audit.add(tx, action=action, subject="account", subject_id=account_id, account_id=by.id)

    runtime.store.transact(work)


def _admin_only(account: Account) -> None:
    if not account.is_admin:
        raise ForbiddenError("only an admin may do this")


def set_preferences(runtime: Runtime, account: Account, *, locale: str, time_zone: str) -> None:
    """Store an account's own language and time zone.

    Raises:
        InvalidInputError: a language or zone that is not offered.
    """
    if locale not in LANGUAGES:
        raise InvalidInputError({"locale": "unknown"})
    if time_zone not in zone_names():
        raise InvalidInputError({"time_zone": "unknown"})
    runtime.store.transact(lambda tx: accounts.set_preferences(tx, account.id, locale=locale, time_zone=time_zone))


def may_organise(runtime: Runtime, account: Account, slug: str) -> int:
    """The id of a petition that an account may work on; an admin may work on every one.

    Raises:
        NotFoundError: no such petition, or it is another's: the two are not told apart.
    """

    def work(tx: Transaction) -> int:
        stored = petition_by_slug(tx, slug)
        if stored is None:
            raise NotFoundError("there is no such petition")
        if not account.is_admin and stored.petition.id not in accounts.petition_ids(tx, account.id):
            raise NotFoundError("there is no such petition")
        return stored.petition.id

    return runtime.store.transact(work)


@dataclass(frozen=True)
class Member:
    """Somebody who organises a petition."""

    account: Account
    role: str


def members(runtime: Runtime, slug: str, *, by: Account) -> list[Member]:
    """Who organises a petition.

    Raises:
        NotFoundError: the petition is not the actor's.
    """
    petition_id = may_organise(runtime, by, slug)
    found = runtime.store.transact(lambda tx: accounts.members(tx, petition_id))
    return [Member(in_clear(runtime, stored), role) for stored, role in found]


def share(runtime: Runtime, slug: str, email: str, *, by: Account) -> None:
    """Let another account organise a petition too.

    Raises:
        NotFoundError: the petition is not the actor's.
        InvalidInputError: ``{"email": "no_account"}``: the person needs an account first.
    """
    petition_id = may_organise(runtime, by, slug)
    found = find(runtime, email)
    if found is None or found.disabled:
        raise InvalidInputError({"email": "no_account"})

    def work(tx: Transaction) -> None:
        accounts.add_member(tx, petition_id, found.id)
        audit.add(
            tx, action="petition.share", subject="petition", subject_id=petition_id, account_id=by.id,
            detail={"member": found.id},
        )  # fmt: skip

    runtime.store.transact(work)


def unshare(runtime: Runtime, slug: str, account_id: int, *, by: Account) -> None:
    """Take a petition out of an organiser's hands; the last one stays.

    Raises:
        NotFoundError: the petition is not the actor's.
        ConflictError: nobody would be left.
    """
    petition_id = may_organise(runtime, by, slug)

    def work(tx: Transaction) -> None:
        if len(accounts.members(tx, petition_id)) <= 1:
            raise ConflictError("a petition needs at least one organiser")
        accounts.remove_member(tx, petition_id, account_id)
        audit.add(
            tx, action="petition.unshare", subject="petition", subject_id=petition_id, account_id=by.id,
            detail={"member": account_id},
        )  # fmt: skip

    runtime.store.transact(work)
