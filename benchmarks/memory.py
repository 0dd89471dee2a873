"""`python -m benchmarks.memory`: what 100,000 requests that all differ leave in the memory of the web process."""

import argparse
import json
import random
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.installation import installation, wait_for
from campaign.local.mailserver.faults import FaultServer
from campaign.variables import ROOT

RESULTS = ROOT / "benchmarks" / "memory.json"
REQUESTS = 100_000
WARM_UP = 5_000
"""Requests after which pools, catalogues and templates are there; what comes then must not stay."""

PIECE = 2_000
"""Characters of every part that differs: longer than any cache should take for a key."""

GOAL_MIB = 24.0
TIMEOUT = 60.0
PIPELINED = 20
"""Requests sent before their answers are read, on one connection."""


def resident(pid: int) -> float:
    """MiB in memory of a process and its children."""
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(process.memory_info().rss for process in tree) / 2**20


def hostile(slug: str, port: int, number: int) -> bytes:
    """A request that was never sent before: query, headers, host, path or form are its own."""
    noise = f"{number:x}-{random.Random(number).randbytes(PIECE // 2).hex()}"
    kind = number % 5
    paths = ("", f"/p/{noise[:200]}?lang={noise}", "/", f"/c/{noise}", f"/p/{slug}/sign?x={noise}")
    path = f"/p/{slug}?q={noise}" if kind == 0 else paths[kind]
    host = f"{noise[:50]}.example" if number % 7 == 0 else f"localhost:{port}"
    lines = [
        f"{'POST' if kind == 4 else 'GET'} {path} HTTP/1.1",
        f"Host: {host}",
        f"Accept-Language: {noise},de;q=0.{number % 10}",
        f"User-Agent: {noise}",
        f"Cookie: countersign={noise}; a={noise[:90]}",
        f"If-None-Match: {noise}",
        f"Origin: https://{noise[:60]}.example",
        f"X-Forwarded-For: 10.{number % 250}.{number // 250 % 250}.{number % 199}",
        f"X-{noise[:40]}: {noise}",
    ]
    form = f"name={noise}&email={noise[:60]}%40{noise[:50]}.example&stamp={noise}&code={noise}" if kind == 4 else ""
    if form:
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}"]
        # A form of another site is refused before it is read.
        lines.remove(lines[6])
    return ("\r\n".join([*lines, "", ""]) + form).encode()


def storm(slug: str, port: int, numbers: range) -> dict[int, int]:
    """Send hostile requests; how many got which status."""
    statuses: dict[int, int] = {}
    for begin in range(numbers.start, numbers.stop, PIPELINED):
        some = range(begin, min(begin + PIPELINED, numbers.stop))
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as connection:
            connection.sendall(b"".join(hostile(slug, port, number) for number in some))
            for status in _statuses(connection, len(some)):
                statuses[status] = statuses.get(status, 0) + 1
    return statuses


def _statuses(connection: socket.socket, count: int) -> Iterator[int]:
    with connection.makefile("rb") as answers:
        for _ in range(count):
            status = int(answers.readline().split()[1])
            length = 0
            while (line := answers.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            answers.read(length)
            yield status


def main() -> int:
    """Measure, print, write benchmarks/memory.json."""
    parser = argparse.ArgumentParser(description="Memory of the web process before and after hostile requests.")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    with FaultServer() as server, installation(smtp_port=server.port) as made:
        web = made.start("-m", "campaign.cli", "web")
        wait_for(f"http://localhost:{made.settings.port}/healthz", seconds=120)
        storm(made.slug, made.settings.port, range(WARM_UP))
        before = resident(web.pid)
        statuses = storm(made.slug, made.settings.port, range(WARM_UP, WARM_UP + options.requests))
        after = resident(web.pid)
        with urllib.request.urlopen(f"http://localhost:{made.settings.port}/healthz", timeout=TIMEOUT) as answer:
            print(f"healthy: {answer.status}")
    grown = after - before
    print(f"{options.requests} requests, answers {statuses}")
    print(f"{before:.0f} MiB before, {after:.0f} MiB after: {grown:+.1f} MiB, goal < {GOAL_MIB:.0f}")
    figures = {"before_mib": round(before, 1), "after_mib": round(after, 1)}
    result = {"requests": options.requests, "answers": statuses} | figures
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if grown < GOAL_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
