"""The message table: to send a mail, add a row. Planning and ending of messages; claiming is in ledger.py."""

import ipaddress
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.outbox import allowance
from campaign.outbox.allowance import DAY, HOUR, MONTH, mailbox_slot, network_slot
from campaign.runtime import Runtime
from campaign.security.encryption import keyed_hash
from campaign.states import Lane, MessageKind


@dataclass(frozen=True)
class Plan:
    """A message to be."""

    kind: MessageKind
    lane: Lane
    due_at: datetime
    signature_id: int | None = None
    petition_id: int | None = None
    account_id: int | None = None
    planned_at: datetime | None = None
    """By the clock of the caller; ``due_at`` if not given."""
    about_id: int | None = None


_INSERT = """insert into message (kind, lane, due_at, planned_at, signature_id, petition_id, account_id, about_id)
    values (:kind, :lane, :due_at, :planned_at, :signature_id, :petition_id, :account_id, :about_id)
    on conflict (signature_id, kind) where kind in ('thank_you', 'reminder') do nothing
    returning id"""
_PLAIN = text(_INSERT)
_GRANTED = text(f"with granted as ({allowance.INSERT_GRANTS}) {_INSERT}")


def add(tx: Transaction, plan: Plan, *, grants: Sequence[allowance.Grant] = ()) -> int | None:
    """Plan a message and wake its lane after the commit.

    Args:
        tx: the open transaction.
        plan: the message.
        grants: the allowance it uses, noted by the same statement: a person waits for this one.

    Returns:
        The message's id; None if the signature has its one thank-you or reminder already.
    """
    message_id: int | None = tx.execute(
        _GRANTED if grants else _PLAIN,
        kind=str(plan.kind), lane=str(plan.lane), due_at=plan.due_at, signature_id=plan.signature_id,
        petition_id=plan.petition_id, account_id=plan.account_id, about_id=plan.about_id,
        planned_at=plan.planned_at or plan.due_at, **(allowance.grant_values(grants) if grants else {}),
    ).scalar_one_or_none()  # fmt: skip
    if message_id is not None:
        tx.nudge(plan.lane)
    return message_id


def add_held(tx: Transaction, plan: Plan, *, reason: str) -> None:
    """Record a message that will not be sent, and why."""
    tx.execute(
        text("""
        insert into message (kind, lane, state, due_at, planned_at, settled_at, signature_id, petition_id, account_id,
            reason)
        values (:kind, :lane, 'suppressed', :due_at, :due_at, :due_at, :signature_id, :petition_id, :account_id,
            :reason)
        on conflict (signature_id, kind) where kind in ('thank_you', 'reminder') do nothing"""),
        kind=str(plan.kind), lane=str(plan.lane), due_at=plan.due_at, signature_id=plan.signature_id,
        petition_id=plan.petition_id, account_id=plan.account_id, reason=reason,
    )  # fmt: skip


def has_open(tx: Transaction, signature_id: int, kind: MessageKind) -> bool:
    """True if a message of this kind is still on its way to a signature."""
    return bool(
        tx.execute(
            text("""
            select exists (select 1 from message where signature_id = :id and blast_id is null and kind = :kind
                and state in ('planned', 'claimed', 'submitting'))"""),
            id=signature_id,
            kind=str(kind),
        ).scalar_one()
    )


def planned_since(tx: Transaction, signature_ids: list[int], kind: MessageKind, *, since: datetime) -> bool:
    """True if a message of this kind was planned for any of these signatures since a moment."""
    return bool(
        tx.execute(
            text("""
            select exists (select 1 from message where signature_id = any(:ids) and blast_id is null and kind = :kind
                and planned_at > :since and state <> 'suppressed')"""),
            ids=signature_ids,
            kind=str(kind),
            since=since,
        ).scalar_one()
    )


def cancel_for(tx: Transaction, signature_ids: list[int], *, reason: str, now: datetime) -> int:
    """Cancel what is planned for signatures that ended or were erased; the rows say why."""
    return tx.execute(
        text("""
        update message set state = 'cancelled', settled_at = :now, reason = :reason
        where state = 'planned' and id in (
            select m.id from message m where m.signature_id = any(:ids) and m.blast_id is null
            union all
            select m.id from message m
            where m.signature_id = any(:ids) and m.blast_id = any(array(
                select b.id from blast b
                where b.started_at is not null and b.cancelled_at is null
                    and b.petition_id in (select s.petition_id from signature s where s.id = any(:ids)))))"""),
        ids=signature_ids, reason=reason, now=now,
    ).rowcount  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """Whose allowance a sign-up uses: two keyed hashes."""

    mailbox: bytes
    network: bytes | None


def network_prefix(address: str | None) -> str | None:
    """The /24 (IPv4) or /56 (IPv6) an address is in; None if it is no address."""
    try:
        # Nearly every address: the quick way says the same as the long one.
        first, second, third, _fourth = socket.inet_pton(socket.AF_INET, address or "")
    except (OSError, ValueError):
        return _long_prefix(address)
    return f"{first}.{second}.{third}.0/24"


def _long_prefix(address: str | None) -> str | None:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    length = 24 if parsed.version == 4 else 56
    return str(ipaddress.ip_network(f"{parsed}/{length}", strict=False))


def origin(runtime: Runtime, canonical: str, network: str | None) -> Origin:
    """The allowance keys of a canonical mail address and an IP address.

    The address of the network is hashed with a salt that is thrown away after a day, and never stored.
    """
    prefix = network_prefix(network)
    hashed = None if prefix is None else keyed_hash(_salt(runtime), prefix)
    return Origin(runtime.secrets.address_key(canonical), hashed)


def _salt(runtime: Runtime) -> bytes:
    day = runtime.clock().date().isoformat()
    return runtime.cache.get(
        ("allowance salt", day),
        lambda: runtime.store.transact(lambda tx: allowance.salt_of(tx, day, secrets.token_bytes(32))),
    )


def plan(tx: Transaction, whose: Origin, wanted: Plan, *, now: datetime) -> bool:
    """Plan a mail that a stranger's form caused, at the time the allowance permits.

    Over the limit the message is recorded as held, with the reason; the page shows nothing of it.

    Returns:
        True if the mail will go.
    """
    # Mailbox before network, always: two transactions never wait for each other.
    since = {whose.mailbox: now - MONTH}
    if whose.network is not None:
        since[whose.network] = now - HOUR
    allowance.lock_keys(tx, list(since))
    given = allowance.slots(tx, since)
    by_mailbox = mailbox_slot(given[whose.mailbox], now)
    if by_mailbox is None:
        add_held(tx, wanted, reason="mailbox_allowance")
        return False
    by_network: datetime | None = now if whose.network is None else network_slot(given[whose.network], now)
    if by_network is None:
        add_held(tx, wanted, reason="network_allowance")
        return False
    due = max(by_mailbox, by_network)
    grants = [allowance.Grant(whose.mailbox, due, MONTH)]
    if whose.network is not None:
        grants.append(allowance.Grant(whose.network, by_network, DAY + HOUR))
    add(tx, replace(wanted, due_at=due, planned_at=now), grants=grants)
    return True
