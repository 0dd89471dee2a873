"""The fault injector: kills workers and servers, and restarts those that nothing else restarts."""

import contextlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import psutil
from redis import Redis
from redis.exceptions import RedisError

from campaign.errors import EngineError
from campaign.local.drill.plan import ON_WORKERS, RESTARTS, FaultKind, PlannedFault
from campaign.local.drill.receiver import Receiver
from campaign.local.drill.site import READY, Installation, WorkerSlot
from campaign.local.servers import postgres, redis
from campaign.local.servers.children import ChildProcess
from campaign.operations.broker import client_url

LONGEST_REST = 1.5
"""Seconds until a killed worker or server is started again, at most; as a supervisor would."""

_ON_REDIS = frozenset({FaultKind.REDIS_KILL, FaultKind.REDIS_RESTART, FaultKind.REDIS_FLUSH})


@dataclass(frozen=True)
class InjectedFault:
    """A fault that was carried out. ``at`` is of the monotonic clock."""

    kind: FaultKind
    at: float
    connections: int
    lanes: frozenset[str]
    """Lanes that it concerns."""
    victims: frozenset[int] = field(default=frozenset())
    """Process ids of those killed, or orphaned, that may have held messages."""


class FaultInjector:
    """Carries out faults. What they ended is started again beside the next ones, so that troubles overlap."""

    def __init__(self, site: Installation, receiver: Receiver) -> None:
        self._site = site
        self._receiver = receiver
        self._actions: dict[FaultKind, Callable[[], object]] = {
            FaultKind.REDIS_KILL: lambda: redis.kill(site.settings),
            FaultKind.REDIS_RESTART: lambda: redis.stop(site.settings),
            FaultKind.REDIS_FLUSH: self._flush,
            FaultKind.POSTGRES_KILL: lambda: postgres.kill(site.settings),
            FaultKind.POSTGRES_RESTART: lambda: postgres.stop(site.settings),
        }
        self._starters = ThreadPoolExecutor(max_workers=4, thread_name_prefix="starter")
        self._pending: dict[str, Future[None]] = {}
        self.restarts = 0

    def inject(self, fault: PlannedFault) -> InjectedFault:
        """Carry out one fault; what it ended is started again a moment later."""
        self.revive()
        if fault.kind in ON_WORKERS:
            return self._inject_into_worker(fault)
        server = "redis" if fault.kind in _ON_REDIS else "postgres"
        self._await(server)
        at = time.monotonic()
        self._actions[fault.kind]()
        if fault.kind in RESTARTS:
            self.restarts += 1
            start = redis.start if server == "redis" else postgres.start
            self._start_later(server, fault.rest, lambda: start(self._site.settings))
        return InjectedFault(fault.kind, at, 0, frozenset({"urgent", "bulk"}))

    def revive(self) -> None:
        """Start workers again that gave up by themselves, as a supervisor does.

        Celery's master ends when all its processes die before it is ready.
        """
        for slot, worker in self._site.workers.items():
            pending = self._pending.get(slot.name)
            if worker.pid is None and (pending is None or pending.done()):
                self._await(slot.name)
                self._start_later(slot.name, 0.5, lambda worker=worker: self._site.start(worker))  # type: ignore[misc]

    def finish(self) -> None:
        """Wait until all that was ended runs again; :meth:`revive` continues with what may still give up.

        Raises:
            EngineError: a server does not start again.
        """
        for name in list(self._pending):
            self._await(name)

    def close(self) -> None:
        """Stop restarting."""
        self._starters.shutdown()

    def _start_later(self, name: str, rest: float, start: Callable[[], object]) -> None:
        def wait_and_start() -> None:
            time.sleep(rest * LONGEST_REST)
            start()

        self._pending[name] = self._starters.submit(wait_and_start)

    def _await(self, name: str) -> None:
        if (pending := self._pending.pop(name, None)) is not None:
            pending.result()

    def _flush(self) -> None:
        with contextlib.suppress(RedisError), Redis.from_url(client_url(self._site.settings.redis_url)) as client:
            client.flushall()

    # --- Workers ---

    def _inject_into_worker(self, fault: PlannedFault) -> InjectedFault:
        slot, worker = self._victim(fault)
        children = worker.workers()
        master = psutil.Process(worker.pid) if worker.pid is not None else None
        doomed = children
        kind = fault.kind
        if kind is FaultKind.WORKER_PROCESS and children:
            doomed = [children[int(fault.rest * len(children))]]
            killed = doomed
        elif kind is FaultKind.WORKER_MASTER or not children:
            killed = [] if master is None else [master]
        else:
            killed = children if master is None else [master, *children]
        # They stand still while their connections are counted: between the count and the kill none is opened.
        _all(killed + doomed, lambda process: process.suspend())
        connections = self._receiver.open_from(_ports(doomed))
        at = time.monotonic()
        _all(killed, lambda process: process.kill())
        _all(doomed, lambda process: process.resume())
        if master in killed:
            worker.reap()
            self._start_later(slot.name, fault.rest, lambda: self._site.start(worker))
        return InjectedFault(
            kind, at, connections, frozenset({slot.lane}), frozenset(process.pid for process in doomed)
        )

    def _victim(self, fault: PlannedFault) -> tuple[WorkerSlot, ChildProcess]:
        """The drawn worker, or the next one that has processes to lose; waits while none has."""
        slots = list(self._site.workers.items())
        first = int(fault.victim * len(slots))
        turned = slots[first:] + slots[:first]
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline:
            self.revive()
            for slot, worker in turned:
                if worker.workers():
                    self._await(slot.name)
                    return slot, worker
            time.sleep(0.1)
        raise EngineError("no worker begins; see the logs")


def _all(processes: Iterable[psutil.Process], act: Callable[[psutil.Process], object]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            act(process)


def _ports(processes: Iterable[psutil.Process]) -> set[int]:
    """The local TCP ports of some processes' connections."""
    found: set[int] = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {item.laddr.port for item in process.net_connections(kind="tcp") if item.raddr}
    return found
