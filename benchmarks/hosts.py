"""More workers, more mails, up to the sink's limit: ``python -m benchmarks.hosts`` sends with 1, 2, 3 and 4 processes.

Twice: to the fast sink, where the processors of this machine are the limit (they are shared by workers, database and
sink), and to a far one, where a worker waits for answers most of the time, as with a real relay, until the relay's own
limit is reached. Workers are those of several hosts: they share the database and Redis, and know nothing of each other.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import blasting
from benchmarks.__main__ import machine
from benchmarks.installation import installation
from campaign.runtime import build
from campaign.variables import ROOT

RESULTS = ROOT / "benchmarks" / "hosts.json"
LATENCY, MOST = 0.02, 600
"""Of the far sink: seconds until an answer comes, and messages a second."""

SINKS = {
    "fast": ("campaign.local.mailserver.sink",),
    "far": ("benchmarks.far_sink", str(LATENCY), str(MOST)),
}


def measure(sink: Sequence[str], *, processes: Sequence[int], signers: int, rounds: int) -> dict[int, list[float]]:
    """Mails a second by number of processes, round by round."""
    server = subprocess.Popen([sys.executable, "-m", *sink], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    rates: dict[int, list[float]] = {number: [] for number in processes}
    try:
        with installation(smtp_port=int(server.stdout.readline())) as made:
            runtime = build(made.settings)
            blasting.add_signers(runtime, made.slug, signers)
            for turn in range(rounds):
                for number in processes:
                    frozen = blasting.freeze(runtime, made.slug, key=f"{number}-{turn}")
                    rates[number].append(blasting.send(runtime, made, frozen, how="unsigned", processes=number).rate)
                    print(f"  {number} processes: {rates[number][-1]:.0f}/s", flush=True)
            runtime.close()
    finally:
        server.terminate()
        server.communicate()
    return rates


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts", description="Rate by number of workers.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=4, help="processes at most")
    parser.add_argument("--fast", type=int, default=20_000, help="recipients of a blast to the fast sink")
    parser.add_argument("--far", type=int, default=2_000, help="recipients of a blast to the far sink")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    processes = range(1, options.most + 1)
    found = {}
    for name, signers in (("fast", options.fast), ("far", options.far)):
        print(f"{name} sink:", flush=True)
        found[name] = measure(SINKS[name], processes=processes, signers=signers, rounds=options.rounds)
    print(f"{'processes':>10}{'fast sink':>12}{'far sink':>12}   far: {LATENCY * 1000:.0f} ms, {MOST}/s at most")
    for number in processes:
        fast, far = (statistics.median(found[name][number]) for name in SINKS)
        print(f"{number:>10}{fast:>10.0f}/s{far:>10.0f}/s")
    result = {"rates_per_s": found, "far": {"latency_s": LATENCY, "most_per_s": MOST}, "machine": machine()}
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
