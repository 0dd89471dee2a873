"""Who must not be mailed: keyed hashes of addresses, which survive the erasure of the addresses themselves."""

from collections.abc import Sequence

from sqlalchemy import text

from campaign.store.database import Transaction


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
        where address_key = any(:keys) and lifted_at is null"""),
        keys=list(address_keys),
    )
    for row in rows:
        found.setdefault(bytes(row.address_key), []).append((row.petition_id, row.reason))
    return found
