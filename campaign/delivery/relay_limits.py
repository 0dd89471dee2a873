"""Share what relays limit among all processes: in the database, and the rate through the buckets."""

import logging
import secrets
from collections.abc import Callable
from typing import Final

from campaign.database.connection import Transaction
from campaign.delivery.token_bucket import Buckets
from campaign.errors import StoreUnavailableError
from campaign.outbox import relay_limits
from campaign.runtime import Runtime
from campaign.smtp.limits import Learned
from campaign.states import Lane, LimitKind

log = logging.getLogger(__name__)

URGENT_SHARE: Final = 3
"""Of so many connections one process takes one for urgent mail."""


class SharedLimits:
    """See :class:`campaign.smtp.limits.LimitStore`. While the database is away what was known last holds.

    One connection is kept for urgent mail; of the rate urgent mail takes what it needs, and bulk mail the rest.
    """

    def __init__(self, runtime: Runtime, lane: Lane, buckets: Buckets) -> None:
        self._runtime = runtime
        self._lane = lane
        self._buckets = buckets
        self._holder = secrets.randbelow(2**62)
        self._known: dict[str, dict[LimitKind, Learned]] = {}

    def load(self, relay: str) -> dict[LimitKind, Learned]:
        """See :class:`~campaign.smtp.limits.LimitStore`."""
        try:
            self._known[relay] = self._runtime.store.transact(lambda tx: _read(tx, relay))
        except StoreUnavailableError:
            log.warning("the database is away; what the relay limits is as it was known last")
        return self._known.get(relay, {})

    def teach(self, relay: str, kind: LimitKind, change: Callable[[Learned | None], Learned]) -> Learned:
        """See :class:`~campaign.smtp.limits.LimitStore`."""
        now = self._runtime.clock()

        def work(tx: Transaction) -> Learned:
            relay_limits.lock(tx, relay)
            known = _read(tx, relay).get(kind)
            found = change(known)
            relay_limits.keep(tx, relay, kind, value=found.value, pause=found.pause, words=found.words, age=found.age)
            if known is None and kind is LimitKind.RATE:
                relay_limits.hurry_deferred(tx, found.words.partition(" ")[2], now=now)
            if known is None:
                log.warning("relay %s limits its %s: %.3g. It said: %s", relay, kind, found.value, found.words)
            return found

        try:
            learned = self._runtime.store.transact(work)
        except StoreUnavailableError:
            learned = change(self._known.get(relay, {}).get(kind))
        self._known.setdefault(relay, {})[kind] = learned
        return learned

    def slots(self, relay: str, wanted: int) -> int:
        """See :class:`~campaign.smtp.limits.LimitStore`."""

        def work(tx: Transaction) -> int:
            known = _read(tx, relay).get(LimitKind.CONNECTIONS)
            most = None if known is None else known.now(LimitKind.CONNECTIONS)
            granted = wanted
            if most is not None:
                relay_limits.lock(tx, relay)
                granted = self._granted(wanted, int(most), relay_limits.others(tx, relay, self._holder))
            waits = self._lane is Lane.URGENT and granted < min(wanted, 1)
            relay_limits.tell(tx, relay, self._holder, lane=self._lane, number=granted, waits=waits)
            return granted

        try:
            return self._runtime.store.transact(work)
        except StoreUnavailableError:
            return wanted

    def others(self, relay: str) -> int:
        """See :class:`~campaign.smtp.limits.LimitStore`."""
        try:
            found = self._runtime.store.transact(lambda tx: relay_limits.others(tx, relay, self._holder))
        except StoreUnavailableError:
            return 0
        if self._lane is Lane.BULK and LimitKind.CONNECTIONS in self._known.get(relay, {}):
            # The one that is kept for urgent mail may be open though nothing was heard of it for a while.
            return found.bulk + max(1, found.urgent)
        return found.total

    def enter(self, relay: str, rate: float) -> bool:
        """See :class:`~campaign.smtp.limits.LimitStore`. What urgent mail takes, bulk mail waits for."""
        if self._lane is Lane.BULK:
            return self._buckets.take(f"learned:{relay}", 1, rate=rate) == 1
        if self._buckets.take(f"learned:{relay}:urgent", 1, rate=rate) != 1:
            return False
        self._buckets.take(f"learned:{relay}", 1, rate=rate, must=True)
        return True

    def _granted(self, wanted: int, most: int, others: relay_limits.OpenConnections) -> int:
        if self._lane is Lane.URGENT:
            return max(0, min(wanted, max(1, most // URGENT_SHARE), most - others.total))
        if most < 2:
            # There is one for both: urgent mail goes first.
            return 0 if others.urgent_waits or others.total else min(wanted, 1)
        room = most - 1 - others.bulk - max(0, others.urgent - 1)
        fair = (most - 1) // (others.bulk_processes + 1)
        return max(0, min(wanted, max(room, fair)))


def _read(tx: Transaction, relay: str) -> dict[LimitKind, Learned]:
    return {
        stored.kind: Learned(stored.value, stored.words, stored.age, stored.pause)
        for stored in relay_limits.limits(tx, [relay])
    }
