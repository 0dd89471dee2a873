"""Who may edit a petition: its organisers."""

from dataclasses import dataclass

from campaign.accounts import audit
from campaign.accounts import queries as account_queries
from campaign.accounts.accounts import Account, find, in_clear
from campaign.database.connection import Transaction
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.petitions.queries import by_slug as petition_by_slug
from campaign.runtime import Runtime


def may_organise(runtime: Runtime, account: Account, slug: str) -> int:
    """The id of a petition that an account may work on; an admin may work on every one.

    Raises:
        NotFoundError: no such petition, or it is another's: the two are not told apart.
    """

    def work(tx: Transaction) -> int:
        stored = petition_by_slug(tx, slug)
        if stored is None:
            raise NotFoundError("there is no such petition")
        if not account.is_admin and stored.petition.id not in account_queries.petition_ids(tx, account.id):
            raise NotFoundError("there is no such petition")
        return stored.petition.id

    return runtime.store.transact(work)


@dataclass(frozen=True)
class Member:
    """An organiser of a petition."""

    account: Account
    role: str


def members(runtime: Runtime, slug: str, *, by: Account) -> list[Member]:
    """Who organises a petition.

    Raises:
        NotFoundError: the petition is not the actor's.
    """
    petition_id = may_organise(runtime, by, slug)
    found = runtime.store.transact(lambda tx: account_queries.members(tx, petition_id))
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
        account_queries.add_member(tx, petition_id, found.id)
        audit.add(
            tx,
            action="petition.share",
            subject="petition",
            subject_id=petition_id,
            account_id=by.id,
            detail={"member": found.id},
        )

    runtime.store.transact(work)


def unshare(runtime: Runtime, slug: str, account_id: int, *, by: Account) -> None:
    """Take a petition out of an organiser's hands; the last one stays.

    Raises:
        NotFoundError: the petition is not the actor's.
        ConflictError: no organiser would be left.
    """
    petition_id = may_organise(runtime, by, slug)

    def work(tx: Transaction) -> None:
        if len(account_queries.members(tx, petition_id)) <= 1:
            raise ConflictError("a petition needs at least one organiser")
        account_queries.remove_member(tx, petition_id, account_id)
        audit.add(
            tx,
            action="petition.unshare",
            subject="petition",
            subject_id=petition_id,
            account_id=by.id,
            detail={"member": account_id},
        )

    runtime.store.transact(work)
