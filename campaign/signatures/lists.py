"""The signatures of a petition for its organisers: page by page, or found by address; opened for the page alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError
from campaign.database.connection import Transaction
from campaign.errors import InvalidInputError, NotFoundError
from campaign.petitions import petitions
from campaign.petitions.petitions import Opened
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey
from campaign.signatures import queries, selections
from campaign.signatures.selections import CAP, LATELY, Filter
from campaign.states import SignatureState


@dataclass(frozen=True)
class Listed:
    """One row of a list; the personal fields are still encrypted, and None once erased."""

    id: int
    state: SignatureState
    locale: str
    country: str
    show_name: bool
    hidden_at: datetime | None
    wants_updates: bool
    requested_at: datetime
    confirmed_at: datetime | None
    ended_at: datetime | None
    ended_reason: str | None
    erased_at: datetime | None
    address: bytes | None
    name: bytes | None
    reason: bytes | None


_COLUMNS = """s.id, s.state, s.locale, s.country, s.show_name, s.hidden_at, s.wants_updates, s.requested_at,
    s.confirmed_at, s.ended_at, s.ended_reason, s.erased_at, s.address, s.name, s.reason"""


def _listed(tx: Transaction, statement: str, **values: object) -> list[Listed]:
    rows = tx.execute(text(statement), **values)
    return [Listed(**(row._asdict() | {"state": SignatureState(row.state)})) for row in rows]


def by_ids(tx: Transaction, signature_ids: Sequence[int]) -> list[Listed]:
    """Some signatures, newest first."""
    return _listed(
        tx,
        f"select {_COLUMNS} from signature s where s.id = any(:ids) order by s.id desc",
        ids=list(signature_ids),
    )


def of_mailbox(tx: Transaction, petition_id: int, address_index: bytes, *, limit: int) -> list[Listed]:
    """The signatures of one mailbox in every state, newest first; erased ones can't be found."""
    return _listed(
        tx,
        f"""
        select {_COLUMNS} from signature s
        where s.petition_id = :petition_id and s.address_index = :address_index order by s.id desc limit :limit""",
        petition_id=petition_id,
        address_index=address_index,
        limit=limit,
    )


def load(tx: Transaction, petition_id: int, signature_id: int) -> Listed | None:
    """One signature of a petition."""
    found = _listed(
        tx,
        f"select {_COLUMNS} from signature s where s.petition_id = :petition_id and s.id = :id",
        petition_id=petition_id,
        id=signature_id,
    )
    return found[0] if found else None


def confirmed_slice(tx: Transaction, petition_id: int, *, after: int, limit: int) -> list[Listed]:
    """The next confirmed signatures by id, for an export that holds a slice in memory at a time."""
    return _listed(
        tx,
        f"""
        select {_COLUMNS} from signature s
        where s.petition_id = :petition_id and s.state = 'confirmed' and s.id > :after order by s.id limit :limit""",
        petition_id=petition_id,
        after=after,
        limit=limit,
    )


def remove(tx: Transaction, signature_id: int, petition_id: int, *, reason: str, now: datetime) -> bool:
    """Take a confirmed signature out; the consents stay on the row, so that an undo brings back what was. False if not.

    The counter takes it off the public count.
    """
    return (
        tx.execute(
            text("""
            update signature set state = 'removed', ended_at = :now, ended_reason = :reason
            where id = :id and petition_id = :petition_id and state = 'confirmed'"""),
            id=signature_id,
            petition_id=petition_id,
            reason=reason,
            now=now,
        ).rowcount
        == 1
    )


def restore(tx: Transaction, signature_id: int, petition_id: int, *, slot: int | None) -> bool:
    """Bring a removed signature back; False if it is not removed.

    Raises:
        DuplicateError: the same person signed again meanwhile, or the place at the mailbox was just taken.
    """
    return (
        tx.execute(
            text("""
            update signature set state = 'confirmed', ended_at = null, ended_reason = null, mailbox_slot = :slot
            where id = :id and petition_id = :petition_id and state = 'removed'"""),
            id=signature_id,
            petition_id=petition_id,
            slot=slot,
        ).rowcount
        == 1
    )


PER_PAGE = 50
OF_ONE_MAILBOX = 100
"""Rows shown of a search: strangers may have typed an address with any number of names."""


@dataclass(frozen=True)
class Line:
    """One signature in clear; lives only while its page is made. Erased fields are empty."""

    id: int
    state: SignatureState
    name: str = field(repr=False)
    email: str = field(repr=False)
    reason: str = field(repr=False)
    country: str
    locale: str
    show_name: bool
    wants_updates: bool
    requested_at: datetime
    confirmed_at: datetime | None
    ended_at: datetime | None
    ended_reason: str | None
    is_hidden: bool
    """True if an organiser hid the name, and the signer has not chosen since."""
    is_erased: bool
    """True if only the days of its moments are known."""


@dataclass(frozen=True)
class Page:
    """A page of the list, newest first, with the ids that lead to its neighbours (None: there is no more)."""

    lines: tuple[Line, ...]
    older_than: int | None
    newer_than: int | None


def page(
    runtime: Runtime, petition_id: int, wanted: Filter, *, before: int | None = None, after: int | None = None
) -> Page:
    """One page of the signatures, by the ids of the rows: as quick on page 20,000 as on the first.

    Args:
        runtime: the runtime.
        petition_id: from :func:`campaign.accounts.may_organise`.
        wanted: which states and countries.
        before: show those older than this row.
        after: show those newer than this row; stronger than ``before``.
    """
    since = runtime.clock() - LATELY

    def work(tx: Transaction) -> Page:
        opened = petitions.by_id(runtime, tx, petition_id)
        ids = selections.ids(tx, petition_id, wanted, since=since, limit=PER_PAGE + 1, before=before, after=after)
        more, shown = len(ids) > PER_PAGE, by_ids(tx, ids[:PER_PAGE])
        more_newer, more_older = (more, True) if after is not None else (before is not None, more)
        lines = _lines(opened, shown)
        return Page(
            lines,
            older_than=shown[-1].id if shown and more_older else None,
            newer_than=shown[0].id if shown and more_newer else None,
        )

    return runtime.store.transact(work)


def _lines(opened: Opened, found: list[Listed]) -> tuple[Line, ...]:
    return tuple(_line(opened.key, row) for row in found)


def _line(key: DataKey | None, row: Listed) -> Line:
    def clear(column: str, blob: bytes | None) -> str:
        return "" if key is None else queries.open_field(key, row.id, column, blob) or ""

    return Line(
        id=row.id,
        state=row.state,
        name=clear("name", row.name),
        email=clear("address", row.address),
        reason=clear("reason", row.reason),
        country=row.country,
        locale=row.locale,
        show_name=row.show_name,
        wants_updates=row.wants_updates,
        requested_at=row.requested_at,
        confirmed_at=row.confirmed_at,
        ended_at=row.ended_at,
        ended_reason=row.ended_reason,
        is_hidden=row.hidden_at is not None,
        is_erased=row.erased_at is not None,
    )


def search(runtime: Runtime, petition_id: int, email: str) -> tuple[Line, ...]:
    """The signatures of exactly one address, whatever their state, newest first, by its blind index.

    Raises:
        InvalidInputError: ``{"email": …}``: the address can't be one.
    """
    try:
        canonical = addresses.parse(email, gmail_rules=runtime.settings.gmail_rules).canonical
    except RuleError as broken:
        raise InvalidInputError({"email": broken.code}) from None

    def work(tx: Transaction) -> tuple[Line, ...]:
        opened = petitions.by_id(runtime, tx, petition_id)
        if opened.key is None:
            return ()
        found = of_mailbox(tx, petition_id, opened.key.index(canonical), limit=OF_ONE_MAILBOX)
        return _lines(opened, found)

    return runtime.store.transact(work)


def one(runtime: Runtime, petition_id: int, signature_id: int) -> Line:
    """One signature.

    Raises:
        NotFoundError: it is not a signature of this petition.
    """

    def work(tx: Transaction) -> Line:
        row = load(tx, petition_id, signature_id)
        if row is None:
            raise NotFoundError("there is no such signature")
        return _line(petitions.by_id(runtime, tx, petition_id).key, row)

    return runtime.store.transact(work)


def countries(runtime: Runtime, petition_id: int) -> list[str]:
    """The codes of the countries that signatures come from."""
    return runtime.store.transact(lambda tx: selections.countries(tx, petition_id))


@dataclass(frozen=True)
class Counts:
    """How many signatures there are beside a list: exact up to :data:`campaign.signatures.selections.CAP`."""

    states: Mapping[SignatureState, int]
    """Of the chosen country, or of all."""
    matching: int
    """With the whole filter."""

    @property
    def total(self) -> int:
        """In every state; one more than the cap at most."""
        return min(sum(self.states.values()), CAP + 1)


def counts(runtime: Runtime, petition_id: int, wanted: Filter) -> Counts:
    """Count what a list is chosen from. No further than the cap, so that a page takes milliseconds."""
    since = runtime.clock() - LATELY

    def work(tx: Transaction) -> Counts:
        states = selections.count_states(tx, petition_id, wanted.country)
        if wanted.unreached:
            return Counts(states, selections.count(tx, petition_id, wanted, since=since))
        whole = Counts(states, 0).total
        return Counts(states, whole if wanted.state is None else states[wanted.state])

    return runtime.store.transact(work)
