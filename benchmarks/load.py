"""A small HTTP load generator: kept connections, one request in flight on each, times per answer.

It runs in a process of its own, so that it takes the same share of the machine in every measurement.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaign.variables import ROOT

Request = tuple[str, bytes]
"""A label to sum up times by, and the bytes of a request."""


@dataclass
class DeliveryCounts:
    """What the answers were."""

    wanted: int
    requests: Iterator[Request]
    statuses: Sequence[str] = ("2", "303")
    """Beginnings of the statuses that count as an answer."""
    sent: int = 0
    answered: int = 0
    failed: int = 0
    first_failure: str = ""
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def next(self) -> Request | None:
        """The next request; None when all are sent."""
        if self.sent >= self.wanted:
            return None
        self.sent += 1
        return next(self.requests)


class Connection(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, tally: DeliveryCounts, done: asyncio.Future[None]) -> None:
        self._tally = tally
        self._done = done
        self._buffer = b""
        self._since = 0.0
        self._label = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = self._tally.next()
        if request is None:
            self._transport.close()  # type: ignore[attr-defined]
            return
        self._label, content = request
        self._since = time.perf_counter()
        self._transport.write(content)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Count a whole answer and send the next request."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._tally.seconds[self._label].append(time.perf_counter() - self._since)
        self._tally.answered += 1
        if not head.startswith(tuple(f"HTTP/1.1 {status}".encode() for status in self._tally.statuses)):
            self._tally.failed += 1
            self._tally.first_failure = self._tally.first_failure or self._buffer[:600].decode(errors="replace")
        self._buffer = b""
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        if not self._done.done():
            self._done.set_result(None)


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 : head.find(b"\r\n", at) if head.find(b"\r\n", at) > 0 else None]) if at >= 0 else 0


async def _run(port: int, connections: int, tally: DeliveryCounts) -> float:
    loop = asyncio.get_running_loop()
    ends = []
    begin = time.perf_counter()
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(lambda done=done: Connection(tally, done), "127.0.0.1", port)  # type: ignore[misc]
        ends.append(done)
    await asyncio.gather(*ends)
    return time.perf_counter() - begin


def get(port: int, path: str) -> Iterator[Request]:
    """The same GET for ever."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: text/html\r\n\r\n".encode()
    while True:
        yield "", request


def sign(port: int, path: str, stamp: str, offset: int) -> Iterator[Request]:
    """Sign-ups of people who have never signed before, each from a network of its own."""
    number = offset
    while True:
        number += 1
        body = f"stamp={stamp}&name=Signer+{number}&email=s{number}%40example.org&country=DE&wants_updates=1&locale=en"
        address = f"{10 + number // 62_500 % 200}.{number // 250 % 250}.{number % 250}.7"
        yield "", _post(port, path, body, address)


def post(port: int, posts: Sequence[dict[str, str]], turn: int) -> Iterator[Request]:
    """Given forms, each from a network of its own; ``turn`` tells the networks of one call from those of another."""
    for number, form in enumerate(posts):
        address = f"{100 + turn}.{number // 250}.{number % 250}.7"
        yield form["label"], _post(port, form["path"], form["body"], address)


def _post(port: int, path: str, body: str, address: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"
        f"X-Forwarded-For: {address}\r\nX-Forwarded-Proto: http\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def run_in_process(port: int, **order: object) -> dict[str, Any]:
    """Run one load in a process of its own.

    Args:
        port: of the server.
        order: ``requests`` and ``connections``, and what to send: ``path`` (a GET), ``path``, ``stamp`` and ``offset``
            (sign-ups), or ``posts`` and ``turn`` (given forms).

    Raises:
        SystemExit: an answer had another status than ``statuses``.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        cwd=ROOT,
        input=json.dumps({"port": port, **order}).encode(),
        capture_output=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    if result["failed"]:
        sys.exit(f"{result['failed']} of {order['requests']} requests failed; the first:\n{result['first_failure']}")
    return result


def main() -> None:
    """Read one order as JSON from standard input, run it, and print what came of it as JSON."""
    order = json.load(sys.stdin)
    port = order["port"]
    if "posts" in order:
        requests = post(port, order["posts"], order["turn"])
    elif "stamp" in order:
        requests = sign(port, order["path"], order["stamp"], order["offset"])
    else:
        requests = get(port, order["path"])
    tally = DeliveryCounts(order["requests"], requests)
    if "statuses" in order:
        tally.statuses = order["statuses"]
    seconds = asyncio.run(_run(port, order["connections"], tally))
    ordered = sorted(itertools.chain.from_iterable(tally.seconds.values()))
    json.dump(
        {
            "rate": tally.answered / seconds,
            "failed": tally.failed,
            "first_failure": tally.first_failure,
            "p50_ms": ordered[len(ordered) // 2] * 1000,
            "p95_ms": ordered[int(len(ordered) * 0.95)] * 1000,
            # Only forms have labels; the times of a throughput run are not reported one by one.
            "seconds": {label: times for label, times in tally.seconds.items() if label},
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
