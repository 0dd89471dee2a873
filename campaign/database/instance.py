"""The one row of the installation: its epoch and its wrapped secrets."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.security.encryption import Sealed


@dataclass(frozen=True)
class Instance:
    """Identity of an installation."""

    epoch: uuid.UUID
    stable: Sealed
    accounts: Sealed


def find(tx: Transaction, *, lock: bool = False) -> Instance | None:
    """The row, or None on a database that no process has used yet; ``lock`` holds it until the transaction ends."""
    row = tx.execute(
        text(f"""
        select epoch, stable_key_id, stable_key, account_key_id, account_key
        from instance {"for update" if lock else ""}""")
    ).one_or_none()
    if row is None:
        return None
    return Instance(row.epoch, Sealed(row.stable_key_id, row.stable_key), Sealed(row.account_key_id, row.account_key))


def create(tx: Transaction, instance: Instance) -> None:
    """Add the row unless there is one; the caller must read it again."""
    tx.execute(
        text("""
        insert into instance (id, epoch, stable_key_id, stable_key, account_key_id, account_key, retention_keys_since)
        values (1, :epoch, :stable_key_id, :stable_key, :account_key_id, :account_key, '-infinity')
        on conflict (id) do nothing"""),
        epoch=instance.epoch,
        stable_key_id=instance.stable.key_id,
        stable_key=instance.stable.blob,
        account_key_id=instance.accounts.key_id,
        account_key=instance.accounts.blob,
    )


def rewrap(tx: Transaction, instance: Instance) -> None:
    """Store the secrets under another instance key; they stay the same secrets."""
    tx.execute(
        text("""
        update instance set stable_key_id = :stable_key_id, stable_key = :stable_key,
            account_key_id = :account_key_id, account_key = :account_key"""),
        stable_key_id=instance.stable.key_id,
        stable_key=instance.stable.blob,
        account_key_id=instance.accounts.key_id,
        account_key=instance.accounts.blob,
    )


def new_epoch(tx: Transaction) -> uuid.UUID:
    """Give the installation a new epoch: blasts scheduled before, e.g. in a restored backup, will not start."""
    epoch = uuid.uuid4()
    tx.execute(text("update instance set epoch = :epoch"), epoch=epoch)
    return epoch


def retention_keys_since(tx: Transaction) -> datetime | None:
    """When this database came to know retention keys; None before its first use."""
    return tx.execute(text("select greatest(retention_keys_since, '2000-01-01') from instance")).scalar_one_or_none()
