"""The allowance of mailboxes and networks: strangers can't make us flood anybody."""

import ipaddress
import secrets
import socket
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from campaign.database.connection import Transaction
from campaign.domain.allowance import DAY, HOUR, MONTH, mailbox_slot, network_slot
from campaign.runtime import Runtime
from campaign.security.encryption import keyed_hash
from campaign.store import allowances, outbox


@dataclass(frozen=True)
class Origin:
    """Whose allowance a sign-up uses: two keyed hashes."""

    mailbox: bytes
    network: bytes | None


_salts: dict[tuple[UUID, str], bytes] = {}


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
    key = (runtime.epoch, day)
    if key not in _salts:
        _salts.clear()
        _salts[key] = runtime.store.transact(lambda tx: allowances.salt_of(tx, day, secrets.token_bytes(32)))
    return _salts[key]


def plan(tx: Transaction, whose: Origin, wanted: outbox.Plan, *, now: datetime) -> bool:
    """Plan a mail that a stranger's form caused, at the time the allowance permits.

    Over the limit the message is recorded as held, with the reason; the page shows nothing of it.

    Returns:
        True if the mail will go.
    """
    # Mailbox before network, always: two transactions never wait for each other.
    since = {whose.mailbox: now - MONTH}
    if whose.network is not None:
        since[whose.network] = now - HOUR
    allowances.lock_keys(tx, list(since))
    given = allowances.slots(tx, since)
    by_mailbox = mailbox_slot(given[whose.mailbox], now)
    if by_mailbox is None:
        outbox.add_held(tx, wanted, reason="mailbox_allowance")
        return False
    by_network: datetime | None = now if whose.network is None else network_slot(given[whose.network], now)
    if by_network is None:
        outbox.add_held(tx, wanted, reason="network_allowance")
        return False
    due = max(by_mailbox, by_network)
    grants = [allowances.Grant(whose.mailbox, due, MONTH)]
    if whose.network is not None:
        grants.append(allowances.Grant(whose.network, by_network, DAY + HOUR))
    outbox.add(tx, replace(wanted, due_at=due, planned_at=now), grants=grants)
    return True
