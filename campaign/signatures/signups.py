"""The express way of a sign-up: a new signer whose mailbox and network are free, in one round trip.

Two statements travel together as one implicit transaction (PostgreSQL's extended protocol: everything up to the next
Sync): the allowance's locks, then one statement that looks, stores the signature, notes the slots and plans the
confirmation. It stores all or nothing; whenever anything is not plain it stores nothing, and the careful way decides.
"""

from dataclasses import dataclass

from campaign.database.connection import Store
from campaign.database.round_trip import Prepared
from campaign.outbox.allowance import DAY, HOUR, MONTH, NETWORK_PER_HOUR
from campaign.signatures.queries import NewSignature
from campaign.states import Lane

_LOCK = Prepared(
    "signup_lock",
    "select pg_advisory_xact_lock(key) from unnest(array[%(mailbox_lock)s::bigint, %(network_lock)s::bigint]) as key",
)

_STORE = Prepared(
    "signup_store",
    """
    with free as (
        select 1 where not exists (
                select 1 from signature where petition_id = %(petition_id)s::int
                    and address_index = %(address_index)s::bytea and state in ('pending', 'confirmed'))
            and not exists (
                select 1 from mail_allowance where key = %(mailbox)s::bytea and slot_at > %(month_ago)s::timestamptz)
            and (select count(*) from mail_allowance
                where key = %(network)s::bytea and slot_at > %(hour_ago)s::timestamptz) < %(per_hour)s::int),
    stored as (
        insert into signature (id, petition_id, text_version_id, consent_id, updates_consent_id, state, locale, country,
            show_name, wants_updates, nonce, address_index, person_index, address, name, reason, requested_at)
        select %(id)s::bigint, %(petition_id)s, %(text_version_id)s::int, %(consent_id)s::int,
            %(updates_consent_id)s::int, 'pending', %(locale)s::text, %(country)s::text, %(show_name)s::boolean,
            %(wants_updates)s::boolean, %(nonce)s::bytea, %(address_index)s, %(person_index)s::bytea,
            %(address)s::bytea, %(name)s::bytea, %(reason)s::bytea, %(requested_at)s::timestamptz
        from free returning id, petition_id, requested_at),
    granted as (
        insert into mail_allowance (key, slot_at, expires_at)
        select o.key, %(requested_at)s, o.expires_at
        from (values (%(mailbox)s, %(mailbox_until)s::timestamptz), (%(network)s, %(network_until)s::timestamptz))
            as o(key, expires_at), free),
    planned as (
        insert into message (kind, lane, due_at, planned_at, signature_id, petition_id)
        select 'confirmation', 'urgent', requested_at, requested_at, id, petition_id from stored returning id)
    select count(*) from planned""",
)


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
        "mailbox_until": now + MONTH,
        "network_until": now + DAY + HOUR,
        "mailbox_lock": int.from_bytes(keys.mailbox[:8], "big", signed=True),
        "network_lock": int.from_bytes(keys.network[:8], "big", signed=True),
    }
    if database.express((_LOCK, _STORE), values) != b"1":
        return False
    database.nudge(frozenset({Lane.URGENT}))
    return True
