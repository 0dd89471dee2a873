"""The express way of a sign-up: a new signer whose mailbox and network are free, in one round trip.

Two statements travel together as one implicit transaction (PostgreSQL's extended protocol: everything up to the next
Sync): the allowance's locks, then one statement that looks, stores the signature, notes the slots and plans the
confirmation. It stores all or nothing; whenever anything is not plain it stores nothing, and the careful way decides.
"""

from dataclasses import dataclass

from campaign.domain.allowance import DAY, HOUR, MONTH, NETWORK_PER_HOUR
from campaign.domain.states import Lane
from campaign.store.database import Store
from campaign.store.signatures import NewSignature

_LOCK = "select pg_advisory_xact_lock(key) from unnest(%(keys)s::bigint[]) as key"

_STORE = """
    with free as (
        select 1 where not exists (
                select 1 from signature where petition_id = %(petition_id)s and address_index = %(address_index)s
                    and state in ('pending', 'confirmed'))
            and not exists (select 1 from mail_allowance where key = %(mailbox)s and slot_at > %(month_ago)s)
            and (select count(*) from mail_allowance where key = %(network)s and slot_at > %(hour_ago)s)
                < %(per_hour)s),
    stored as (
        insert into signature (id, petition_id, text_version_id, consent_id, updates_consent_id, state, locale, country,
            show_name, wants_updates, nonce, address_index, person_index, address, name, reason, requested_at)
        select %(id)s::bigint, %(petition_id)s, %(text_version_id)s, %(consent_id)s, %(updates_consent_id)s, 'pending',
            %(locale)s, %(country)s, %(show_name)s, %(wants_updates)s, %(nonce)s::bytea, %(address_index)s::bytea,
            %(person_index)s::bytea, %(address)s::bytea, %(name)s::bytea, %(reason)s::bytea,
            %(requested_at)s::timestamptz
        from free returning id, petition_id, requested_at),
    granted as (
        insert into mail_allowance (key, slot_at, expires_at)
        select o.key, %(requested_at)s::timestamptz, o.expires_at
        from unnest(%(grant_keys)s::bytea[], %(grant_ends)s::timestamptz[]) as o(key, expires_at), free),
    planned as (
        insert into message (kind, lane, due_at, planned_at, signature_id, petition_id)
        select 'confirmation', 'urgent', requested_at, requested_at, id, petition_id from stored returning id)
    select count(*) from planned"""


@dataclass(frozen=True)
class Keys:
    """Keyed hashes of the mailbox and the network that a sign-up came from."""

    mailbox: bytes
    network: bytes


def store(database: Store, new: NewSignature, keys: Keys) -> bool:
    """Store a sign-up and plan its confirmation, if nothing speaks against it; wakes the urgent lane afterwards.

    Returns:
        False if nothing was stored and the careful way must decide: the mailbox is known, an allowance is used, the
        person pressed twice at this moment, or the database was lost.
    """
    now = new.requested_at
    values = vars(new) | {
        "mailbox": keys.mailbox,
        "network": keys.network,
        "month_ago": now - MONTH,
        "hour_ago": now - HOUR,
        "per_hour": NETWORK_PER_HOUR,
        "grant_keys": [keys.mailbox, keys.network],
        "grant_ends": [now + MONTH, now + DAY + HOUR],
    }
    locks = [int.from_bytes(key[:8], "big", signed=True) for key in (keys.mailbox, keys.network)]
    found = database.express([(_LOCK, {"keys": locks}), (_STORE, values)])
    if found != 1:
        return False
    database.nudge(frozenset({Lane.URGENT}))
    return True
