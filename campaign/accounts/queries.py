"""Accounts, sign-in links, sessions and memberships."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from campaign.database.connection import Transaction


@dataclass(frozen=True)
class StoredAccount:
    """An account as stored: address and name are encrypted."""

    id: int
    role: str
    locale: str
    time_zone: str
    disabled_at: datetime | None
    created_at: datetime
    address: bytes = field(repr=False)
    name: bytes = field(repr=False)


_COLUMNS = "a.id, a.role, a.locale, a.time_zone, a.disabled_at, a.created_at, a.address, a.name"


def _account(row: Row[Any]) -> StoredAccount:
    return StoredAccount(**{name: getattr(row, name) for name in StoredAccount.__dataclass_fields__})


def next_id(tx: Transaction) -> int:
    """An id for an account to be: its fields are sealed for it."""
    return int(tx.execute(text("select nextval(pg_get_serial_sequence('account', 'id'))")).scalar_one())


def add(
    tx: Transaction, account_id: int, *, address_index: bytes, address: bytes, name: bytes, role: str, locale: str
) -> None:
    """Add an account.

    Raises:
        DuplicateError: the address has one.
    """
    tx.execute(
        text("""
        insert into account (id, address_index, address, name, role, locale)
        values (:id, :address_index, :address, :name, :role, :locale)"""),
        id=account_id,
        address_index=address_index,
        address=address,
        name=name,
        role=role,
        locale=locale,
    )


def by_index(tx: Transaction, address_index: bytes) -> StoredAccount | None:
    """The account of an address."""
    row = tx.execute(text(f"select {_COLUMNS} from account a where a.address_index = :index"), index=address_index)
    found = row.one_or_none()
    return None if found is None else _account(found)


def open_for_sign_in(tx: Transaction, address_indexes: Sequence[bytes]) -> dict[bytes, int]:
    """The accounts of some addresses by blind index; disabled ones are left out."""
    rows = tx.execute(
        text("select id, address_index from account where address_index = any(:indexes) and disabled_at is null"),
        indexes=list(address_indexes),
    )
    return {bytes(row.address_index): row.id for row in rows}


def by_id(tx: Transaction, account_id: int) -> StoredAccount | None:
    """One account."""
    found = tx.execute(text(f"select {_COLUMNS} from account a where a.id = :id"), id=account_id).one_or_none()
    return None if found is None else _account(found)


def all_accounts(tx: Transaction) -> list[StoredAccount]:
    """Every account, oldest first."""
    return [_account(row) for row in tx.execute(text(f"select {_COLUMNS} from account a order by a.id"))]


def set_role(tx: Transaction, account_id: int, role: str) -> None:
    """Make an account an organiser or an admin."""
    tx.execute(text("update account set role = :role where id = :id"), id=account_id, role=role)


def set_disabled(tx: Transaction, account_id: int, disabled_at: datetime | None) -> None:
    """Disable an account, or let it in again; its sessions end, and a sign-in link of before never works again."""
    tx.execute(text("update account set disabled_at = :at where id = :id"), id=account_id, at=disabled_at)
    tx.execute(text("delete from session where account_id = :id"), id=account_id)
    tx.execute(text("delete from kept_form where account_id = :id"), id=account_id)
    tx.execute(
        text("update sign_in_link set used_at = now() where account_id = :id and used_at is null"), id=account_id
    )


def set_preferences(tx: Transaction, account_id: int, *, locale: str, time_zone: str) -> None:
    """Store an account's language and time zone."""
    tx.execute(
        text("update account set locale = :locale, time_zone = :zone where id = :id"),
        id=account_id,
        locale=locale,
        zone=time_zone,
    )


def add_link(tx: Transaction, account_id: int, *, nonce: bytes, expires_at: datetime, message_id: int | None) -> int:
    """Add a one-time sign-in link; ``message_id`` is the mail that carries it, if one does."""
    return int(
        tx.execute(
            text("""
            insert into sign_in_link (account_id, nonce, expires_at, message_id)
            values (:account_id, :nonce, :expires_at, :message_id) returning id"""),
            account_id=account_id,
            nonce=nonce,
            expires_at=expires_at,
            message_id=message_id,
        ).scalar_one()
    )


@dataclass(frozen=True)
class NewLink:
    """A one-time sign-in link to be, and the mail that will carry it."""

    account_id: int
    message_id: int
    nonce: bytes = field(repr=False)


def add_links(tx: Transaction, links: Sequence[NewLink], *, expires_at: datetime) -> None:
    """Add links that mails will carry, in one statement."""
    tx.execute(
        text("""
        insert into sign_in_link (account_id, message_id, nonce, expires_at)
        select account_id, message_id, nonce, :expires_at
        from unnest(cast(:accounts as int[]), cast(:messages as bigint[]), cast(:nonces as bytea[]))
            as l(account_id, message_id, nonce)"""),
        accounts=[link.account_id for link in links],
        messages=[link.message_id for link in links],
        nonces=[link.nonce for link in links],
        expires_at=expires_at,
    )


@dataclass(frozen=True)
class Link:
    """A sign-in link."""

    id: int
    account_id: int
    nonce: bytes = field(repr=False)
    expires_at: datetime
    used_at: datetime | None


def link(tx: Transaction, link_id: int) -> Link | None:
    """One link; locked, for it opens one session."""
    row = tx.execute(
        text("select id, account_id, nonce, expires_at, used_at from sign_in_link where id = :id for update"),
        id=link_id,
    ).one_or_none()
    return None if row is None else Link(row.id, row.account_id, bytes(row.nonce), row.expires_at, row.used_at)


def link_of_message(tx: Transaction, message_id: int) -> Link | None:
    """The link that a sign-in mail carries."""
    row = tx.execute(
        text("select id, account_id, nonce, expires_at, used_at from sign_in_link where message_id = :id"),
        id=message_id,
    ).one_or_none()
    return None if row is None else Link(row.id, row.account_id, bytes(row.nonce), row.expires_at, row.used_at)


def use_link(tx: Transaction, link_id: int, *, now: datetime) -> None:
    """Note that a link opened its session."""
    tx.execute(text("update sign_in_link set used_at = :now where id = :id"), id=link_id, now=now)


def add_session(
    tx: Transaction, *, key: bytes, account_id: int, csrf: bytes, now: datetime, expires_at: datetime
) -> None:
    """Open a session."""
    tx.execute(
        text("""
        insert into session (key, account_id, csrf, seen_at, created_at, expires_at)
        values (:key, :account_id, :csrf, :now, :now, :expires_at)"""),
        key=key,
        account_id=account_id,
        csrf=csrf,
        now=now,
        expires_at=expires_at,
    )


def session(
    tx: Transaction, key: bytes, *, now: datetime, idle_since: datetime
) -> tuple[StoredAccount, bytes, datetime, dict[str, Any] | None, datetime] | None:
    """The account of a live session with its CSRF secret, when its use was last noted, its note, and its beginning."""
    row = tx.execute(
        text(f"""
        select {_COLUMNS}, s.csrf, s.seen_at, s.note, s.created_at as begun_at
        from session s join account a on a.id = s.account_id
        where s.key = :key and s.expires_at > :now and s.seen_at > :idle_since and a.disabled_at is null"""),
        key=key,
        now=now,
        idle_since=idle_since,
    ).one_or_none()
    if row is None:
        return None
    return _account(row), bytes(row.csrf), row.seen_at, row.note, row.begun_at


def set_note(tx: Transaction, key: bytes, note: Mapping[str, Any] | None) -> None:
    """Store what the next page of a session says was done; None once it was said."""
    tx.execute(
        text("update session set note = cast(:note as jsonb) where key = :key"),
        key=key,
        note=None if note is None else json.dumps(dict(note)),
    )


def keep_session(tx: Transaction, key: bytes, *, now: datetime) -> None:
    """Note that a session is in use, which keeps it awake."""
    tx.execute(text("update session set seen_at = :now where key = :key"), key=key, now=now)


def end_session(tx: Transaction, key: bytes) -> None:
    """Close a session."""
    tx.execute(text("delete from session where key = :key"), key=key)


def end_all_sessions(tx: Transaction) -> int:
    """Sign everybody out, and void every sign-in link."""
    tx.execute(text("delete from sign_in_link"))
    return tx.execute(text("delete from session")).rowcount


def has_account(tx: Transaction, key: bytes) -> bool:
    """True for a session, also one that has ended, of an account that is not disabled."""
    return (
        tx.execute(
            text("""
            select 1 from session s join account a on a.id = s.account_id
            where s.key = :key and a.disabled_at is null"""),
            key=key,
        ).one_or_none()
        is not None
    )


def keep_form(tx: Transaction, account_id: int, *, path: str, fields: bytes, now: datetime) -> None:
    """Store a form that was sent after its session had ended."""
    tx.execute(
        text("insert into kept_form (account_id, path, fields, kept_at) values (:account_id, :path, :fields, :now)"),
        account_id=account_id,
        path=path,
        fields=fields,
        now=now,
    )


def newest_form(tx: Transaction, account_id: int, *, since: datetime) -> Row[Any] | None:
    """The kept form that came last: id, path, fields, kept_at."""
    return tx.execute(
        text("""
        select id, path, fields, kept_at from kept_form
        where account_id = :account_id and kept_at > :since order by id desc limit 1"""),
        account_id=account_id,
        since=since,
    ).one_or_none()


def drop_form(tx: Transaction, account_id: int, form_id: int) -> None:
    """Delete a kept form of an account."""
    tx.execute(
        text("delete from kept_form where id = :id and account_id = :account_id"), id=form_id, account_id=account_id
    )


def drop_forms_but(tx: Transaction, account_id: int, *, newest: int) -> None:
    """Delete the kept forms of an account but for the newest."""
    tx.execute(
        text("""
        delete from kept_form where account_id = :account_id and id not in (
            select id from kept_form where account_id = :account_id order by id desc limit :newest)"""),
        account_id=account_id,
        newest=newest,
    )


ENDED_FOR = timedelta(days=1)
"""For so long an ended session is remembered: its form may be sent late."""


def purge(tx: Transaction, *, now: datetime, forms_before: datetime) -> int:
    """Delete expired sessions, sign-in links and kept forms; returns the number of sessions."""
    tx.execute(text("delete from sign_in_link where expires_at < :now"), now=now)
    tx.execute(text("delete from kept_form where kept_at < :before"), before=forms_before)
    return tx.execute(text("delete from session where expires_at < :before"), before=now - ENDED_FOR).rowcount


def add_member(tx: Transaction, petition_id: int, account_id: int, *, role: str = "organiser") -> None:
    """Let an account organise a petition."""
    tx.execute(
        text("""
        insert into membership (petition_id, account_id, role) values (:petition_id, :account_id, :role)
        on conflict (petition_id, account_id) do nothing"""),
        petition_id=petition_id,
        account_id=account_id,
        role=role,
    )


def remove_member(tx: Transaction, petition_id: int, account_id: int) -> None:
    """Take a petition out of an account's hands."""
    tx.execute(
        text("delete from membership where petition_id = :petition_id and account_id = :account_id"),
        petition_id=petition_id,
        account_id=account_id,
    )


def members(tx: Transaction, petition_id: int) -> list[tuple[StoredAccount, str]]:
    """Who organises a petition, with the role there."""
    rows = tx.execute(
        text(f"""
        select {_COLUMNS}, m.role as member_role from membership m join account a on a.id = m.account_id
        where m.petition_id = :id order by m.created_at, a.id"""),
        id=petition_id,
    )
    return [(_account(row), row.member_role) for row in rows]


def memberships(tx: Transaction) -> list[tuple[int, StoredAccount]]:
    """Who organises which petition: pairs of petition and account."""
    rows = tx.execute(
        text(f"""
        select {_COLUMNS}, m.petition_id from membership m join account a on a.id = m.account_id
        order by m.petition_id, m.created_at, a.id""")
    )
    return [(row.petition_id, _account(row)) for row in rows]


def petition_ids(tx: Transaction, account_id: int) -> list[int]:
    """The petitions an account organises."""
    return list(
        tx.execute(
            text("select petition_id from membership where account_id = :id order by petition_id desc"), id=account_id
        ).scalars()
    )
