"""Pacing: how much may go now, over all workers: the site's rate, a domain's rate, and the cap of the day."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.delivery.token_bucket import (
    DOMAIN_SLICE,
    HELD,
    RECOVERY,
    SLICE,
    SLOWED,
    Buckets,
    SlowDomain,
    first_sign,
    held,
    open_buckets,
)
from campaign.runtime import Runtime
from campaign.security.encryption import keyed_hash
from campaign.settings import Settings
from campaign.site.current import site_of
from campaign.states import Lane


def slowed(tx: Transaction, *, now: datetime) -> dict[bytes, SlowDomain]:
    """The domains that are slowed at present, by key; a handful."""
    rows = tx.execute(text("select key, factor, since from slow_domain where since > :oldest"), oldest=now - _LONGEST)
    return {bytes(row.key): SlowDomain(row.factor, row.since) for row in rows}


_LONGEST = RECOVERY * 13
"""After this even a held domain has recovered: 1/4096 doubled twelve times."""
assert 2**12 * HELD == 1  # noqa: S101 - the two numbers belong together


def slow_down(tx: Transaction, keys: Sequence[bytes], *, now: datetime) -> None:
    """Slow domains that asked for it."""
    for key in sorted(keys):
        row = tx.execute(
            text("select factor, since from slow_domain where key = :key for update"), key=key
        ).one_or_none()
        _store(tx, key, first_sign(now) if row is None else SlowDomain(row.factor, row.since).asked_again(now))


def hold(tx: Transaction, keys: Sequence[bytes], *, now: datetime) -> None:
    """Hold domains that block our mail for our reputation."""
    for key in sorted(keys):
        _store(tx, key, held(now))


def _store(tx: Transaction, key: bytes, slower: SlowDomain) -> None:
    tx.execute(
        text("""
        insert into slow_domain (key, factor, since) values (:key, :factor, :since)
        on conflict (key) do update set factor = excluded.factor, since = excluded.since"""),
        key=key,
        factor=slower.factor,
        since=slower.since,
    )


def forget(tx: Transaction, *, now: datetime) -> int:
    """Delete domains that have recovered; returns how many."""
    return tx.execute(text("delete from slow_domain where since <= :oldest"), oldest=now - _LONGEST).rowcount


def sent_since(tx: Transaction, *, since: datetime) -> int:
    """Bulk mails that the mail server took, or may have taken, since a moment, and those on their way to it.

    Concurrent callers wait for each other's transactions.
    """
    tx.execute(text("select pg_advisory_xact_lock(hashtext('countersign.warm_up'))"))
    return int(
        tx.execute(
            text("""
            select (select count(*) from message where lane = 'bulk' and state = 'accepted' and settled_at >= :since)
                + (select count(*) from message where lane = 'bulk' and state = 'uncertain' and settled_at >= :since)
                + (select count(*) from message where lane = 'bulk' and state in ('claimed', 'submitting'))"""),
            since=since,
        ).scalar_one()
    )


LOOK_EVERY = 2.0
"""Seconds between two looks at the slowed domains."""


def domain_of(address: str) -> str:
    """The domain of an address for the wire."""
    return address.rpartition("@")[2].lower()


def domain_key(runtime: Runtime, domain: str) -> bytes:
    """The keyed hash of a domain: what Redis and the database see of it."""
    return keyed_hash(runtime.secrets.address, f"domain.{domain}")


class RelayPace:
    """The rate of each relay, over all workers; see :class:`campaign.smtp.relays.Gate`.

    Urgent mail is charged and never held.
    """

    def __init__(self, lane: Lane, buckets: Buckets) -> None:
        self._must = lane is Lane.URGENT
        self._buckets = buckets

    def enter(self, relay: str, rate: float) -> bool:
        """True if a mail may go to the relay now."""
        return self._buckets.take(f"relay:{relay}", 1, rate=rate, must=self._must) == 1

    def leave(self, relay: str, rate: float) -> None:
        """Give back one that was not needed."""
        self._buckets.take(f"relay:{relay}", -1, rate=rate, must=True)


class Pace:
    """The limits as one worker sees them; belongs to one deliverer."""

    def __init__(self, runtime: Runtime, lane: Lane, *, buckets: Buckets | None = None) -> None:
        self._runtime = runtime
        self._lane = lane
        self._buckets = buckets or open_buckets(runtime.settings)
        self._slowed: dict[bytes, SlowDomain] = {}
        self._slots: dict[str, datetime] = {}
        self._looked_at = float("-inf")

    @property
    def _settings(self) -> Settings:
        """The rates as they are set now: an admin may change them while the worker runs."""
        return site_of(self._runtime).settings

    def allow(self, wanted: int, *, until: float, stopping: Callable[[], bool] = lambda: False) -> int:
        """Wait until some of ``wanted`` mails may go; how many. 0: not before ``until`` (of the monotonic clock).

        Urgent mail never waits: it is charged, and bulk mail waits for it.
        """
        rate = self._settings.rate
        if self._lane is Lane.URGENT:
            return wanted if rate == 0 else self._buckets.take("all", wanted, rate=rate, must=True)
        self._look()
        if rate == 0:
            return wanted
        while not stopping():
            # No more than a slice at once, else one worker would hold what others could send.
            taken = self._buckets.take("all", min(wanted, max(1, int(rate * SLICE))), rate=rate)
            if taken or time.monotonic() >= until:
                return taken
            time.sleep(min(SLICE, max(1 / rate, 0.005)))
        return 0

    def refund(self, unused: int) -> None:
        """Give back what was allowed and not needed."""
        rate = self._settings.rate
        if unused > 0 and rate:
            self._buckets.take("all", -unused, rate=rate, must=True)

    @property
    def minds_domains(self) -> bool:
        """True while a domain may have a limit: always, or because one asked for less."""
        return self._lane is Lane.BULK and bool(self._settings.domain_rate or self._slowed)

    def postponed(self, addresses: Mapping[int, str]) -> dict[int, datetime]:
        """Those of a batch of bulk messages (id: address) whose domain has had its share, and when to look again."""
        if not self.minds_domains:
            return {}
        now, found = self._runtime.clock(), {}
        domains = {message_id: domain_of(address) for message_id, address in addresses.items()}
        numbers = Counter(domains.values())
        rates = {domain: self._rate_of(domain, now) for domain in numbers}
        left = {
            domain: self._buckets.take(
                f"domain:{domain_key(self._runtime, domain).hex()}", number, rate=rate, slice_=DOMAIN_SLICE
            )
            for domain, number in numbers.items()
            if (rate := rates[domain]) is not None
        }
        for message_id, domain in domains.items():
            rate = rates[domain]
            if rate is None:
                continue
            left[domain] -= 1
            if left[domain] < 0:
                found[message_id] = self._slot(domain, rate, now)
        return found

    def _slot(self, domain: str, rate: float, now: datetime) -> datetime:
        """When to look again at a message over its domain's rate: one after the other, batch after batch.

        No later than a slowed domain recovers: beyond that, a second row of them begins.
        """
        last = self._slots.get(domain, now)
        if not now <= last < now + RECOVERY:
            last = now
        self._slots[domain] = last + timedelta(seconds=1 / rate)
        return self._slots[domain]

    def left_today(self, tx: Transaction, wanted: int) -> int:
        """How many of ``wanted`` bulk mails the day's cap leaves; exact, for claims wait for each other here."""
        warm_up = self._settings.warm_up
        if warm_up is None or self._lane is Lane.URGENT:
            return wanted
        now = self._runtime.clock()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return max(0, min(wanted, warm_up.cap(now.date()) - sent_since(tx, since=midnight)))

    def _rate_of(self, domain: str, now: datetime) -> float | None:
        slowness = self._slowed.get(domain_key(self._runtime, domain))
        factor = 1.0 if slowness is None else slowness.now(now)
        rate = self._settings.domain_rate
        if rate == 0:
            return None if factor >= 1 else SLOWED * factor
        return rate * factor

    def _look(self) -> None:
        if time.monotonic() - self._looked_at < LOOK_EVERY:
            return
        now = self._runtime.clock()
        self._slowed = self._runtime.store.transact(lambda tx: slowed(tx, now=now))
        self._looked_at = time.monotonic()
