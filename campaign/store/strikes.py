"""Strikes: days on which mail to an address bounced without a final word. Keyed hashes and days, nothing else."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text

from campaign.database.connection import Transaction, array_of


def add_soft_bounce(tx: Transaction, address_key: bytes, *, kind: str, day: date) -> list[date]:
    """Note a strike, at most one a day and kind; returns the days of all strikes of this kind."""
    tx.execute(
        text("""
        insert into bounce_strike (address_key, kind, day) values (:key, :kind, :day)
        on conflict (address_key, kind, day) do nothing"""),
        key=address_key,
        kind=kind,
        day=day,
    )
    return list(
        tx.execute(
            text("select day from bounce_strike where address_key = :key and kind = :kind"), key=address_key, kind=kind
        ).scalars()
    )


def with_soft_bounces(tx: Transaction, address_keys: Sequence[bytes]) -> set[bytes]:
    """Those of the addresses that have strikes."""
    rows = tx.execute(
        text("select distinct address_key from bounce_strike where address_key = any(cast(:keys as bytea[]))"),
        keys=array_of(address_keys),
    )
    return {bytes(key) for key in rows.scalars()}


def clear_soft_bounces(tx: Transaction, address_keys: Sequence[bytes]) -> int:
    """Forget the strikes of addresses that took mail; returns how many there were."""
    return tx.execute(
        text("delete from bounce_strike where address_key = any(:keys)"), keys=list(address_keys)
    ).rowcount


def purge_soft_bounces(tx: Transaction, *, before: date) -> int:
    """Forget strikes that count no more."""
    return tx.execute(text("delete from bounce_strike where day < :before"), before=before).rowcount
