"""`countersign web` on a real socket: slow, half-sent and odd requests, which must cost the others nothing."""

import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from benchmarks import memory
from campaign.accounts import accounts, sign_in
from campaign.accounts.accounts import Role
from campaign.local.servers import ports
from campaign.settings import child_environment
from campaign.variables import ROOT
from tests.kit.waiting import until
from tests.kit.worlds import World, make_world

SLUG = "clean-rivers"
HOOK_KEY = "a-key-of-this-test"
FORM = "Content-Type: application/x-www-form-urlencoded"


@dataclass
class Served:
    """A running `countersign web`."""

    port: int
    process: subprocess.Popen
    world: World

    def connect(self, head: str, body: bytes = b"") -> socket.socket:
        """Send (the beginning of) a request."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        made.sendall(head.replace("\n", "\r\n").encode() + body)
        return made

    def ask(self, head: str, body: bytes = b"") -> bytes:
        """Send a whole request; the answer with its head."""
        with self.connect(head, body) as made:
            return rest(made)

    def post(self, path: str, form: dict[str, str]) -> tuple[int, str]:
        """Send a form as a browser does; status and page."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        connection = http.client.HTTPConnection("localhost", self.port, timeout=60)
        connection.request("POST", path, urlencode(form), kind)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("localhost", self.port, timeout=60)
        connection.request("GET", path)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def form(self) -> dict[str, str]:
        found = re.search('name="stamp" value="([^"]*)"', self.get(f"/p/{SLUG}?lang=en")[1])
        assert found is not None
        return {"name": "Zahra Ahmadi", "email": "zahra@example.org", "country": "DE", "stamp": found[1]}


def rest(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def head(path: str, *lines: str, method: str = "POST") -> str:
    return "\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines, "", ""])


@pytest.fixture
def served(database_url: str, redis_url: str, redis_prefix: str, tmp_path) -> Iterator[Served]:
    port = ports.find_free("127.0.0.1")
    world = make_world(
        database_url, tmp_path, base_url=f"http://localhost:{port}", port=str(port),
        redis_url=redis_url, redis_prefix=redis_prefix,
        hook_generic_key=HOOK_KEY, hook_postmark=f"user:{HOOK_KEY}/{HOOK_KEY}",
    )  # fmt: skip
    world.petition(SLUG)
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "campaign.cli", "web"],
            cwd=ROOT,
            env=os.environ | child_environment(world.runtime.settings),
            stdout=log,
            stderr=log,
        )
    made = Served(port, process, world)
    try:
        until(lambda: _answers(made) or process.poll() is not None, seconds=90)
        assert process.poll() is None, (tmp_path / "web.log").read_text()
        yield made
    finally:
        process.terminate()
        process.wait(timeout=60)
        world.runtime.close()


def _answers(made: Served) -> bool:
    try:
        return made.get("/healthz")[0] == 200
    except OSError:
        return False


def test_half_sent_requests_stop_nobody(served: Served):
    form = served.form()
    began = time.monotonic()
    half = [served.connect(head(f"/p/{SLUG}/sign", FORM, "Content-Length: 500"), b"name=Zahra&") for _ in range(200)]
    half += [served.connect(f"POST /p/{SLUG}/sign HTTP/1.1\nHost: local") for _ in range(100)]

    times, statuses = [], []
    for answer in (lambda: served.get("/privacy")[0], lambda: served.post(f"/p/{SLUG}/sign", form)[0]) * 3:
        moment = time.monotonic()
        statuses.append(answer())
        times.append(time.monotonic() - moment)

    assert statuses == [200, 303] * 3
    assert sorted(times)[len(times) // 2] < 1
    assert max(times) < 5
    answers = [rest(connection) for connection in half]
    assert time.monotonic() - began < 45
    assert {answer[:12] for answer in answers[:200]} == {b"HTTP/1.1 408"}
    for connection in half:
        connection.close()


def test_a_body_that_drips_does_not_renew_its_deadline(served: Served):
    began = time.monotonic()
    with served.connect(head(f"/p/{SLUG}/sign", FORM, "Content-Length: 5000")) as slow:
        slow.settimeout(0.5)
        answer = b""
        while not answer:
            try:
                slow.sendall(b"x")
                answer = slow.recv(100)
            except TimeoutError:
                assert time.monotonic() - began < 40

    assert answer.startswith(b"HTTP/1.1 408")


def test_a_body_in_chunks_and_in_slow_pieces_is_read_whole(served: Served):
    body = urlencode(served.form()).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"

    chunked = served.ask(head(f"/p/{SLUG}/sign", FORM, "Transfer-Encoding: chunked"), chunks)
    with served.connect(head(f"/p/{SLUG}/sign", FORM, f"Content-Length: {len(body)}"), body[:40]) as slow:
        time.sleep(1.5)
        slow.sendall(body[40:])
        pieces = rest(slow)

    assert chunked.startswith(b"HTTP/1.1 303")
    assert pieces.startswith(b"HTTP/1.1 303")


def test_a_body_that_is_too_long_is_refused_by_its_length_before_it_comes(served: Served):
    began = time.monotonic()

    declared = served.ask(head(f"/p/{SLUG}/sign?lang=en", FORM, "Content-Length: 200000"), b"name=Zahra")
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    chunked = served.ask(head(f"/p/{SLUG}/sign?lang=en", FORM, "Transfer-Encoding: chunked"), chunk * 30)

    assert declared.startswith(b"HTTP/1.1 413")
    assert b"Please shorten what you typed" in declared
    assert chunked.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - began < 8


def test_only_who_is_signed_in_may_send_much(served: Served):
    runtime = served.world.runtime
    account = accounts.create(runtime, email="olga@example.org", name="Olga", role=Role.ADMIN)
    served.world.clock.now = served.world.clock.now.fromtimestamp(time.time(), served.world.clock.now.tzinfo)
    session = sign_in.sign_in(runtime, sign_in.sign_in_link(runtime, account).rpartition("/")[2])
    body = b"body=" + b"x" * 300_000

    def send(cookie: str) -> bytes:
        lines = (FORM, f"Content-Length: {len(body)}", f"Cookie: countersign={cookie}")
        return served.ask(head(f"/organiser/p/{SLUG}/text", *lines), body)

    # A form without the token of the session: read, and refused for that.
    assert send(session).startswith(b"HTTP/1.1 403")
    assert send("forged").startswith(b"HTTP/1.1 303")


def test_a_hook_takes_a_large_call_of_anybody_up_to_its_limit(served: Served):
    events = [{"id": str(number), "kind": "delivered", "message": f"<{number}@example.org>"} for number in range(5000)]
    body = json.dumps(events).encode()
    stamp = str(int(time.time()))
    proof = hmac.new(HOOK_KEY.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    signed = (f"X-Countersign-Timestamp: {stamp}", f"X-Countersign-Signature: sha256={proof}")

    def send(path: str, body: bytes, *lines: str, length: int | None = None) -> bytes:
        return served.ask(head(path, f"Content-Length: {len(body) if length is None else length}", *lines), body)

    assert len(body) > 300_000
    assert send("/hooks/generic", body, *signed).startswith(b"HTTP/1.1 200")
    assert send("/hooks/generic", body).startswith(b"HTTP/1.1 401")
    assert send("/hooks/generic", b"x", *signed, length=5 * 1024 * 1024).startswith(b"HTTP/1.1 413")
    # No key is set for it: it has no more room than any other page.
    assert send("/hooks/sendgrid", b"x", length=300_000).startswith((b"HTTP/1.1 413", b"HTTP/1.1 404"))
    assert send(f"/hooks/postmark/{HOOK_KEY}", b"x" * 300_000).startswith(b"HTTP/1.1 401")


def test_what_has_begun_is_answered_before_a_process_ends(served: Served):
    body = urlencode(served.form()).encode()
    with served.connect(head(f"/p/{SLUG}/sign", FORM, f"Content-Length: {len(body)}"), body[:40]) as half:
        time.sleep(1)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        half.sendall(body[40:])
        answer = rest(half)

    assert answer.startswith(b"HTTP/1.1 303")
    served.process.wait(timeout=60)


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        ("http://evil.example/privacy", ["Host: localhost"]),
        ("/privacy", ["Host: evil.example"]),
        ("/privacy", ["Host: localhost", "Host: evil.example"]),
        ("/privacy", []),
    ],
)
def test_a_request_for_another_host_is_refused_on_the_wire(served: Served, target: str, lines: list[str]):
    raw = "\n".join([f"GET {target} HTTP/1.1", *lines, "Connection: close", "", ""])

    answer = served.ask(raw)

    assert answer.startswith(b"HTTP/1.1 400")
    assert b"evil" not in answer


def test_addresses_and_headers_arrive_as_they_were_sent(served: Served):
    good = served.ask(head("/p/%D8%AF?lang=fa", "Cookie: a=1", "Cookie: b=2", "X-Odd: \xff", method="GET"))
    kept = served.ask(head(f"/p/{SLUG}?q=%D8%AF&lang=en", "Accept-Language: fa", method="GET"))
    tag = re.search(rb"(?i)\r\netag: (\S+)", kept)
    assert tag is not None
    known = served.ask(head(f"/p/{SLUG}?lang=en", f"If-None-Match: {tag[1].decode()}", method="GET"))
    only_head = served.ask(head("/privacy", method="HEAD"))

    assert good.startswith(b"HTTP/1.1 404")
    assert kept.startswith(b"HTTP/1.1 200")
    assert known.startswith(b"HTTP/1.1 304")
    assert known.endswith(b"\r\n\r\n")
    assert only_head.startswith(b"HTTP/1.1 200")
    assert only_head.endswith(b"\r\n\r\n")


def test_requests_that_all_differ_leave_nothing_in_memory(served: Served):
    memory.storm(SLUG, served.port, range(1_000))
    before = memory.resident(served.process.pid)

    statuses = memory.storm(SLUG, served.port, range(1_000, 4_000))

    # Kept whole, these requests would be more than 40 MiB.
    assert memory.resident(served.process.pid) - before < 16
    assert set(statuses) <= {200, 304, 400, 404, 410, 422}
    assert sum(statuses.values()) == 3_000


def test_a_head_of_hundreds_of_kilobytes_is_refused(served: Served):
    answer = served.ask(head(f"/privacy?{'x' * 100_000}", method="GET"))

    assert answer[:12] in {b"HTTP/1.1 431", b"HTTP/1.1 414"}
