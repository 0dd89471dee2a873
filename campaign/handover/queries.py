"""SQL of packs: the rows that ask for one, what is read for it, and its encrypted pieces."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import text

from campaign.database.connection import Transaction


class PackState(StrEnum):
    """How far a pack is."""

    WAITING = "waiting"
    MAKING = "making"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Pack:
    """One pack of a petition."""

    id: int
    petition_id: int
    account_id: int | None
    locale: str
    reason: str
    state: PackState
    asked_at: datetime
    done: int
    """Signatures that are in it by now."""
    total: int
    """Signatures that it will hold; 0 before they were counted."""
    ready_at: datetime | None
    expires_at: datetime | None
    count: int | None
    size: int | None
    """Bytes of the file."""
    fingerprint: str | None
    problem: str | None
    """The code of what made it fail."""
    pieces: int
    tries: int


_COLUMNS = """id, petition_id, account_id, locale, reason, state, asked_at, done, total, ready_at, expires_at, count,
    size, fingerprint, problem, pieces, tries"""


def _packs(tx: Transaction, statement: str, **values: object) -> list[Pack]:
    rows = tx.execute(text(statement), **values)
    return [Pack(**(row._asdict() | {"state": PackState(row.state)})) for row in rows]


def ask(
    tx: Transaction, petition_id: int, *, account_id: int, locale: str, reason: str, request_key: str, now: datetime
) -> int | None:
    """Add a pack to make; None if one is being made for this petition, or if the same form asked before."""
    found: int | None = tx.execute(
        text("""
        insert into pack (petition_id, account_id, locale, reason, request_key, asked_at, not_before)
        values (:petition_id, :account_id, :locale, :reason, :request_key, :now, :now)
        on conflict do nothing returning id"""),
        petition_id=petition_id,
        account_id=account_id,
        locale=locale,
        reason=reason,
        request_key=request_key,
        now=now,
    ).scalar_one_or_none()
    return found


def has_key(tx: Transaction, petition_id: int, request_key: str) -> bool:
    """True if a form asked for a pack before."""
    return bool(
        tx.execute(
            text("select exists (select 1 from pack where petition_id = :id and request_key = :key)"),
            id=petition_id,
            key=request_key,
        ).scalar_one()
    )


def of_petition(tx: Transaction, petition_id: int) -> list[Pack]:
    """The packs of a petition, newest first."""
    return _packs(tx, f"select {_COLUMNS} from pack where petition_id = :id order by id desc limit 50", id=petition_id)


def load(tx: Transaction, petition_id: int, pack_id: int) -> Pack | None:
    """One pack of a petition."""
    statement = f"select {_COLUMNS} from pack where petition_id = :petition_id and id = :id"
    found = _packs(tx, statement, petition_id=petition_id, id=pack_id)
    return found[0] if found else None


def take(tx: Transaction, *, now: datetime, abandoned: timedelta) -> Pack | None:
    """The next pack to make, for this caller alone; one whose maker died is taken again."""
    found = _packs(
        tx,
        f"""
        update pack set state = 'making', begun_at = :now, done = 0, tries = tries + 1 where id = (
            select id from pack
            where (state = 'waiting' and not_before <= :now) or (state = 'making' and begun_at < :before)
            order by id limit 1 for update skip locked)
        returning {_COLUMNS}""",
        now=now,
        before=now - abandoned,
    )
    return found[0] if found else None


def put_back(tx: Transaction, pack_id: int, *, not_before: datetime) -> None:
    """Make it later; that was no try."""
    tx.execute(
        text(
            "update pack set state = 'waiting', not_before = :at, tries = tries - 1 where id = :id and state = 'making'"
        ),
        id=pack_id,
        at=not_before,
    )


def progress(tx: Transaction, pack_id: int, *, done: int, total: int) -> None:
    """Note how far it is."""
    tx.execute(text("update pack set done = :done, total = :total where id = :id"), id=pack_id, done=done, total=total)


def failed(tx: Transaction, pack_id: int, *, problem: str, now: datetime) -> None:
    """Note that it can't be made, and drop its pieces."""
    tx.execute(
        text(
            "update pack set state = 'failed', problem = :problem, ready_at = :now where id = :id and state = 'making'"
        ),
        id=pack_id,
        problem=problem,
        now=now,
    )


@dataclass(frozen=True)
class Made:
    """What is noted of a pack that is whole."""

    count: int
    size: int
    fingerprint: str
    pieces: Sequence[bytes] = field(repr=False)
    """Sealed."""


def finish(tx: Transaction, pack_id: int, made: Made, *, now: datetime, expires_at: datetime) -> bool:
    """Keep the pieces and call the pack ready; False if it was deleted, or finished by another, meanwhile."""
    found = tx.execute(
        text("""
        update pack set state = 'ready', ready_at = :now, expires_at = :expires_at, count = :count, done = :count,
            total = :count, size = :size, fingerprint = :fingerprint, pieces = :pieces, problem = null
        where id = :id and state = 'making'"""),
        id=pack_id,
        now=now,
        expires_at=expires_at,
        count=made.count,
        size=made.size,
        fingerprint=made.fingerprint,
        pieces=len(made.pieces),
    )
    if found.rowcount != 1:
        return False
    for number, sealed in enumerate(made.pieces):
        tx.execute(
            text("insert into pack_piece (pack_id, number, sealed) values (:id, :number, :sealed)"),
            id=pack_id,
            number=number,
            sealed=sealed,
        )
    return True


def piece(tx: Transaction, pack_id: int, number: int) -> bytes | None:
    """One sealed piece of a pack."""
    found = tx.execute(
        text("select sealed from pack_piece where pack_id = :id and number = :number"), id=pack_id, number=number
    ).scalar_one_or_none()
    return None if found is None else bytes(found)


def delete(tx: Transaction, pack_id: int) -> bool:
    """Delete a pack with its pieces; False if it is gone."""
    return tx.execute(text("delete from pack where id = :id"), id=pack_id).rowcount == 1


def delete_expired(tx: Transaction, *, now: datetime, failed_before: datetime) -> int:
    """Delete packs whose time is over; returns how many."""
    return tx.execute(
        text("""
        delete from pack where (state = 'ready' and expires_at <= :now)
            or (state = 'failed' and ready_at <= :failed_before)"""),
        now=now,
        failed_before=failed_before,
    ).rowcount


@dataclass(frozen=True)
class Row:
    """A signature as it is read for a pack; name and reason are sealed."""

    id: int
    country: str
    show_name: bool
    confirmed_at: datetime
    name: bytes | None
    reason: bytes | None
    locale: str | None
    """Of the text that was signed; None once erased."""
    version: int | None


def one_snapshot(tx: Transaction) -> None:
    """Let all statements of this transaction see the same rows; nothing is written in it."""
    tx.execute(text("set transaction isolation level repeatable read read only"))


def counts(tx: Transaction, petition_id: int) -> tuple[int, int, int]:
    """The public count, the signatures that are confirmed and in it, and those whose state and count differ."""
    row = tx.execute(
        text("""
        select (select count as signatures from petition where id = :id) as public,
            count(*) filter (where state = 'confirmed' and counted) as listed,
            count(*) filter (where (state = 'confirmed') <> counted) as open
        from signature where petition_id = :id and (counted or state = 'confirmed')"""),
        id=petition_id,
    ).one()
    return row.public, row.listed, row.open


def rows(tx: Transaction, petition_id: int, *, after: int, limit: int) -> list[Row]:
    """The next counted signatures by id."""
    found = tx.execute(
        text("""
        select s.id, s.country, s.show_name, s.confirmed_at, s.name, s.reason, t.locale, t.version
        from signature s left join text_version t on t.id = s.text_version_id
        where s.petition_id = :id and s.state = 'confirmed' and s.counted and s.id > :after
        order by s.id limit :limit"""),
        id=petition_id,
        after=after,
        limit=limit,
    )
    return [Row(**row._asdict()) for row in found]


@dataclass(frozen=True)
class StoredText:
    """A version of the petition's text."""

    locale: str
    version: int
    title: str
    addressed_to: str
    body_markdown: str
    hash: bytes
    created_at: datetime


def texts(tx: Transaction, petition_id: int) -> list[StoredText]:
    """Every version of the petition's text, by language and number."""
    found = tx.execute(
        text("""
        select locale, version, title, addressed_to, body_markdown, hash, created_at from text_version
        where petition_id = :id order by locale, version"""),
        id=petition_id,
    )
    return [StoredText(**(row._asdict() | {"hash": bytes(row.hash)})) for row in found]
