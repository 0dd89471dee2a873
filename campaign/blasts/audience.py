"""Audiences: who may get a blast, counted beforehand and frozen into messages in slices."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.blasts.rules import Audience
from campaign.database.connection import DuplicateError, Transaction

ELIGIBLE = """s.state = 'confirmed' and s.wants_updates and s.address is not null and s.confirmed_at <= :before
    and (cardinality(cast(:countries as text[])) = 0 or s.country = any(cast(:countries as text[])))
    and (cardinality(cast(:locales as text[])) = 0 or s.locale = any(cast(:locales as text[])))"""


def freezing(tx: Transaction) -> list[int]:
    """Started blasts whose audience is not frozen yet."""
    return list(
        tx.execute(
            text("select id from blast where started_at is not null and frozen_at is null and cancelled_at is null")
        ).scalars()
    )


@dataclass(frozen=True)
class Slice:
    """What one step of freezing did."""

    planned: int
    done: bool


def freeze_slice(tx: Transaction, blast_id: int, *, limit: int, now: datetime) -> Slice | None:
    """Plan the messages of the next slice of the audience and move the checkpoint, in one transaction.

    Returns:
        None if another worker is at it, or there is nothing to do.
    """
    row = tx.execute(
        text("""
        select petition_id, kind, audience, started_at, frozen_until, freeze_limit, send_at from blast
        where id = :id and started_at is not null and frozen_at is null and cancelled_at is null
        for update skip locked"""),
        id=blast_id,
    ).one_or_none()
    if row is None:
        return None
    upto: int | None = tx.execute(
        text("""
        select max(id) from (
            select id from signature where petition_id = :petition_id and id > :after and id <= :last
            order by id limit :limit) as slice"""),
        petition_id=row.petition_id,
        after=row.frozen_until,
        last=row.freeze_limit,
        limit=limit,
    ).scalar_one()
    if upto is None:
        tx.execute(text("update blast set frozen_at = :now where id = :id"), id=blast_id, now=now)
        return Slice(0, done=True)
    planned = _plan(
        tx,
        kind=row.kind,
        due_at=now,
        id=blast_id,
        petition_id=row.petition_id,
        after=row.frozen_until,
        upto=upto,
        before=row.started_at,
        countries=row.audience.get("countries", []),
        locales=row.audience.get("locales", []),
    )
    tx.execute(text("update blast set frozen_until = :upto where id = :id"), id=blast_id, upto=upto)
    return Slice(planned, done=False)


def _plan(tx: Transaction, **slice_: object) -> int:
    """Plan the messages of a slice; returns how many are new."""
    insert = f"""
        insert into message (kind, lane, due_at, signature_id, petition_id, blast_id)
        select cast(:kind as message_kind), 'bulk', :due_at, s.id, s.petition_id, :id from signature s
        where s.petition_id = :petition_id and s.id > :after and s.id <= :upto and {ELIGIBLE}
        order by s.id"""
    try:
        # To look for doubles beforehand takes a quarter of the time; and there are none, for the checkpoint moves with
        # the rows.
        with tx.savepoint():
            return tx.execute(text(insert), **slice_).rowcount
    except DuplicateError:
        careful = f"{insert} on conflict (blast_id, signature_id) where blast_id is not null do nothing"
        return tx.execute(text(careful), **slice_).rowcount


def audience_counts(tx: Transaction, petition_id: int, audience: Audience, *, now: datetime) -> dict[str, int]:
    """How many signers would get a blast now, and why the others would not.

    Suppressed are those whose own mail came back or was complained about. Who is suppressed for mail of another
    petition is found when the mail is claimed: addresses of different petitions can't be joined.
    """
    row = tx.execute(
        text(f"""
        with barred as (
            select distinct m.signature_id as id from suppression p join message m on m.id = p.message_id
            where p.lifted_at is null and (p.petition_id is null or p.petition_id = :petition_id)
                and m.petition_id = :petition_id and m.signature_id is not null
                and m.kind not in ('address_check', 'address_changed'))
        select count(*) filter (where {ELIGIBLE} and b.id is null) as eligible,
            count(*) filter (where {ELIGIBLE} and b.id is not null) as suppressed,
            count(*) filter (where s.state = 'confirmed' and s.address is not null and s.wants_updates
                and not ({ELIGIBLE})) as outside,
            count(*) filter (where s.state = 'confirmed' and s.address is not null and not s.wants_updates)
                as no_updates,
            count(*) filter (where s.state = 'confirmed' and s.address is null) as erased,
            count(*) filter (where s.state = 'pending') as pending,
            count(*) filter (where s.state in ('withdrawn', 'removed')) as ended
        from signature s left join barred b on b.id = s.id where s.petition_id = :petition_id"""),
        petition_id=petition_id,
        before=now,
        countries=list(audience.countries),
        locales=list(audience.locales),
    ).one()
    return dict(row._asdict())
