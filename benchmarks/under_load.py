"""Confirmation mail while a blast runs: 50 sign-ups a second through the real web server and the real workers."""

import threading
import time
import urllib.request
from contextlib import suppress

from benchmarks.blasting import freeze, query
from benchmarks.installation import Installation, wait_for
from benchmarks.web import stamp_of
from campaign.outbox import lanes
from campaign.runtime import Runtime
from campaign.states import Lane

SIGN_UPS = 50
"""A second."""


def latency(runtime: Runtime, made: Installation, *, least: float) -> dict[str, float]:
    """Seconds from sign-up to the recorded acceptance of the confirmation, while a blast to all signers runs.

    Args:
        runtime: the benchmark's own.
        made: an installation with signers.
        least: seconds of sign-ups at least; they go on while the blast does.

    Raises:
        RuntimeError: a server or worker ended.
    """
    frozen = freeze(runtime, made.slug, key="under-load")
    children = [
        made.start("-m", "campaign.cli", "web"),
        made.start("-m", "campaign.cli", "worker", "--lane", "urgent"),
        made.start("-m", "campaign.cli", "worker", "--lane", "bulk"),
    ]
    base = f"http://localhost:{made.settings.port}"
    wait_for(f"{base}/healthz", seconds=120)
    time.sleep(8)  # The workers start.
    stamp = stamp_of(base, made.slug)
    begin = runtime.clock()
    runtime.store.transact(lambda tx: lanes.resume(tx, Lane.BULK))
    still = f"select exists (select 1 from message where blast_id = {frozen.blast_id} and state = 'planned')"
    number, since = 0, time.monotonic()
    while time.monotonic() < since + least or query(runtime, still) == [(True,)]:
        for _ in range(SIGN_UPS):
            number += 1
            if any(child.poll() is not None for child in children):
                raise RuntimeError("a server or worker ended; its log is in the data folder")
            threading.Thread(target=_sign, args=(base, made.slug, stamp, number)).start()
            time.sleep(max(0.0, since + number / SIGN_UPS - time.monotonic()))
    waiting = "select count(*) from message where lane = 'urgent' and state in ('planned', 'claimed', 'submitting')"
    until = time.monotonic() + 90
    while query(runtime, waiting) != [(0,)] and time.monotonic() < until:
        time.sleep(0.5)
    [[p95, p99, count]] = query(
        runtime,
        f"""select percentile_cont(0.95) within group (order by s), percentile_cont(0.99) within group (order by s),
            count(*) from (
                select extract(epoch from coalesce(m.settled_at, now()) - s.requested_at) as s
                from signature s left join message m on m.signature_id = s.id and m.kind = 'confirmation'
                where s.requested_at > timestamptz '{begin.isoformat()}') t""",
    )
    for child in reversed(children):
        made.stop(child)
    return {"blast_p95": float(str(p95)), "blast_p99": float(str(p99)), "sign_ups": float(str(count)),
            "blast_recipients": float(frozen.planned)}  # fmt: skip


def _sign(base: str, slug: str, stamp: str, number: int) -> None:
    form = f"stamp={stamp}&name=Busy+{number}&email=busy{number}%40example.org&country=DE&locale=en".encode()
    request = urllib.request.Request(
        f"{base}/p/{slug}/sign", data=form,
        headers={"Origin": base, "X-Forwarded-For": f"10.{number // 250 % 250}.{number % 250}.9",
                 "X-Forwarded-Proto": "http"},
    )  # fmt: skip
    # A sign-up that the web server could not take in time has no row; it shows in the count.
    with suppress(OSError):
        urllib.request.urlopen(request, timeout=60).read()
