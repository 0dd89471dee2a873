"""How much mail a mailbox or a network has caused: keyed hashes and times, nothing else."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.store.database import Transaction


def lock(tx: Transaction, key: bytes) -> None:
    """Let one transaction at a time decide on a key; held until the commit."""
    tx.execute(text("select pg_advisory_xact_lock(:key)"), key=int.from_bytes(key[:8], "big", signed=True))


def slots(tx: Transaction, keys: Iterable[bytes], *, since: datetime) -> dict[bytes, list[datetime]]:
    """The slots given to each key since a moment, future ones included."""
    wanted = list(keys)
    found: dict[bytes, list[datetime]] = {key: [] for key in wanted}
    rows = tx.execute(
        text("select key, slot_at from mail_allowance where key = any(:keys) and slot_at > :since"),
        keys=wanted,
        since=since,
    )
    for row in rows:
        found[bytes(row.key)].append(row.slot_at)
    return found


def add(tx: Transaction, key: bytes, *, slot_at: datetime, keep: timedelta) -> None:
    """Note a slot that was given."""
    tx.execute(
        text("insert into mail_allowance (key, slot_at, expires_at) values (:key, :slot_at, :expires_at)"),
        key=key,
        slot_at=slot_at,
        expires_at=slot_at + keep,
    )


def purge(tx: Transaction, *, now: datetime) -> int:
    """Forget what no longer limits anybody."""
    tx.execute(text("delete from daily_salt where day < :day"), day=(now - timedelta(days=1)).date().isoformat())
    return tx.execute(text("delete from mail_allowance where expires_at < :now"), now=now).rowcount


def salt_of(tx: Transaction, day: str, fresh: bytes) -> bytes:
    """The salt of a day, the same for every process; ``fresh`` becomes it if there is none yet."""
    tx.execute(
        text("insert into daily_salt (day, salt) values (:day, :salt) on conflict (day) do nothing"),
        day=day,
        salt=fresh,
    )
    return bytes(tx.execute(text("select salt from daily_salt where day = :day"), day=day).scalar_one())
