"""Through a relay that limits us: a blast and sign-ups, and which share of what the relay allows is used.

``python -m benchmarks.relays`` for these alone. What a relay allows in sessions or connections is measured with the
same relay and an operator who knows it: the limit is in SMTP_URL. What it allows a second is what its script says.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import blasting
from benchmarks.blasting import query
from benchmarks.installation import Installation, installation
from campaign.blasts import milestones
from campaign.local.servers import ports
from campaign.outbox import lanes
from campaign.runtime import Runtime, build
from campaign.signatures import requests, signing
from campaign.states import Lane
from campaign.variables import ROOT

RESULTS: Final = ROOT / "benchmarks" / "relays.json"
SIGN_UP_EVERY: Final = 5.0
RATE: Final = 14

SLOW: Final = {"phase": "accepted", "does": "slow 0.02 250 2.0.0 Ok"}
"""Each mail takes 20 ms, so that connections matter."""


@dataclass(frozen=True)
class LimitingRelay:
    """A relay: its faults, and how SMTP_URL would name the limit."""

    faults: tuple[Mapping[str, Any], ...]
    known: tuple[str, ...] = ()
    """Options of SMTP_URL for an operator who knows, a URL each; none: the rate is known from the script."""
    extra: Mapping[str, Any] = field(default_factory=dict)


RELAYS: Final = {
    "rate": LimitingRelay(
        ({"phase": "rcpt", "overall": RATE, "does": "454 4.7.0 Throttling failure: Maximum sending rate exceeded."},)
    ),
    "session": LimitingRelay(
        ({"phase": "mail", "session": 10, "does": "452 4.4.5 Too many messages per session"}, SLOW),
        known=("?messages=10",),
    ),
    "connections": LimitingRelay(
        ({"phase": "banner", "connections": 3, "does": "421 4.7.0 Too many connections from your host"}, SLOW),
        known=("?lane=urgent&connections=1", "?lane=bulk&connections=2"),
    ),
}


@contextmanager
def relay(script: Mapping[str, Any], folder: Path) -> Iterator[int]:
    """The scripted server in a process of its own."""
    port = ports.find_free("127.0.0.1")
    file = folder / "script.json"
    file.write_text(json.dumps(script))
    command = ["-m", "campaign.local.mailserver.faults", str(file), "--port", str(port), "--accepted", "/dev/null"]
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT)
    try:
        time.sleep(1)
        yield port
    finally:
        process.terminate()
        process.wait()


def _send(runtime: Runtime, made: Installation, *, key: str) -> dict[str, float]:
    """Send a blast with real workers while people sign; seconds, mails and the waiting times of confirmations."""
    frozen = blasting.freeze(runtime, made.slug, key=key)
    children = [made.start("-m", "campaign.cli", "worker", "--lane", lane) for lane in ("urgent", "bulk")]
    time.sleep(8)  # The workers start.
    begin, begun = runtime.clock(), time.monotonic()
    runtime.store.transact(lambda tx: lanes.resume(tx, Lane.BULK))
    still = (
        f"select count(*) from message where blast_id = {frozen.blast_id}"
        " and state in ('planned', 'claimed', 'submitting')"
    )
    number = 0
    while query(runtime, still) != [(0,)] and time.monotonic() < begun + 900:
        if time.monotonic() >= begun + number * SIGN_UP_EVERY:
            number += 1
            form = signing.SignForm(name=f"Busy {number}", email=f"busy{number}@{key}{number}.test", country="DE")
            requests.request_signature(runtime, made.slug, form, network=None)
        time.sleep(0.1)
    waiting = "select count(*) from message where lane = 'urgent' and state in ('planned', 'claimed', 'submitting')"
    until = time.monotonic() + 60
    while query(runtime, waiting) != [(0,)] and time.monotonic() < until:
        time.sleep(0.2)
    since = f"timestamptz '{begin.isoformat()}'"
    [[seconds, accepted, deferred]] = query(
        runtime,
        f"""select extract(epoch from max(settled_at) filter (where blast_id = {frozen.blast_id}) - {since}),
            count(*) filter (where state = 'accepted' and settled_at > {since}),
            (select count(*) from attempt where at > {since}) from message""",
    )
    [[p95]] = query(
        runtime,
        f"""select percentile_cont(0.95) within group (
                order by extract(epoch from coalesce(settled_at, now()) - planned_at))
            from message where kind = 'confirmation' and planned_at > {since}""",
    )
    for child in reversed(children):
        made.stop(child)
    return {
        "seconds": float(str(seconds)), "mails": float(str(accepted)), "deferred": float(str(deferred)),
        "confirmations_p95": float(str(p95)), "sign_ups": float(number), "planned": float(frozen.planned),
    }  # fmt: skip


def measure(recipients: int, *, names: tuple[str, ...] = tuple(RELAYS)) -> dict[str, Any]:
    """Each relay in turn."""
    found = {}
    for name in names:
        case = RELAYS[name]
        with installation(smtp_port=1) as made, relay({"faults": case.faults}, made.settings.data) as port:
            runtime = build(made.settings)
            try:
                blasting.add_signers(runtime, made.slug, recipients)
                forget_milestones(runtime)
                url = f"smtp://127.0.0.1:{port}"
                known = None
                if case.known:
                    made.settings = made.settings.replace(smtp_url=" ".join(f"{url}{one}" for one in case.known))
                    known = _send(runtime, made, key=f"known-{name}")
                    query(runtime, "delete from relay_limit")
                made.settings = made.settings.replace(smtp_url=url)
                learned = _send(runtime, made, key=f"learned-{name}")
            finally:
                runtime.close()
        share = known["seconds"] / learned["seconds"] if known else learned["mails"] / learned["seconds"] / RATE
        found[name] = {"share": share, "learned": learned, "known": known}
        print(
            f"  {name}: {share:.2f} of what it allows; confirmations p95 {learned['confirmations_p95']:.1f} s;"
            f" {learned['seconds']:.0f} s for {learned['mails']:.0f} mails, {learned['deferred']:.0f} deferred",
            flush=True,
        )  # fmt: skip
    return found


def forget_milestones(runtime: Runtime) -> None:
    """Let the invented signers reach no milestone, which would be mailed to all of them beside the blast."""
    milestones.count_signatures(runtime)
    query(runtime, "update blast set cancelled_at = now() where kind = 'milestone'")
    query(runtime, "update message set state = 'cancelled', settled_at = now() where state = 'planned'")


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relays", description="Relays that limit us.")
    parser.add_argument("names", nargs="*", choices=[*RELAYS, []], help="of rate, session, connections; all, if none")
    parser.add_argument("--recipients", type=int, default=2000, help="of the blast")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    result = measure(options.recipients, names=tuple(options.names) or tuple(RELAYS))
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
