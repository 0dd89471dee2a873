"""Who must not be mailed: keyed hashes of addresses, which survive the erasure of the addresses themselves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text

from campaign.database.connection import Transaction, array_of


def add(tx: Transaction, address_key: bytes, *, reason: str, petition_id: int | None, message_id: int | None) -> bool:
    """Suppress an address, everywhere or for one petition; False if it was already.

    A complaint takes the place of any other reason: those may be lifted again, a complaint is not lifted by itself.
    """
    return (
        tx.execute(
            text("""
        insert into suppression as s (address_key, petition_id, reason, message_id)
        values (:key, :petition_id, :reason, :message_id)
        on conflict (address_key, petition_id) where lifted_at is null do update
            set reason = excluded.reason, message_id = excluded.message_id
            where excluded.reason = 'complaint' and s.reason <> 'complaint'"""),
            key=address_key,
            petition_id=petition_id,
            reason=reason,
            message_id=message_id,
        ).rowcount
        == 1
    )


@dataclass(frozen=True)
class AddressHistory:
    """What is known of some addresses, by their keys, before they are mailed."""

    suppressed: Mapping[bytes, Sequence[tuple[int | None, str]]]
    """The suppressions in force: pairs of petition (None: all) and reason."""
    struck: frozenset[bytes]
    """Those that have soft bounces which an acceptance clears."""


def history(tx: Transaction, address_keys: Sequence[bytes]) -> AddressHistory:
    """Look addresses up, in one statement: it is asked for each batch."""
    rows = tx.execute(
        text("""
        select address_key, petition_id, cast(reason as text) as reason from suppression
        where address_key = any(cast(:keys as bytea[])) and lifted_at is null
        union all
        select distinct address_key, cast(null as int), cast(null as text) from bounce_strike
        where address_key = any(cast(:keys as bytea[])) and not came_back"""),
        keys=array_of(address_keys),
    ).all()
    suppressed: dict[bytes, list[tuple[int | None, str]]] = {}
    struck = set()
    for row in rows:
        if row.reason is None:
            struck.add(bytes(row.address_key))
        else:
            suppressed.setdefault(bytes(row.address_key), []).append((row.petition_id, row.reason))
    return AddressHistory(suppressed, frozenset(struck))


@dataclass(frozen=True)
class Suppression:
    """One suppression. The address is not known: only its keyed hash is stored."""

    id: int
    petition: str | None
    """Slug of the petition it is for; None: all mail."""
    reason: str
    message_id: int | None
    created_at: datetime
    lifted_at: datetime | None


_SELECT = """
    select s.id, p.slug as petition, s.reason, s.message_id, s.created_at, s.lifted_at
    from suppression s left join petition p on p.id = s.petition_id"""


def of_address(tx: Transaction, address_key: bytes) -> list[Suppression]:
    """The suppressions in force for an address, the newest first."""
    rows = tx.execute(
        text(f"{_SELECT} where s.address_key = :key and s.lifted_at is null order by s.id desc"), key=address_key
    )
    return [Suppression(**row._asdict()) for row in rows]


def newest(tx: Transaction, *, before: int | None, limit: int) -> list[Suppression]:
    """All suppressions, lifted ones too, the newest first; older than ``before``."""
    rows = tx.execute(
        text(f"{_SELECT} where s.id < :before order by s.id desc limit :limit"),
        before=before if before is not None else 2**63 - 1,
        limit=limit,
    )
    return [Suppression(**row._asdict()) for row in rows]


def lift(tx: Transaction, suppression_id: int, *, now: datetime) -> bytes | None:
    """Lift a suppression; returns the keyed hash of its address, None if it is not in force."""
    key = tx.execute(
        text("update suppression set lifted_at = :now where id = :id and lifted_at is null returning address_key"),
        id=suppression_id,
        now=now,
    ).scalar_one_or_none()
    return None if key is None else bytes(key)


def lift_unsubscribe(tx: Transaction, address_keys: Sequence[bytes], *, petition_id: int, now: datetime) -> bool:
    """Lift what an address's owner asked for by unsubscribing, here or everywhere; bounces and complaints stay.

    Returns:
        True if one that was for all mail is lifted.
    """
    lifted = tx.execute(
        text("""
        update suppression set lifted_at = :now
        where address_key = any(cast(:keys as bytea[])) and (petition_id is null or petition_id = :petition_id)
            and reason = 'unsubscribe' and lifted_at is null
        returning petition_id"""),
        keys=array_of(address_keys),
        petition_id=petition_id,
        now=now,
    )
    return None in set(lifted.scalars())


@dataclass(frozen=True)
class SuppressionGroup:
    """Suppressions in force with the same cause: a kind of mistake that one press can undo."""

    key: str
    reason: str
    status: str
    """Enhanced status code or reply code of the mail server; empty if it gave none."""
    words: str
    """Its words, with ids and numbers shortened, so that equal causes meet."""
    number: int
    first_at: datetime
    last_at: datetime


_CAUSES = r"""
    select s.id, s.address_key, s.reason, s.created_at, coalesce(e.status, a.status, '') as status,
        left(regexp_replace(coalesce(e.words, a.words, ''), '\y(?=\w*[0-9])\w{6,}\y', '…', 'g'), 120) as words
    from suppression s
    left join lateral (
        select coalesce(d.status, d.detail ->> 'code') as status, d.detail ->> 'text' as words from delivery_event d
        where d.message_id = s.message_id and d.kind in ('bounced', 'rejected', 'complained')
        order by d.id desc limit 1) e on true
    left join lateral (
        select coalesce(t.enhanced, cast(t.reply_code as text)) as status, t.answer as words from attempt t
        where t.message_id = s.message_id and t.result = 'rejected' order by t.id desc limit 1) a on true
    where s.lifted_at is null and s.reason in ('bounce', 'complaint') and s.created_at >= :since"""
"""Suppressions that mail servers caused, with the words of the last one; those of people's own choice are not here."""

_KEY = "left(encode(sha256(convert_to(concat_ws('|', reason, status, words), 'UTF8')), 'hex'), 16)"


def groups(tx: Transaction, *, since: datetime, limit: int = 50) -> list[SuppressionGroup]:
    """Suppressions since a moment, by cause: the most frequent first."""
    rows = tx.execute(
        text(f"""
        with causes as ({_CAUSES})
        select {_KEY} as key, reason, status, words, count(*) as number, min(created_at) as first_at,
            max(created_at) as last_at
        from causes group by reason, status, words order by number desc, last_at desc limit :limit"""),
        since=since,
        limit=limit,
    )
    return [SuppressionGroup(**row._asdict()) for row in rows]


def members(tx: Transaction, key: str, *, since: datetime, after: int, upto: int, limit: int) -> list[int]:
    """The suppressions in force of one group by id: beyond ``after``, ``upto`` at most."""
    rows = tx.execute(
        text(f"""
        with causes as ({_CAUSES} and s.id > :after and s.id <= :upto)
        select id from causes where {_KEY} = :key order by id limit :limit"""),
        since=since,
        after=after,
        upto=upto,
        key=key,
        limit=limit,
    )
    return list(rows.scalars())


def count_members(tx: Transaction, key: str, *, since: datetime, upto: int) -> int:
    """How many suppressions in force a group has."""
    rows = tx.execute(
        text(f"with causes as ({_CAUSES} and s.id <= :upto) select count(*) from causes where {_KEY} = :key"),
        since=since,
        upto=upto,
        key=key,
    )
    return int(rows.scalar_one())


def count_in_force(tx: Transaction, suppression_ids: Sequence[int]) -> int:
    """How many of some suppressions are in force."""
    found = text("select count(*) from suppression where id = any(:ids) and lifted_at is null")
    return int(tx.execute(found, ids=list(suppression_ids)).scalar_one())


def lift_many(tx: Transaction, suppression_ids: Sequence[int], *, now: datetime) -> dict[int, bytes]:
    """Lift suppressions; returns those that were in force, each with the keyed hash of its address."""
    rows = tx.execute(
        text("""
        update suppression set lifted_at = :now where id = any(:ids) and lifted_at is null
        returning id, address_key"""),
        ids=list(suppression_ids),
        now=now,
    )
    return {row.id: bytes(row.address_key) for row in rows}


def newest_id(tx: Transaction) -> int:
    """The largest id of a suppression; 0 if there is none."""
    return int(tx.execute(text("select coalesce(max(id), 0) from suppression")).scalar_one())


WINDOW = timedelta(days=30)
"""Soft bounces older than this do not count."""


def is_enough(limit: int, days: Iterable[date], today: date) -> bool:
    """True if bounces of one kind on these days, today's included, suppress an address at ``limit`` days."""
    recent = {day for day in days if day > today - WINDOW}
    return len(recent | {today}) >= limit


def note_bounce(
    tx: Transaction,
    address_key: bytes,
    *,
    kind: str,
    limit: int,
    day: date,
    message_id: int,
    came_back: bool = False,
) -> bool:
    """Note a bounce of an address and suppress it if it was enough; True if it is suppressed by this one.

    Args:
        tx: the open transaction.
        address_key: keyed hash of the address.
        kind: of the bounce; each kind is counted for itself.
        limit: the number of days with such a bounce that suppresses; 1: at once.
        day: of the bounce, in UTC.
        message_id: what bounced, as evidence.
        came_back: the message had been accepted before; later acceptances do not clear such a bounce.
    """
    days = [] if limit == 1 else add_soft_bounce(tx, address_key, kind=kind, day=day, came_back=came_back)
    if not is_enough(limit, days, day):
        return False
    return add(tx, address_key, reason="bounce", petition_id=None, message_id=message_id)


def add_soft_bounce(
    tx: Transaction, address_key: bytes, *, kind: str, day: date, came_back: bool = False
) -> list[date]:
    """Note a soft bounce, at most one a day and kind; returns the days of all of this kind."""
    tx.execute(
        text("""
        insert into bounce_strike as b (address_key, kind, day, came_back) values (:key, :kind, :day, :came_back)
        on conflict (address_key, kind, day) do update set came_back = true
            where excluded.came_back and not b.came_back"""),
        key=address_key,
        kind=kind,
        day=day,
        came_back=came_back,
    )
    return list(
        tx.execute(
            text("select day from bounce_strike where address_key = :key and kind = :kind"), key=address_key, kind=kind
        ).scalars()
    )


def clear_refusals(tx: Transaction, address_keys: Sequence[bytes]) -> int:
    """Delete the soft bounces of addresses whose mail was accepted; returns how many there were.

    Those that were told after an acceptance stay: a relay accepts everything, whatever the mailbox does.
    """
    return tx.execute(
        text("delete from bounce_strike where address_key = any(:keys) and not came_back"), keys=list(address_keys)
    ).rowcount


def clear_soft_bounces(tx: Transaction, address_keys: Sequence[bytes], *, until: date | None = None) -> int:
    """Delete the soft bounces of addresses to which mail was delivered; returns how many there were.

    Args:
        tx: the open transaction.
        address_keys: keyed hashes of the addresses.
        until: those of later days stay, for the delivery was before them; None: none stays.
    """
    return tx.execute(
        text("""
        delete from bounce_strike
        where address_key = any(:keys) and (cast(:until as date) is null or day <= :until)"""),
        keys=list(address_keys),
        until=until,
    ).rowcount


def purge_soft_bounces(tx: Transaction, *, before: date) -> int:
    """Delete soft bounces that are too old to count."""
    return tx.execute(text("delete from bounce_strike where day < :before"), before=before).rowcount
