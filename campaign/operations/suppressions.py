"""Suppressions as admins handle them: look one up, add, lift. Addresses are asked for, never shown and never kept."""

from dataclasses import dataclass
from datetime import timedelta

from campaign.accounts import addresses, audit
from campaign.accounts.accounts import Account
from campaign.accounts.addresses import RuleError
from campaign.database.connection import Transaction
from campaign.errors import ConflictError, InvalidInputError
from campaign.outbox import suppressions as outbox_suppressions
from campaign.outbox.suppressions import Suppression, SuppressionGroup
from campaign.runtime import Runtime

PAGE = 50
MAX_REASON = 200


@dataclass(frozen=True)
class Found:
    """What is in force for an address."""

    masked: str
    suppressions: tuple[Suppression, ...]


@dataclass(frozen=True)
class Newest:
    """A page of suppressions, the newest first; ``following`` is ``before`` of the next page."""

    suppressions: tuple[Suppression, ...]
    following: int | None


def _address(runtime: Runtime, email: str) -> tuple[str, bytes]:
    try:
        address = addresses.parse(email, gmail_rules=runtime.settings.gmail_rules)
    except RuleError as broken:
        raise InvalidInputError({"email": broken.code}) from None
    return address.masked, runtime.secrets.address_key(address.canonical)


def search(runtime: Runtime, email: str, *, by: Account) -> Found:
    """The suppressions of exactly this address; the look-up is in the audit log, the address is not.

    Raises:
        InvalidInputError: it can't be an address.
    """
    masked, key = _address(runtime, email)

    def work(tx: Transaction) -> Found:
        found = tuple(outbox_suppressions.of_address(tx, key))
        audit.add(
            tx,
            action="suppression.search",
            subject="suppression",
            subject_id=None,
            account_id=by.id,
            detail={"found": [suppression.id for suppression in found]},
        )
        return Found(masked, found)

    return runtime.store.transact(work)


def add(runtime: Runtime, email: str, *, by: Account) -> str:
    """Block an address from all mail; returns the masked address.

    Raises:
        InvalidInputError: it can't be an address.
        ConflictError: it is suppressed everywhere already.
    """
    masked, key = _address(runtime, email)

    def work(tx: Transaction) -> None:
        if not outbox_suppressions.add(tx, key, reason="admin", petition_id=None, message_id=None):
            raise ConflictError("this address is suppressed already")
        newest = outbox_suppressions.of_address(tx, key)[0]
        audit.add(
            tx, action="suppression.add", subject="suppression", subject_id=newest.id, account_id=by.id, detail={}
        )

    runtime.store.transact(work)
    return masked


def _checked(reason: str) -> str:
    said = " ".join(reason.split())
    if not said or len(said) > MAX_REASON:
        raise InvalidInputError({"why": "too_long" if said else "missing"})
    return said


def lift(runtime: Runtime, suppression_id: int, *, reason: str, by: Account) -> None:
    """Let an address get mail again. Its soft bounces are deleted, or the next one would suppress it at once.

    Raises:
        InvalidInputError: no reason, or one that is too long.
        ConflictError: it is not in force.
    """
    said = _checked(reason)
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        key = outbox_suppressions.lift(tx, suppression_id, now=now)
        if key is None:
            raise ConflictError("this suppression is not in force")
        outbox_suppressions.clear_soft_bounces(tx, [key])
        audit.add(
            tx,
            action="suppression.lift",
            subject="suppression",
            subject_id=suppression_id,
            account_id=by.id,
            detail={"reason": said},
        )

    runtime.store.transact(work)


def newest(runtime: Runtime, *, before: int | None = None, limit: int = PAGE) -> Newest:
    """All suppressions, the newest first: reason and date, for the address is not known."""
    found = runtime.store.transact(lambda tx: outbox_suppressions.newest(tx, before=before, limit=limit + 1))
    shown = tuple(found[:limit])
    return Newest(shown, shown[-1].id if len(found) > limit else None)


def groups(runtime: Runtime, *, window: timedelta) -> tuple[SuppressionGroup, ...]:
    """Suppressions of a time that mail servers caused, by cause."""
    since = runtime.clock() - window
    return tuple(runtime.store.transact(lambda tx: outbox_suppressions.groups(tx, since=since)))
