"""`make bench`: a table, and benchmarks/results.json. Ratios from one run; absolute figures are the machine's mood."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from benchmarks import blasting, relays, under_load, web, yardsticks
from benchmarks.installation import Installation, installation
from campaign.local.mailserver.faults import FaultServer
from campaign.runtime import Runtime, build
from campaign.variables import ROOT

RESULTS = ROOT / "benchmarks" / "results.json"

GOALS: Mapping[str, tuple[str, float]] = {
    "blast_unsigned_vs_smtp_source": (">=", 1.2),
    "blast_rsa2048_vs_bare_signing": (">=", 0.7),
    "sign_vs_hello": (">=", 0.2),
    "page_vs_hello": (">=", 3.0),
    "memory_1m_vs_10k": ("<=", 1.1),
    "cost_1m_vs_10k": ("<=", 1.1),
    "idle_p95": ("<=", 0.1),
    "blast_p95": ("<=", 2.0),
    "blast_p99": ("<=", 5.0),
    "expand_1m_s": ("<=", 10.0),
    "relay_rate_share": (">=", 0.9),
    "relay_session_share": (">=", 0.9),
    "relay_connections_share": (">=", 0.9),
    "relay_rate_p95": ("<=", 10.0),
    "relay_session_p95": ("<=", 10.0),
    "relay_connections_p95": ("<=", 10.0),
}
"""The goals of the design; what is not named here is shown for comparison."""


class Sink:
    """The built-in fast sink, in a process of its own."""

    def __enter__(self) -> int:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "campaign.local.mailserver.sink"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()


def measure_sending(options: argparse.Namespace) -> dict[str, Any]:
    """Blasts of each kind in turn with their yardsticks, then a small and a large one, and mail under load."""
    with Sink() as port, installation(smtp_port=port) as made:
        runtime = build(made.settings)
        try:
            blasting.add_signers(runtime, made.slug, options.small)
            small = _one(runtime, made, key="small")
            blasting.add_signers(runtime, made.slug, options.round - options.small)
            found = _rounds(runtime, made, options, size=int(small["size"]))
            blasting.add_signers(runtime, made.slug, options.large - options.round)
            large = _one(runtime, made, key="large")
            found["sizes"] = {"small": options.small, "large": options.large}
            found["small"], found["large"] = small, large
            found["obvious"] = yardsticks.obvious_stack(runtime, made, number=options.obvious)
            found["latency"] = under_load.latency(runtime, made, least=options.seconds)
        finally:
            runtime.close()
    return found


def _rounds(runtime: Runtime, made: Installation, options: argparse.Namespace, *, size: int) -> dict[str, Any]:
    rates: dict[str, list[float]] = {
        "smtp_source": [], "unsigned": [], "bare_signing": [], "rsa": [], "ed25519": [],
    }  # fmt: skip
    times: dict[str, list[float]] = defaultdict(list)
    for turn in range(options.rounds):
        yard = yardsticks.smtp_source(options.round, size=size)
        if yard is not None:
            rates["smtp_source"].append(yard[0])
            times["smtp_source"].append(yard[1])
        for how in ("unsigned", "rsa", "ed25519"):
            if how == "rsa":
                rates["bare_signing"].append(yardsticks.bare_signing())
            frozen = blasting.freeze(runtime, made.slug, key=f"{how}-{turn}")
            sink = sink_seconds(made)
            sent = blasting.send(runtime, made, frozen, how=how)
            rates[how].append(sent.rate)
            sink_us = (sink_seconds(made) - sink) / frozen.planned * 1e6
            times[how].append(sent.worker_us + sent.database_us + sink_us)
            times[f"{how}_workers"].append(sent.worker_us)
            times[f"{how}_database"].append(sent.database_us)
            times[f"{how}_sink"].append(sink_us)
        print("  " + "   ".join(f"{name} {found[-1]:.0f}/s" for name, found in rates.items() if found), flush=True)
    return {"rates_per_s": rates, "processor_us": times}


def sink_seconds(made: Installation) -> float:
    """Processor time that the sink of this benchmark has used so far."""
    port = int(made.settings.smtp_url.rpartition(":")[2])
    for child in psutil.Process().children():
        if any(found.laddr.port == port and found.status == psutil.CONN_LISTEN for found in child.net_connections()):
            used = child.cpu_times()
            return float(used.user + used.system)
    return 0.0


def _one(runtime: Runtime, made: Installation, *, key: str) -> dict[str, Any]:
    frozen = blasting.freeze(runtime, made.slug, key=key)
    sent = blasting.send(runtime, made, frozen, how="unsigned")
    print(
        f"  {frozen.planned} planned in {frozen.seconds:.1f} s; {sent.rate:.0f}/s; processor time per mail: "
        f"workers {sent.worker_us:.0f} us, database {sent.database_us:.0f} us; peak {sent.peak_mb:.0f} MB", flush=True,
    )  # fmt: skip
    return {
        "expand_s": frozen.seconds, "rate_per_s": sent.rate, "worker_us": sent.worker_us,
        "database_us": sent.database_us, "peak_mb": sent.peak_mb, "size": sent.size, "shares": sent.shares,
    }  # fmt: skip


def measure_web(options: argparse.Namespace) -> tuple[dict[str, float], float, dict[str, list[float]]]:
    """Pages and signing against a bare view; and the way of one mail when nothing else goes on."""
    with FaultServer() as server, installation(smtp_port=server.port) as made:
        rates = web.throughput(made, rounds=options.rounds, requests=options.requests, service=options.service).rates
        web.runtime_clear(made)
        times = sorted(web.idle_latency(made, server, count=options.mails))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    ratios = {f"{name}_vs_hello": medians[name] / medians["hello"] for name in ("sign", "page")}
    return ratios, times[int(len(times) * 0.95)], rates


def ratio(found: Mapping[str, list[float]], name: str, yard: str) -> float | None:
    """The median of the ratios round by round; None without the yardstick."""
    pairs = list(zip(found[name], found[yard], strict=False))
    return statistics.median(ours / theirs for ours, theirs in pairs) if pairs else None


def collect(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything; the result is what is written."""
    print("sending:", flush=True)
    sending = measure_sending(options)
    rates, small, large = sending["rates_per_s"], sending["small"], sending["large"]
    yard = rates["smtp_source"]
    print("web:", flush=True)
    web_ratios, idle, web_rates = measure_web(options)
    print("relays that limit:", flush=True)
    limiting = relays.measure(options.recipients)
    return {
        "ratios": {
            "blast_unsigned_vs_smtp_source": ratio(rates, "unsigned", "smtp_source"),
            "blast_rsa2048_vs_bare_signing": ratio(rates, "rsa", "bare_signing"),
            "blast_ed25519_vs_smtp_source": ratio(rates, "ed25519", "smtp_source"),
            "obvious_stack_vs_smtp_source": sending["obvious"] / statistics.median(yard) if yard else None,
            **web_ratios,
            **{f"relay_{name}_share": found["share"] for name, found in limiting.items()},
            "memory_1m_vs_10k": large["peak_mb"] / small["peak_mb"],
            "cost_1m_vs_10k": (large["worker_us"] + large["database_us"])
            / (small["worker_us"] + small["database_us"]),
        },
        "latency_s": {
            "idle_p95": idle,
            "blast_p95": sending["latency"]["blast_p95"],
            "blast_p99": sending["latency"]["blast_p99"],
            **{f"relay_{name}_p95": found["learned"]["confirmations_p95"] for name, found in limiting.items()},
        },
        "expand_1m_s": large["expand_s"] * 1_000_000 / options.large,
        "repetitions": {
            "rounds": options.rounds, "recipients_a_round": options.round, "idle_mails": options.mails,
            "obvious": options.obvious, "sign_ups_during_blast": sending["latency"]["sign_ups"],
        },
        "sizes": sending["sizes"],
        "details": {"rates_per_s": rates | web_rates, "small": small, "large": large,
                    "processor_us": sending["processor_us"], "obvious_per_s": sending["obvious"],
                    "under_load": sending["latency"], "relays": limiting},
        "machine": machine(),
    }  # fmt: skip


def machine() -> dict[str, Any]:
    """Where it was measured, and how busy that was."""
    return {
        "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}", "load": os.getloadavg(),
    }  # fmt: skip


def show(result: Mapping[str, Any]) -> None:
    """Print the table."""
    rows = {**result["ratios"], **result["latency_s"], "expand_1m_s": result["expand_1m_s"]}
    for name, value in rows.items():
        if value is None:
            print(f"{name:34}{'-':>10}   postfix's smtp-source and smtp-sink were not found")
            continue
        sign, goal = GOALS.get(name, ("", 0.0))
        met = "" if not sign else "met" if (value >= goal if sign == ">=" else value <= goal) else "NOT met"
        print(f"{name:34}{value:>10.3f}   {f'goal {sign} {goal}' if sign else '':14}{met}")
    if result["sizes"]["large"] < 1_000_000:
        print(f"1m stands for {result['sizes']['large']:,} recipients here; --full takes a million.")


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure all.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", type=int, default=10_000, help="recipients of a small blast")
    parser.add_argument("--round", type=int, default=40_000, help="recipients of the blasts that rates come from")
    parser.add_argument("--large", type=int, default=100_000, help="recipients of a large blast")
    parser.add_argument("--full", action="store_true", help="a large blast of a million, and more repetitions")
    parser.add_argument("--requests", type=int, default=2000, help="per page and round; a quarter of it for signing")
    parser.add_argument("--service", type=float, default=30, help="seconds of service before pages are measured")
    parser.add_argument("--mails", type=int, default=40, help="mails on an idle site")
    parser.add_argument("--obvious", type=int, default=60, help="mails by the obvious stack")
    parser.add_argument("--seconds", type=float, default=20, help="of sign-ups during a blast, at least")
    parser.add_argument("--recipients", type=int, default=2000, help="of a blast through a relay that limits")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.full:
        options.large, options.requests, options.mails = 1_000_000, 4000, 100
    result = collect(options)
    show(result)
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
