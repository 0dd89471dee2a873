"""A blast to many through the real ledger and the real workers: signers are invented, the audience is frozen, it is sent."""

import time
from dataclasses import dataclass
from datetime import timedelta

from benchmarks.installation import Installation
from campaign import blast_running, seeding
from campaign.domain.blast import BlastKind
from campaign.domain.states import Lane
from campaign.markdown import to_html
from campaign.petitions import by_slug
from campaign.runtime import Runtime
from campaign.store import blasts, lanes
from campaign.store.database import Transaction

BODY = "Dear {{name}},\n\n" + "We were heard: the river will be protected, and this is thanks to all of you.\n\n" * 8


@dataclass(frozen=True)
class Frozen:
    """A blast whose messages are planned, and how long planning them took."""

    blast_id: int
    planned: int
    seconds: float


def add_signers(runtime: Runtime, slug: str, number: int) -> None:
    """Invent confirmed signers who want updates."""
    wanted = seeding.Sowing(number, confirmed=True, updates=1.0, span=timedelta(hours=1))
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
        blast_id = blasts.add(tx, petition_id=petition.id, kind=BlastKind.UPDATE, request_key=key)
        texts = {locale: ("News about the river", BODY, to_html(BODY)) for locale in ("en", "de")}
        blasts.save_texts(tx, blast_id, texts)
        blasts.start(tx, blast_id, count=1000, now=now)
        return blast_id

    blast_id = runtime.store.transact(work)
    begin = time.perf_counter()
    blast_running.freeze(runtime, seconds=600)
    seconds = time.perf_counter() - begin
    [[planned]] = query(runtime, f"select count(*) from message where blast_id = {blast_id}")
    return Frozen(blast_id, int(str(planned)), seconds)


def send(runtime: Runtime, frozen: Frozen, *, patience: float = 3600) -> float:
    """Let the lane flow and wait until nothing is open; the seconds from the first claim to the last outcome."""
    begin = runtime.clock()
    runtime.store.transact(lambda tx: lanes.resume(tx, Lane.BULK))
    until = time.monotonic() + patience
    still_open = f"select exists (select 1 from message where blast_id = {frozen.blast_id} and state in ('planned', 'claimed', 'submitting'))"
    while query(runtime, still_open) == [(True,)]:
        if time.monotonic() > until:
            raise TimeoutError("the blast does not end")
        time.sleep(0.1)
    [[seconds]] = query(
        runtime,
        f"select extract(epoch from max(settled_at) - timestamptz '{begin.isoformat()}') from message where blast_id = {frozen.blast_id}",
    )
    return float(str(seconds))


def start_workers(made: Installation) -> None:
    """The real workers of the bulk lane."""
    made.start("-m", "campaign.cli", "worker", "--lane", "bulk")
