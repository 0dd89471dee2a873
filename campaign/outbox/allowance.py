"""How much mail strangers may cause: the allowance of one mailbox and of one network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.database.connection import Transaction

PAUSE = timedelta(minutes=10)
PER_DAY = 3
PER_MONTH = 5
MONTH = timedelta(days=30)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

NETWORK_HORIZON = timedelta(hours=6)
"""How far ahead a network may be promised an email; beyond, the form takes no more."""


_GMAIL = frozenset({"gmail.com", "googlemail.com"})


def mailbox_key(canonical: str) -> str:
    """The mailbox whose allowance an address uses: without +tags at every domain, without dots at Gmail.

    Whether two spellings are one *person* is another question, which the setting ``gmail_rules`` answers.
    """
    local, _, domain = canonical.rpartition("@")
    kept = local.partition("+")[0] or local
    if domain in _GMAIL:
        return f"{kept.replace('.', '')}@gmail.com"
    return f"{kept}@{domain}"


def mailbox_slot(earlier: Sequence[datetime], now: datetime) -> datetime | None:
    """When the next mail caused by the sign form may go to a mailbox: now, later, or (None) not at all.

    One in 10 minutes, 3 a day and 5 in 30 days, over all petitions. A second person of the same household is
    therefore served ten minutes later instead of never; a flood causes five mails in a month.

    Args:
        earlier: when mails went, or are due to go, to this mailbox; any order.
        now: the present moment.
    """
    recent = sorted(moment for moment in earlier if moment > now - MONTH)
    if len(recent) >= PER_MONTH:
        return None
    slot = max([now, *(moment + PAUSE for moment in recent)])
    if sum(1 for moment in recent if moment > slot - DAY) >= PER_DAY:
        return None
    return slot


def network_slot(earlier: Sequence[datetime], now: datetime, *, places: int) -> datetime | None:
    """When the email of one more form of a network may go where nothing is known about answers.

    Some at once, then as many each hour; None if all of :data:`NETWORK_HORIZON` is promised.

    Args:
        earlier: the slots given to this network so far; any order.
        now: the present moment.
        places: how many.
    """
    recent = sorted(moment for moment in earlier if moment > now - HOUR)
    if len(recent) < places:
        return now
    slot = max(now, recent[-places] + HOUR)
    return slot if slot <= now + NETWORK_HORIZON else None


def book_network(tx: Transaction, label: bytes, *, places: int, now: datetime) -> datetime | None:
    """Give a network a slot, by the minute; None if all of :data:`NETWORK_HORIZON` is promised."""
    tx.execute(text("select pg_advisory_xact_lock(hashtextextended(:label, 0))"), label=label.hex())
    minute = now.replace(second=0, microsecond=0)
    slot = network_slot(slots(tx, {label: minute - HOUR})[label], minute, places=places)
    if slot is not None:
        add_grants(tx, [Grant(label, slot, DAY + HOUR)])
    return slot


_LOCK = 0x636F756E746572
"""Key of the advisory lock."""


def lock_keys(tx: Transaction) -> None:
    """Let one transaction at a time decide what the allowance permits; held until the transaction ends.

    Waiting transactions are served in the order in which they came.
    """
    tx.execute(text("select pg_advisory_xact_lock(:key)"), key=_LOCK)


def slots(tx: Transaction, since: Mapping[bytes, datetime]) -> dict[bytes, list[datetime]]:
    """The slots given to each key since a moment of its own, future ones included."""
    found: dict[bytes, list[datetime]] = {key: [] for key in since}
    rows = tx.execute(
        text("""
        select a.key, a.slot_at from unnest(cast(:keys as bytea[]), cast(:since as timestamptz[])) as o(key, since)
        join mail_allowance a on a.key = o.key and a.slot_at > o.since"""),
        keys=list(since),
        since=list(since.values()),
    )
    for row in rows:
        found[bytes(row.key)].append(row.slot_at)
    return found


@dataclass(frozen=True)
class Grant:
    """A slot that a mailbox or a network was given."""

    key: bytes
    slot_at: datetime
    keep: timedelta


def add_grants(tx: Transaction, grants: Sequence[Grant]) -> None:
    """Note slots that were given."""
    tx.execute(
        text("""
        insert into mail_allowance (key, slot_at, expires_at)
        select * from unnest(cast(:keys as bytea[]), cast(:slots as timestamptz[]), cast(:ends as timestamptz[]))"""),
        keys=[grant.key for grant in grants],
        slots=[grant.slot_at for grant in grants],
        ends=[grant.slot_at + grant.keep for grant in grants],
    )


def purge_allowances(tx: Transaction, *, now: datetime) -> int:
    """Forget what no longer limits anybody."""
    # Workers of an earlier release make salts while they run; nothing reads them here.
    tx.execute(text("delete from daily_salt"))
    return tx.execute(text("delete from mail_allowance where expires_at < :now"), now=now).rowcount
