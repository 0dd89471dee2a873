"""Who must not be mailed: keyed hashes of addresses, which survive the erasure of the addresses themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction, array_of


def add(tx: Transaction, address_key: bytes, *, reason: str, petition_id: int | None, message_id: int | None) -> bool:
    """Suppress an address, everywhere or for one petition; False if it was already."""
    return (
        tx.execute(
            text("""
        insert into suppression (address_key, petition_id, reason, message_id)
        values (:key, :petition_id, :reason, :message_id)
        on conflict (address_key, petition_id) where lifted_at is null do nothing"""),
            key=address_key,
            petition_id=petition_id,
            reason=reason,
            message_id=message_id,
        ).rowcount
        == 1
    )


def active(tx: Transaction, address_keys: Sequence[bytes]) -> dict[bytes, list[tuple[int | None, str]]]:
    """The suppressions in force: per address key, pairs of petition (None: all) and reason."""
    found: dict[bytes, list[tuple[int | None, str]]] = {}
    rows = tx.execute(
        text("""
        select address_key, petition_id, reason from suppression
        where address_key = any(cast(:keys as bytea[])) and lifted_at is null"""),
        keys=array_of(address_keys),
    )
    for row in rows:
        found.setdefault(bytes(row.address_key), []).append((row.petition_id, row.reason))
    return found


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
        before=before if before is not None else 2**63 - 1, limit=limit,
    )  # fmt: skip
    return [Suppression(**row._asdict()) for row in rows]


def lift(tx: Transaction, suppression_id: int, *, now: datetime) -> bytes | None:
    """Lift a suppression; returns the keyed hash of its address, None if it is not in force."""
    key = tx.execute(
        text("update suppression set lifted_at = :now where id = :id and lifted_at is null returning address_key"),
        id=suppression_id, now=now,
    ).scalar_one_or_none()  # fmt: skip
    return None if key is None else bytes(key)
