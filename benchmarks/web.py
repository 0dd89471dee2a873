"""`make bench-web`: the petition page and signing against a bare view in the same server, and the way of one mail."""

import argparse
import contextlib
import json
import os
import platform
import re
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import answer_times, network_plays
from benchmarks.installation import Installation, installation, wait_for
from benchmarks.load import run_in_process
from campaign.local.mailserver.faults import FaultServer
from campaign.local.servers import ports
from campaign.runtime import build
from campaign.signatures import admission
from campaign.variables import ROOT

RESULTS = ROOT / "benchmarks" / "web.json"
NAMES = ("hello", "page", "sign")
CONNECTIONS = 16
GOALS = {"page_vs_hello": 3.0, "sign_vs_hello": 0.2}
IDLE_GOAL = 0.1


def granian(made: Installation, application: str, port: int) -> None:
    """Serve an application exactly as `countersign web` does."""
    made.start(
        "-m", "granian", application, "--factory", "--interface", "rsgi", "--host", "127.0.0.1", "--port", str(port),
        "--workers", str(made.settings.web_workers), "--http", "1", "--no-ws", "--no-access-log",
    )  # fmt: skip


def stamp_of(base: str, slug: str) -> str:
    """A fresh form stamp from the page."""
    with urllib.request.urlopen(f"{base}/p/{slug}?lang=en") as answer:
        found = re.search(r'name="stamp"[^>]*value="([^"]+)"', answer.read().decode())
    if found is None:
        sys.exit("the petition page has no form stamp")
    return urllib.parse.quote(found[1])


class Clocks:
    """Processor time by party: unlike requests per second it hardly minds what else the machine does."""

    def __init__(self, parties: dict[str, list[int]]) -> None:
        """Note the process ids of each party; their children belong to them."""
        self._parties = parties
        self._begin: dict[str, float] = {}

    def start(self) -> None:
        """Begin to measure."""
        self._begin = self._now()

    def spent(self, requests: int) -> dict[str, float]:
        """Microseconds per request since :meth:`start`."""
        return {party: 1e6 * (end - self._begin[party]) / requests for party, end in self._now().items()}

    def _now(self) -> dict[str, float]:
        load = os.times()
        seconds = {party: sum(map(_seconds, pids)) for party, pids in self._parties.items()}
        return seconds | {"load": load.children_user + load.children_system}


def _seconds(pid: int) -> float:
    total = 0.0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            # Children that have ended are in the sum of their parent.
            total += times.user + times.system + times.children_user + times.children_system
    return total


@dataclass
class Found:
    """What came out of the rounds, by page."""

    rates: dict[str, list[float]]
    processor: dict[str, list[dict[str, float]]]


@contextmanager
def health_checks(base: str) -> Iterator[None]:
    """Call /healthz every second, as a load balancer does."""
    ended = threading.Event()

    def call() -> None:
        while not ended.wait(1.0):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{base}/healthz", timeout=5) as answer:
                answer.read()

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def throughput(made: Installation, *, rounds: int, requests: int, service: float) -> Found:
    """Requests per second, the three pages in turn, so that a slow moment of the machine meets all alike.

    Args:
        made: the installation.
        rounds: measurements of each page; one more warms up.
        requests: for each page and round; a quarter of it for signing.
        service: seconds of service before the first round; /healthz is called every second, then and later.
    """
    hello_port = ports.find_free("127.0.0.1")
    granian(made, "benchmarks.hello:create_server", hello_port)
    made.start("-m", "campaign.cli", "web")
    clocks = Clocks({"web": [child.pid for child in made.children], "postgres": [postgres_pid(made)]})
    base = f"http://localhost:{made.settings.port}"
    wait_for(f"http://127.0.0.1:{hello_port}/hello")
    wait_for(f"{base}/healthz")
    with health_checks(base):
        time.sleep(service)
        return _rounds(made, clocks, hello_port=hello_port, rounds=rounds, requests=requests)


def _rounds(made: Installation, clocks: Clocks, *, hello_port: int, rounds: int, requests: int) -> Found:
    web_port, path = made.settings.port, f"/p/{made.slug}"
    base = f"http://localhost:{web_port}"
    found = Found(rates={name: [] for name in NAMES}, processor={name: [] for name in NAMES})
    offset = 0

    def run(port: int, **order: object) -> dict[str, float]:
        return run_in_process(port, connections=CONNECTIONS, **order)

    def sign() -> dict[str, float]:
        stamp = stamp_of(base, made.slug)
        return run(web_port, path=f"{path}/sign", requests=requests // 4, stamp=stamp, offset=offset)

    steps: dict[str, Callable[[], dict[str, float]]] = {
        "hello": lambda: run(hello_port, path="/hello", requests=requests),
        "page": lambda: run(web_port, path=f"{path}?lang=en", requests=requests),
        "sign": sign,
    }
    for turn in range(rounds + 1):
        for name, step in steps.items():
            clocks.start()
            result = step()
            spent = clocks.spent(requests // 4 if name == "sign" else requests)
            if turn:  # The first round warms up.
                found.rates[name].append(result["rate"])
                found.processor[name].append(spent)
                parts = ", ".join(f"{party} {part:.0f}" for party, part in spent.items())
                print(f"  {name:6} {result['rate']:8.0f}/s   p95 {result['p95_ms']:6.1f} ms   µs of processor: {parts}")
        offset += requests // 4
    stored = rows(made)
    if stored != offset:
        sys.exit(f"{offset} signatures were answered, {stored} were admitted with their confirmation")
    return found


def postgres_pid(made: Installation) -> int:
    """The first process of the embedded server: the parent of those that work for a connection."""
    runtime = build(made.settings)
    pid: int = runtime.store.transact(lambda tx: tx.connection.exec_driver_sql("select pg_backend_pid()").scalar_one())
    parent = psutil.Process(pid).ppid()
    runtime.close()
    return parent


def rows(made: Installation) -> int:
    """Admit what was written down; signatures that have the mail which was promised."""
    count = """
        select count(*) from signature s where exists (select 1 from message m where m.signature_id = s.id)
            and s.petition_id = (select id from petition where slug = %(slug)s)"""
    runtime = build(made.settings)
    begin = time.perf_counter()
    admitted = admission.admit_all(runtime).total()
    print(f"  admit  {admitted / (time.perf_counter() - begin):8.0f}/s   {admitted} requests by one worker")
    found: int = runtime.store.transact(
        lambda tx: tx.connection.exec_driver_sql(count, {"slug": made.slug}).scalar_one()
    )
    runtime.close()
    return found


def idle_latency(made: Installation, server: FaultServer, *, count: int) -> list[float]:
    """Seconds from the press of the button until the mail server has accepted the confirmation.

    Starts an urgent worker, which runs on.
    """
    made.start("-m", "campaign.cli", "worker", "--lane", "urgent")
    base = f"http://localhost:{made.settings.port}"
    stamp = stamp_of(base, made.slug)
    times = []
    for number in range(count + 5):
        before = len(server.rules.received)
        form = f"stamp={stamp}&name=Idle+{number}&email=idle{number}%40example.org&country=DE&locale=en".encode()
        request = urllib.request.Request(
            f"{base}/p/{made.slug}/sign", data=form,
            headers={"Origin": base, "X-Forwarded-For": f"172.16.{number}.9", "X-Forwarded-Proto": "http"},
        )  # fmt: skip
        begin = time.perf_counter()
        urllib.request.urlopen(request).read()
        while len(server.rules.received) == before and time.perf_counter() - begin < 30:
            time.sleep(0.0005)
        # The first ones meet a worker that is still starting.
        if number >= 5:
            times.append(time.perf_counter() - begin)
        time.sleep(0.15)
    return times


def main() -> int:
    """Measure, print a table, write benchmarks/web.json."""
    parser = argparse.ArgumentParser(description="Measure pages and signing against a bare view in the same server.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=8000, help="per page and round; a quarter of it for signing")
    parser.add_argument("--mails", type=int, default=100)
    parser.add_argument("--service", type=float, default=120, help="seconds of service before the first round")
    parser.add_argument("--people", type=int, default=500, help="known addresses, and as many unknown ones, per form")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    with FaultServer() as server, installation(smtp_port=server.port) as made:
        plays = network_plays.measure(made)
        found = throughput(made, rounds=options.rounds, requests=options.requests, service=options.service)
        # What signing planned is none of the idle way's business.
        runtime_clear(made)
        times = sorted(idle_latency(made, server, count=options.mails))
        stamp = stamp_of(f"http://localhost:{made.settings.port}", made.slug)
        differences = answer_times.measure(made, stamp=stamp, people=options.people)
    medians = {name: statistics.median(rates) for name, rates in found.rates.items()}
    processor = {name: _medians(spent) for name, spent in found.processor.items()}
    ratios = {f"{name}_vs_hello": medians[name] / medians["hello"] for name in ("page", "sign")}
    idle_p95 = times[int(len(times) * 0.95)]
    for name, goal in GOALS.items():
        print(f"{name:16} {ratios[name]:6.3f}   goal >= {goal}   {'met' if ratios[name] >= goal else 'NOT met'}")
    print(f"{'idle p95':16} {idle_p95:6.3f} s goal <  {IDLE_GOAL}   {'met' if idle_p95 < IDLE_GOAL else 'NOT met'}")
    answer_times.show(differences)
    network_plays.show(plays)
    result = {
        "ratios": ratios,
        "known_against_unknown": {name: vars(found) for name, found in differences.items()},
        "network_plays": {name: vars(play) for name, play in plays.items()},
        "rates_per_s": found.rates,
        "processor_us_per_request": processor,
        "latency_s": {"idle_p50": statistics.median(times), "idle_p95": idle_p95, "mails": len(times)},
        "rounds": options.rounds,
        "machine": f"{platform.machine()}, {platform.python_implementation()} {platform.python_version()}",
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written to {options.out}")
    return 0


def _medians(spent: list[dict[str, float]]) -> dict[str, float]:
    return {party: statistics.median(one[party] for one in spent) for party in spent[0]}


def runtime_clear(made: Installation) -> None:
    """Cancel the mails that the load has planned."""
    runtime = build(made.settings)
    cancel = "update message set state = 'cancelled', settled_at = now() where state = 'planned'"
    runtime.store.transact(lambda tx: tx.connection.exec_driver_sql(cancel))
    runtime.close()


if __name__ == "__main__":
    sys.exit(main())
