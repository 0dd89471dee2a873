"""Hosts that send: `countersign worker` in processes of its own, with data folder, name and mail server of its own.

What they share they know by URL. Where the machine allows it (root on Linux), each has its own host name, and its own
network with one link to the centre that a test may cut.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil

from campaign.blasts import progress as blast_progress
from campaign.blasts import queries as blast_queries
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastKind
from campaign.database import connection
from campaign.local.seed import seed as seeding
from campaign.local.servers.children import Child, ChildProcess
from campaign.outbox import lanes
from campaign.runtime import Runtime
from campaign.states import Lane
from campaign.variables import ROOT
from tests.kit.centre import LOOPBACK, Centre
from tests.kit.stamps import StampingServer
from tests.kit.waiting import until
from tests.kit.worlds import KEYS, World

STARTS_WITHIN = 120.0
"""Seconds a worker may take to begin on a machine that runs all the other tests at the same time."""


def can_have_names() -> bool:
    """True if a process here may have a host name of its own."""
    return _works("unshare", "--uts", "true")


def _works(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, check=False, capture_output=True, timeout=20).returncode == 0


@dataclass
class Host:
    """One host: its folder, how it reaches the centre, and the workers it runs."""

    name: str
    folder: Path
    centre: Centre
    server: StampingServer
    address: str = LOOPBACK
    """Where the host finds the centre and its mail server."""
    inside: tuple[str, ...] = ()
    """What runs a command in the host's own network."""
    workers: list[ChildProcess] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def sent(self) -> int:
        """How much its mail server took."""
        return len(self.server.rules.taken_at)

    def start(self, lane: str = "bulk", **environ: str) -> None:
        """Run `countersign worker` as another machine would: with URLs, and nothing else from us."""
        self.folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "campaign.cli", "worker", "--lane", lane]
        if can_have_names():
            command = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name, *command]
        worker = ChildProcess(
            Child(f"worker-{lane}", (*self.inside, *command)),
            environment=self._environment() | environ,
            log=self.folder / f"{lane}.log",
            cwd=ROOT,
        )
        worker.start()
        self.workers.append(worker)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "COUNTERSIGN_DATA": str(self.data),
            "COUNTERSIGN_KEYS": KEYS,
            "COUNTERSIGN_BULK_PROCESSES": "1",
            "DATABASE_URL": self.centre.database_url(self.address),
            "REDIS_URL": self.centre.redis_url(self.address),
            "SMTP_URL": f"smtp://{self.address}:{self.server.port}?cleartext=yes",
        }

    def kill(self) -> None:
        """The power fails: every process ends at once."""
        for worker in self.workers:
            worker.kill()
        self.workers.clear()

    def lose_disk(self) -> None:
        """And the disk with it, journals included."""
        shutil.rmtree(self.data)

    def log(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


@contextmanager
def hosts_of(centre: Centre, folder: Path, *names: str) -> Iterator[list[Host]]:
    """Hosts that reach the centre over the loopback address; whatever they run ends here."""
    with ExitStack() as stack:
        made = []
        for name in names:
            server = stack.enter_context(StampingServer())
            made.append(Host(name, folder / name, centre, server))
            stack.callback(made[-1].kill)
        yield made


def why_no_networks() -> str | None:
    """Why hosts can't have networks of their own here; None if they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need root on Linux"
    name = f"cs-try-{os.getpid()}"
    if not _works("ip", "netns", "add", name):
        return "this machine does not allow `ip netns add`"
    cable = f"try{os.getpid()}"
    works = _works("ip", "link", "add", cable, "type", "veth", "peer", "name", cable, "netns", name)
    if works:
        _works("ip", "link", "delete", cable)
    _works("ip", "netns", "delete", name)
    return None if works else "this machine does not allow virtual links (veth)"


SPACE = re.compile(r"cs-(?P<pid>\d+)-(?P<number>\d+)")
"""The name of a network: whose it is, and which one."""


def clear_away() -> None:
    """Remove the networks of tests that were killed: two cables with one address lead the second host nowhere."""
    for space in spaces():
        match = SPACE.fullmatch(space)
        if match and not psutil.pid_exists(int(match["pid"])):
            Link(int(match["number"]), int(match["pid"])).remove()


def spaces() -> set[str]:
    """The names of the networks of this machine."""
    listed = subprocess.run(("ip", "netns", "list"), check=True, capture_output=True, text=True, timeout=20)
    return {line.split()[0] for line in listed.stdout.splitlines() if line.strip()}


def _taken() -> set[str]:
    """The addresses that this machine has."""
    return {entry.address for entries in psutil.net_if_addrs().values() for entry in entries}


@dataclass(frozen=True)
class Link:
    """A network of its own and the one cable that leads to the centre. RFC 2544 set these addresses aside for tests."""

    number: int
    pid: int = field(default_factory=os.getpid)

    @property
    def space(self) -> str:
        return f"cs-{self.pid}-{self.number}"

    @property
    def centre_end(self) -> str:
        return f"at{self.pid}n{self.number}"

    @property
    def address(self) -> str:
        """The centre's address on this cable."""
        return f"198.18.{self.number}.1"

    def cut(self) -> None:
        _run("ip", "link", "set", self.centre_end, "down")

    def mend(self) -> None:
        _run("ip", "link", "set", self.centre_end, "up")

    def make(self) -> None:
        host_end = self.centre_end.replace("at", "of")
        _run("ip", "netns", "add", self.space)
        _run("ip", "link", "add", self.centre_end, "type", "veth", "peer", "name", host_end, "netns", self.space)
        _run("ip", "address", "add", f"{self.address}/30", "dev", self.centre_end)
        self.mend()
        for words in (
            ("address", "add", f"198.18.{self.number}.2/30", "dev", host_end),
            ("link", "set", host_end, "up"),
            ("link", "set", "lo", "up"),
        ):
            _run("ip", "-n", self.space, *words)

    def remove(self) -> None:
        _works("ip", "link", "delete", self.centre_end)
        _works("ip", "netns", "delete", self.space)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=20)


@contextmanager
def links(number: int) -> Iterator[list[Link]]:
    """So many networks, each with a link to here."""
    clear_away()
    taken = _taken()
    free = (link for link in map(Link, itertools.count(1)) if link.address not in taken)
    with ExitStack() as stack:
        made = list(itertools.islice(free, number))
        for link in made:
            stack.callback(link.remove)
            link.make()
        yield made


@contextmanager
def hosts_behind(centre: Centre, folder: Path, cables: list[Link]) -> Iterator[list[Host]]:
    """One host in each network; whatever they run ends here."""
    with ExitStack() as stack:
        made = []
        for name, link in zip(("anna", "bert", "cleo"), cables, strict=False):
            server = stack.enter_context(StampingServer(host=link.address))
            host = Host(
                name, folder / name, centre, server, address=link.address,
                inside=("ip", "netns", "exec", link.space),
            )  # fmt: skip
            made.append(host)
            stack.callback(host.kill)
        yield made


def plan_blast(world: World, number: int) -> int:
    """An update to so many invented signers, its messages planned while the lane is held; returns its id."""
    runtime = world.runtime
    slug = world.petition()
    # The counter is at work too: its announcement of a milestone would be a second blast.
    world.sql("update petition set milestone_policy = 'record'")
    seeding.sow(runtime, slug, seeding.SeedPlan(number, confirmed=True, updates=1.0, span=timedelta(hours=1)))
    now = runtime.clock()

    def work(tx: connection.Transaction) -> int:
        lanes.pause(tx, Lane.BULK, by="system", reason="the test prepares", now=now)
        petition_id = world.opened(slug).petition.id
        blast_id = blast_queries.add(tx, petition_id=petition_id, kind=BlastKind.UPDATE, request_key="one")
        blast_queries.save_texts(
            tx, blast_id, {"en": ("News", "Dear {{name}}, good news.", "<p>Dear {{name}}, good news.</p>")}
        )
        blast_queries.start(tx, blast_id, count=number, now=now)
        return blast_id

    blast_id = runtime.store.transact(work)
    blast_running.freeze(runtime)
    return blast_id


def await_workers(runtime: Runtime, hosts: list[Host]) -> None:
    """Wait until each host has a worker that is at work."""
    wanted = {host.name for host in hosts}

    def are_there() -> bool:
        since = runtime.clock() - timedelta(seconds=30)
        alive = runtime.store.transact(lambda tx: _names(tx, since))
        return alive >= wanted if can_have_names() else len(alive) >= len(wanted)

    until(are_there, seconds=STARTS_WITHIN)


def _names(tx: connection.Transaction, since) -> set[str]:
    """Names of the hosts that have workers; with the process where all have the machine's own name."""
    rows = tx.connection.exec_driver_sql(
        "select host, pid from worker where stopped_at is null and seen_at > %s", (since,)
    )
    return {row.host if can_have_names() else f"{row.host}/{row.pid}" for row in rows}


def open_lane(runtime: Runtime) -> None:
    runtime.store.transact(lambda tx: lanes.resume(tx, Lane.BULK))


def states(runtime: Runtime, blast_id: int) -> dict[str, int]:
    return runtime.store.transact(lambda tx: dict(blast_progress.states(tx, [blast_id]).get(blast_id, {})))


def is_done(runtime: Runtime, blast_id: int) -> bool:
    return not states(runtime, blast_id).keys() & {"planned", "claimed", "submitting"}


def arrived(hosts: list[Host]) -> Counter[tuple[str, str]]:
    """How often each message was taken, over the mail servers of all hosts."""
    return sum((host.server.rules.accepted for host in hosts), Counter())
