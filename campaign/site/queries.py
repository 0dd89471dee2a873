"""What admins set for the site, as it is stored."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction


@dataclass(frozen=True)
class Stored:
    """One row: a value as text, or the reason of a switch that is on."""

    value: str
    changed_at: datetime
    changed_by: str


def everything(tx: Transaction) -> dict[str, Stored]:
    """All rows by name; a dozen at most."""
    rows = tx.execute(text("select name, value, changed_at, changed_by from site_setting"))
    return {row.name: Stored(row.value, row.changed_at, row.changed_by) for row in rows}


def lock(tx: Transaction) -> None:
    """Let one admin at a time change something, so that the audit log tells the true value before."""
    tx.execute(text("select pg_advisory_xact_lock(hashtext('countersign.site'))"))


def put(tx: Transaction, name: str, value: str, *, by: str, now: datetime) -> None:
    """Store a value."""
    tx.execute(
        text("""
        insert into site_setting (name, value, changed_at, changed_by) values (:name, :value, :now, :by)
        on conflict (name) do update set value = excluded.value, changed_at = excluded.changed_at,
            changed_by = excluded.changed_by"""),
        name=name,
        value=value,
        now=now,
        by=by,
    )


def drop(tx: Transaction, name: str) -> None:
    """Forget a value."""
    tx.execute(text("delete from site_setting where name = :name"), name=name)


def put_file(tx: Transaction, name: str, content: bytes) -> None:
    """Store a file under the hash of its content, in place of all others."""
    tx.execute(text("delete from site_file where name <> :name"), name=name)
    tx.execute(
        text("insert into site_file (name, content) values (:name, :content) on conflict (name) do nothing"),
        name=name,
        content=content,
    )


def drop_files(tx: Transaction) -> None:
    """Delete all files."""
    tx.execute(text("delete from site_file"))


def file(tx: Transaction, name: str) -> bytes | None:
    """The content of a file; None if there is none of this name."""
    found = tx.execute(text("select content from site_file where name = :name"), name=name).scalar_one_or_none()
    return None if found is None else bytes(found)
