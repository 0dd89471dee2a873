"""Which signatures of a petition are meant, by a filter: page by page, counted, or slice by slice.

Every statement reads an index: ix_signature_petition (petition_id, id) without a filter, else ix_signature_listed
(petition_id, country, state, id), one short range for each pair of country and state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from campaign.accounts.countries import CODES
from campaign.database.connection import LARGEST_ID, Transaction
from campaign.states import SignatureState

LATELY: Final = timedelta(days=30)
"""Mail that came back within this time says that it does not arrive."""

UNREACHED: Final = "unreached"
"""In the place of a state: those whose mail does not arrive, whatever their state."""

CAP: Final = 20_000
"""A page counts no further: an index range of this length is read in a few milliseconds."""


@dataclass(frozen=True)
class Filter:
    """Which signatures to list; None means all."""

    state: SignatureState | None = None
    country: str | None = None
    unreached: bool = False
    """Only those whose mail does not arrive."""

    @classmethod
    def of(cls, state: str, country: str) -> "Filter":
        """From the address of a page; what is not known is left out."""
        if state == UNREACHED:
            return cls(None, country if country in CODES else None, unreached=True)
        known = state if state in set(SignatureState) else None
        return cls(SignatureState(known) if known else None, country if country in CODES else None)

    @property
    def code(self) -> str | None:
        """What the address of a page says for the state."""
        return UNREACHED if self.unreached else self.state


@dataclass(frozen=True)
class Within:
    """Rows as they were at a moment: those added, confirmed or ended later are left out.

    The id alone does not say it: ids are handed out in blocks, so that a later row may have a smaller one.
    """

    upper_id: int
    as_of: datetime


_UNREACHED_IDS = """array(
        select m.signature_id from suppression p join message m on m.id = p.message_id
        where p.reason = 'bounce' and p.lifted_at is null and m.petition_id = :petition_id
        union all
        select m.signature_id from blast b join message m on m.blast_id = b.id
        where b.petition_id = :petition_id and m.state = 'suppressed' and m.reason = 'suppressed: bounce'
        union all
        select m.signature_id from delivery_event e join message m on m.id = e.message_id
        where e.kind = 'bounced' and e.received_at >= :since and e.cause <> 'ours'
            and m.petition_id = :petition_id and m.came_back = 'bounced')"""
"""Mail does not arrive: it came back lately, or the address is suppressed for it. Erased signatures have no address."""

_COUNTRIES = """found(country) as (
        (select country from signature where petition_id = :petition_id order by country limit 1)
        union all
        select (select n.country from signature n where n.petition_id = :petition_id and n.country > f.country
            order by n.country limit 1)
        from found f where f.country is not null),
    countries as (select country from found where country is not null)"""
"""The countries of a petition, one probe of the index for each; '' is that of erased signatures."""

_ONE_COUNTRY = "countries as (select cast(:country as varchar(2)) as country)"

_STATES = "unnest(enum_range(null::signature_state))"
_ONE_STATE = "unnest(array[cast(:state as signature_state)])"

_AS_OF = """ and s.id <= :upper_id and s.requested_at <= :as_of
    and (s.confirmed_at is null or s.confirmed_at <= :as_of) and (s.ended_at is null or s.ended_at <= :as_of)"""


def _values(petition_id: int, wanted: Filter, within: Within | None, since: datetime) -> dict[str, object]:
    values: dict[str, object] = {"petition_id": petition_id}
    values |= {"state": str(wanted.state)} if wanted.state else {}
    values |= {"country": wanted.country} if wanted.country else {}
    values |= {"since": since} if wanted.unreached else {}
    values |= {"upper_id": within.upper_id, "as_of": within.as_of} if within else {}
    return values


def _source(wanted: Filter, columns: str, more: str, tail: str) -> tuple[str, str]:
    """How the matching rows are read: what comes before ``select … from``, and what follows it.

    Args:
        wanted: the filter.
        columns: of ``s`` to read.
        more: further conditions on ``s``.
        tail: order and limit, of each range and again of all together.

    Returns:
        The common table expressions, and a subquery in parentheses.
    """
    if wanted.unreached:
        also = " and s.country = :country" if wanted.country else ""
        return (
            "",
            f"""(select {columns} from signature s where s.id = any({_UNREACHED_IDS})
            and s.petition_id = :petition_id and s.address is not null{also}{more} {tail})""",
        )
    if wanted.state is None and wanted.country is None:
        return "", f"(select {columns} from signature s where s.petition_id = :petition_id{more} {tail})"
    countries = _ONE_COUNTRY if wanted.country else _COUNTRIES
    states = _ONE_STATE if wanted.state else _STATES
    return (
        f"with recursive {countries}",
        f"""(
        select s.* from countries c cross join {states} as k(state) cross join lateral (
            select {columns} from signature s
            where s.petition_id = :petition_id and s.country = c.country and s.state = k.state{more} {tail}) s
        {tail})""",
    )


def ids(
    tx: Transaction,
    petition_id: int,
    wanted: Filter,
    *,
    since: datetime,
    limit: int,
    before: int | None = None,
    after: int | None = None,
    within: Within | None = None,
) -> list[int]:
    """Matching signatures by id: the newest below ``before``, or, in ascending order, the next above ``after``.

    Args:
        tx: the open transaction.
        petition_id: of the petition.
        wanted: the filter.
        since: mail that came back before this moment does not count for :attr:`Filter.unreached`.
        limit: how many at most.
        before: only smaller ids.
        after: only greater ids; stronger than ``before``.
        within: only rows as they were then.
    """
    cursor, order = (" and s.id > :cursor", "asc") if after is not None else (" and s.id < :cursor", "desc")
    more = cursor + (_AS_OF if within else "")
    head, source = _source(wanted, "s.id", more, f"order by s.id {order} limit :limit")
    place = after if after is not None else before
    rows = tx.execute(
        text(f"{head} select m.id from {source} m order by m.id {order}"),
        **_values(petition_id, wanted, within, since),
        cursor=LARGEST_ID if place is None else place,
        limit=limit,
    )
    return list(rows.scalars())


def count(tx: Transaction, petition_id: int, wanted: Filter, *, since: datetime, cap: int = CAP) -> int:
    """How many signatures match, counted up to ``cap`` + 1."""
    head, source = _source(wanted, "1 as one", "", "limit :cap")
    values = _values(petition_id, wanted, None, since)
    return int(tx.execute(text(f"{head} select count(*) from {source} m"), **values, cap=cap + 1).scalar_one())


def count_states(
    tx: Transaction, petition_id: int, country: str | None, *, cap: int = CAP
) -> Mapping[SignatureState, int]:
    """How many signatures of a country, or of all, are in each state, each counted up to ``cap`` + 1."""
    countries = _ONE_COUNTRY if country else _COUNTRIES
    rows = tx.execute(
        text(f"""
        with recursive {countries}
        select k.state, (select count(*) from (
            select 1 from countries c cross join lateral (
                select 1 from signature s
                where s.petition_id = :petition_id and s.country = c.country and s.state = k.state limit :cap) probe
            limit :cap) capped) as number
        from {_STATES} as k(state)"""),
        petition_id=petition_id,
        cap=cap + 1,
        **({"country": country} if country else {}),
    )
    return {SignatureState(row.state): row.number for row in rows}


@dataclass(frozen=True)
class Kinds:
    """Signatures of one kind, as an act on many of them looks at it."""

    state: SignatureState
    is_shown: bool
    is_hidden: bool
    """True if an organiser hid the name."""
    is_erased: bool
    number: int


_KINDS = """select m.state, m.show_name as is_shown, m.hidden_at is not null as is_hidden, m.name is null as is_erased,
    count(*) as number"""
_OF_KINDS = "s.state, s.show_name, s.hidden_at, s.name"


def _kinds(tx: Transaction, statement: str, **values: object) -> list[Kinds]:
    rows = tx.execute(text(f"{statement} group by 1, 2, 3, 4"), **values)
    return [Kinds(**(row._asdict() | {"state": SignatureState(row.state)})) for row in rows]


def kinds(tx: Transaction, petition_id: int, wanted: Filter, within: Within, *, since: datetime) -> list[Kinds]:
    """The matching signatures of a moment, all of them, counted by kind: it takes as long as they are many."""
    head, source = _source(wanted, _OF_KINDS, _AS_OF, "")
    return _kinds(tx, f"{head} {_KINDS} from {source} m", **_values(petition_id, wanted, within, since))


def kinds_of(tx: Transaction, petition_id: int, signature_ids: list[int]) -> list[Kinds]:
    """Some signatures of a petition, counted by kind; those of others are left out."""
    return _kinds(
        tx,
        f"""{_KINDS} from (
            select {_OF_KINDS} from signature s where s.petition_id = :petition_id and s.id = any(:ids)) m""",
        petition_id=petition_id,
        ids=signature_ids,
    )


def newest_id(tx: Transaction, petition_id: int) -> int:
    """The largest id of a signature of a petition; 0 if there is none."""
    found = tx.execute(
        text("select id from signature where petition_id = :petition_id order by id desc limit 1"),
        petition_id=petition_id,
    ).scalar_one_or_none()
    return int(found or 0)


def countries(tx: Transaction, petition_id: int) -> list[str]:
    """The countries that signatures of a petition come from."""
    found = tx.execute(
        text(f"with recursive {_COUNTRIES} select country from countries where country <> '' order by country"),
        petition_id=petition_id,
    )
    return list(found.scalars())
