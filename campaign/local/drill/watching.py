"""The watcher: looks at the installation twice a second during a drill, and ends back-offs."""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from campaign.database.connection import Transaction
from campaign.errors import StoreUnavailableError
from campaign.local.drill import queries
from campaign.local.drill.evidence import Equation, Recovery
from campaign.local.drill.killer import InjectedFault
from campaign.local.drill.leaks import LeakScanner
from campaign.runtime import Runtime

LOOK: Final = 0.5
"""Seconds between two looks."""

HURRY: Final = 4
"""Every so many looks, what was deferred may try again."""

LANES: Final = ("urgent", "bulk")


@dataclass(frozen=True)
class Observation:
    """What was seen at a moment of the monotonic clock."""

    at: float
    holders: frozenset[int]
    """Process ids that hold messages."""
    waiting: frozenset[str]
    """Lanes in which something is due and unclaimed."""


class Watcher:
    """A thread that looks; it continues while the database is away."""

    def __init__(self, runtime: Runtime, seeker: LeakScanner) -> None:
        self._runtime = runtime
        self._seeker = seeker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self.looks: list[Observation] = []
        self.equations: list[Equation] = []
        self.broke_off = False
        """True if it ended before it was stopped, through an unexpected error."""

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, after the present look."""
        self.broke_off = self._thread.ident is not None and not self._thread.is_alive()
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=60)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(LOOK):
            number += 1
            try:
                self._look(hurry=number % HURRY == 0)
            except StoreUnavailableError:
                continue
            finally:
                self._seeker.search_redis(self._runtime.settings.redis_url)

    def _look(self, *, hurry: bool) -> None:
        def work(tx: Transaction) -> tuple[Observation, list[tuple[int, bool, int, dict[str, int]]]]:
            if hurry:
                queries.hurry(tx, lanes=LANES)
            waiting = frozenset(lane for lane, waits in queries.waiting(tx).items() if waits)
            return Observation(time.monotonic(), frozenset(queries.holders(tx)), waiting), queries.equations(tx)

        look, equations = self._runtime.store.transact(work)
        self.looks.append(look)
        self.equations += [Equation(*equation) for equation in equations]


def recovery(injected: InjectedFault, looks: Sequence[Observation], offers: Iterable[tuple[float, str]]) -> Recovery:
    """How long it took after a fault until mail flowed, or none was waiting, and nothing hung on the dead.

    Args:
        injected: the fault.
        looks: what the watcher saw, in order.
        offers: moment and lane of each mail that the server was offered, in order.
    """
    later = [look for look in looks if look.at > injected.at]
    released = next((look.at for look in later if not look.holders & injected.victims), None)
    moments = [released]
    for lane in injected.lanes:
        idle = next((look.at for look in later if lane not in look.waiting), None)
        offered = next((at for at, which in offers if at > injected.at and which == lane), None)
        moments.append(min((moment for moment in (idle, offered) if moment is not None), default=None))
    known = [moment for moment in moments if moment is not None]
    seconds = max(known) - injected.at if len(known) == len(moments) else None
    return Recovery(str(injected.kind), injected.at, injected.connections, seconds, urgent="urgent" in injected.lanes)
