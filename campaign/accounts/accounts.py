"""Accounts of organisers and admins: sign-in by a link that opens once, sessions on the server."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from campaign.accounts import addresses, audit, queries
from campaign.accounts.addresses import RuleError, clean_name
from campaign.accounts.lookalikes import lookalike
from campaign.accounts.reachable import check_reachable
from campaign.database.connection import DuplicateError, Transaction
from campaign.errors import ConflictError, ForbiddenError, InvalidInputError
from campaign.i18n import zone_names
from campaign.runtime import Runtime
from campaign.settings import LANGUAGES


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


def _place(column: str, account_id: int) -> str:
    return f"account.{column}.{account_id}"


def in_clear(runtime: Runtime, stored: queries.StoredAccount) -> Account:
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
    try:
        address = check_reachable(runtime, _address(email))
    except RuleError as broken:
        raise InvalidInputError({"email": broken.code}) from None
    try:
        clean = clean_name(name)
    except RuleError as broken:
        raise InvalidInputError({"name": broken.code}) from None
    if locale not in LANGUAGES:
        raise InvalidInputError({"locale": "unknown"})

    def work(tx: Transaction) -> int:
        account_id = queries.next_id(tx)
        key = runtime.accounts
        queries.add(
            tx,
            account_id,
            address_index=key.index(address.canonical),
            address=key.seal(address.typed, place=_place("address", account_id)),
            name=key.seal(clean, place=_place("name", account_id)),
            role=str(role),
            locale=locale,
        )
        audit.add(
            tx,
            action="account.create",
            subject="account",
            subject_id=account_id,
            account_id=by,
            actor="cli",
            detail={"role": str(role)},
        )
        return account_id

    try:
        return runtime.store.transact(work)
    except DuplicateError:
        raise InvalidInputError({"email": "taken"}) from None


def find(runtime: Runtime, email: str) -> Account | None:
    """The account of an address, if there is one."""
    index = runtime.accounts.index(_address(email).canonical)
    stored = runtime.store.transact(lambda tx: queries.by_index(tx, index))
    return None if stored is None else in_clear(runtime, stored)


def list_all(runtime: Runtime) -> list[Account]:
    """Every account, for admins."""
    return [in_clear(runtime, stored) for stored in runtime.store.transact(queries.all_accounts)]


def names(runtime: Runtime, account_ids: Collection[int]) -> dict[int, str]:
    """The names of some accounts by id; unknown ids are left out."""
    if not account_ids:
        return {}
    stored = runtime.store.transact(lambda tx: [queries.by_id(tx, account_id) for account_id in account_ids])
    return {one.id: in_clear(runtime, one).name for one in stored if one is not None}


def with_doubtful_domains(runtime: Runtime) -> list[int]:
    """Ids of the enabled accounts whose domain may be taken for another, by :mod:`campaign.accounts.lookalikes`."""
    return [one.id for one in list_all(runtime) if not one.disabled and lookalike(one.email) is not None]


def organisers(runtime: Runtime) -> dict[int, list[Account]]:
    """Who organises each petition, for admins; petitions without anybody are not there."""
    found: dict[int, list[Account]] = {}
    for petition_id, stored in runtime.store.transact(queries.memberships):
        found.setdefault(petition_id, []).append(in_clear(runtime, stored))
    return found


def set_role(runtime: Runtime, account_id: int, role: Role, *, by: Account) -> None:
    """Change what an account may do.

    Raises:
        ForbiddenError: the actor is no admin, or it is their own account (so that the last admin can't be locked out).
    """
    _admin_only(by)
    if account_id == by.id:
        raise ConflictError("another admin must change your own role")

    def work(tx: Transaction) -> None:
        queries.set_role(tx, account_id, str(role))
        audit.add(
            tx,
            action="account.set_role",
            subject="account",
            subject_id=account_id,
            account_id=by.id,
            detail={"role": str(role)},
        )

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
        queries.set_disabled(tx, account_id, runtime.clock() if disabled else None)
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
    runtime.store.transact(lambda tx: queries.set_preferences(tx, account.id, locale=locale, time_zone=time_zone))
