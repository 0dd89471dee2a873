"""A blast to many through the real ledger: signers are invented, the audience is frozen, two processes send it."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil

from benchmarks.installation import Installation
from campaign.blasts import queries as blast_queries
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastKind
from campaign.database.connection import Transaction
from campaign.local.seed import seed as seeding
from campaign.outbox import lanes
from campaign.petitions.markdown import to_html
from campaign.petitions.petitions import by_slug
from campaign.runtime import Runtime
from campaign.settings import child_environment
from campaign.states import Lane
from campaign.variables import ROOT

PROCESSES = 2
BODY = "Dear {{name}},\n\n" + "We were heard: the river will be protected, and this is thanks to all of you.\n\n" * 2


@dataclass(frozen=True)
class Frozen:
    """A blast whose messages are planned, and how long planning them took."""

    blast_id: int
    planned: int
    seconds: float


@dataclass(frozen=True)
class Sent:
    """How a blast went: mails per second, processor time per mail in microseconds, memory of the largest process.

    ``size`` is the mean of a mail in bytes, ``shares`` the part of the mails that each process sent.
    """

    rate: float
    worker_us: float
    database_us: float
    peak_mb: float
    size: int
    shares: tuple[float, ...]


def add_signers(runtime: Runtime, slug: str, number: int) -> None:
    """Invent confirmed signers who want updates."""
    wanted = seeding.SeedPlan(number, confirmed=True, updates=1.0, span=timedelta(hours=1))
    seeding.sow(runtime, slug, wanted)
    query(runtime, "analyze signature")


def query(runtime: Runtime, statement: str) -> list[tuple[object, ...]]:
    """Rows of a statement, for a look behind the scenes."""

    def work(tx: Transaction) -> list[tuple[object, ...]]:
        result = tx.connection.exec_driver_sql(statement)
        return [tuple(row) for row in result] if result.returns_rows else []

    return runtime.store.transact(work)


def freeze(runtime: Runtime, slug: str, *, key: str) -> Frozen:
    """Start an update to all who want it, and plan its messages while the lane is held."""
    now = runtime.clock()
    petition = by_slug(runtime, slug, fresh=True).petition

    def work(tx: Transaction) -> int:
        lanes.pause(tx, Lane.BULK, by="system", reason="the benchmark prepares", now=now)
        blast_id = blast_queries.add(tx, petition_id=petition.id, kind=BlastKind.UPDATE, request_key=key)
        texts = {locale: ("News about the river", BODY, to_html(BODY)) for locale in ("en", "de")}
        blast_queries.save_texts(tx, blast_id, texts)
        blast_queries.start(tx, blast_id, count=1000, now=now)
        return blast_id

    blast_id = runtime.store.transact(work)
    begin = time.perf_counter()
    blast_running.freeze(runtime, seconds=600)
    seconds = time.perf_counter() - begin
    [[planned]] = query(runtime, f"select count(*) from message where blast_id = {blast_id}")
    return Frozen(blast_id, int(str(planned)), seconds)


def send(runtime: Runtime, made: Installation, frozen: Frozen, *, how: str, processes: int = PROCESSES) -> Sent:
    """Send a frozen blast by processes of its own, from the opening of the lane to the last recorded outcome.

    Args:
        runtime: the benchmark's own.
        made: the installation.
        frozen: from :func:`freeze`.
        how: unsigned, rsa or ed25519.
        processes: how many send.

    Raises:
        RuntimeError: a sender failed.
    """
    senders = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sender", how, str(frozen.blast_id)], cwd=ROOT, text=True,
            env=child_environment(made.settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(processes)
    ]  # fmt: skip
    for sender in senders:
        assert sender.stdout is not None
        sender.stdout.readline()  # It is ready.
    before = database_seconds(runtime)
    begin = runtime.clock()
    runtime.store.transact(lambda tx: lanes.resume(tx, Lane.BULK))
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write("go\n")
        sender.stdin.flush()
    reports = [json.loads(sender.communicate()[0].splitlines()[-1]) for sender in senders]
    seconds = float(str(query(
        runtime,
        f"select extract(epoch from max(settled_at) - timestamptz '{begin.isoformat()}') from message"
        f" where blast_id = {frozen.blast_id} and state = 'accepted'",
    )[0][0]))  # fmt: skip
    [[accepted]] = query(
        runtime, f"select count(*) from message where blast_id = {frozen.blast_id} and state = 'accepted'"
    )
    if accepted != frozen.planned:
        raise RuntimeError(f"{accepted} of {frozen.planned} were accepted")
    return Sent(
        rate=frozen.planned / seconds,
        worker_us=sum(report["cpu_s"] for report in reports) / frozen.planned * 1e6,
        database_us=(database_seconds(runtime) - before) / frozen.planned * 1e6,
        peak_mb=max(report["peak_mb"] for report in reports),
        size=round(sum(report["bytes"] for report in reports) / frozen.planned),
        shares=tuple(round(report["mails"] / frozen.planned, 2) for report in reports),
    )


def database_seconds(runtime: Runtime) -> float:
    """Processor time that the database server of this installation has used so far, its ended processes included."""
    folder = str(query(runtime, "show data_directory")[0][0])
    server = psutil.Process(int((Path(folder) / "postmaster.pid").read_text().split()[0]))
    own = server.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in server.children():
        used = child.cpu_times()
        total += used.user + used.system
    return float(total)
