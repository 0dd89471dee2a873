"""nginx in front, as in deploy/nginx/: TLS, addresses of visitors, a page while no web answers, replacing processes."""

import http.client
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from campaign.local.servers import ports
from campaign.settings import child_environment
from tests.kit import nginx
from tests.kit.engines import ROOT
from tests.kit.waiting import until
from tests.kit.worlds import World, make_world

SLUG = "river"
FORM = "application/x-www-form-urlencoded"


@dataclass
class Installed:
    """`countersign web` on a socket, behind nginx."""

    world: World
    proxy: nginx.Nginx
    socket: Path
    web: subprocess.Popen[bytes]

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
        context = ssl.create_default_context(cafile=str(self.proxy.authority.ca_file))
        connection = http.client.HTTPSConnection("localhost", self.proxy.port, timeout=60, context=context)
        try:
            connection.request(method, path, body=body, headers={"Host": nginx.NAME, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def installed(database_url: str, redis_url: str, redis_prefix: str, tmp_path) -> Iterator[Installed]:
    socket, port, plain = tmp_path / "web.sock", ports.find_free("127.0.0.1"), ports.find_free("127.0.0.1")
    key = tmp_path / "dkim.pem"
    key.write_bytes(
        rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    world = make_world(
        database_url, tmp_path, base_url=f"https://{nginx.NAME}", bind=f"unix:{socket}", proxies="1", web_workers="2",
        redis_url=redis_url, redis_prefix=redis_prefix, dkim_key_file=str(key), mail_from=f"petitions@{nginx.NAME}",
    )  # fmt: skip
    world.petition(SLUG)
    with nginx.running(tmp_path, socket, plain=plain, port=port) as proxy:
        with (tmp_path / "web.log").open("wb") as log:
            web = subprocess.Popen(
                [sys.executable, "-m", "campaign.cli", "web"],
                cwd=ROOT, env=os.environ | child_environment(world.runtime.settings), stdout=log, stderr=log,
            )  # fmt: skip
        made = Installed(world, proxy, socket, web)
        try:
            until(lambda: web.poll() is not None or made.ask("GET", "/healthz")[0] == 200, seconds=90)
            assert web.poll() is None, (tmp_path / "web.log").read_text()
            yield made
        finally:
            web.terminate()
            web.wait(timeout=60)
            world.runtime.close()


def test_pages_come_over_tls_and_plain_requests_are_sent_there(installed: Installed):
    status, page = installed.ask("GET", f"/p/{SLUG}?lang=en")
    plain = http.client.HTTPConnection("127.0.0.1", installed.proxy.plain, timeout=30)
    plain.request("GET", f"/p/{SLUG}", headers={"Host": nginx.NAME})
    moved = plain.getresponse()
    location = moved.getheader("Location")
    plain.close()

    assert (status, moved.status) == (200, 301)
    assert location == f"https://{nginx.NAME}/p/{SLUG}"
    assert "<form" in page
    assert "emerg" not in installed.proxy.log.read_text()


def test_the_socket_is_for_the_group_alone(installed: Installed):
    assert oct(installed.socket.stat().st_mode & 0o777) == "0o660"


def test_metrics_are_not_shown_to_visitors_though_the_proxy_is_on_this_machine(installed: Installed):
    assert installed.ask("GET", "/metrics")[0] in {401, 403, 404}


def test_no_request_is_lost_while_web_processes_are_replaced(installed: Installed):
    statuses: Counter[str] = Counter()
    over = threading.Event()

    def ask() -> None:
        number = 0
        while not over.is_set() or number < 50:
            number += 1
            try:
                form = {"Content-Type": FORM, "Origin": f"https://{nginx.NAME}"}
                posted = installed.ask("POST", f"/p/{SLUG}/sign", "name=x", **form)[0] if number % 2 else None
                statuses[f"{posted or installed.ask('GET', f'/p/{SLUG}')[0]}"] += 1
            except (OSError, http.client.HTTPException) as error:
                statuses[type(error).__name__] += 1

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    log = (installed.socket.parent / "web.log").read_text
    installed.web.send_signal(signal.SIGHUP)
    until(lambda: log().count("Stopped old worker") == 2, seconds=90)
    over.set()
    for thread in threads:
        thread.join()

    assert set(statuses) == {"200", "422"}
    assert sum(statuses.values()) >= 500


def test_while_no_web_answers_visitors_are_told_in_four_languages_and_afterwards_it_serves_again(installed: Installed):
    installed.web.terminate()
    installed.web.wait(timeout=60)

    status, page = installed.ask("GET", f"/p/{SLUG}")

    assert status == 502
    for words in ("try again in a minute", "noch einmal", "دوباره تلاش کنید", "دوبارہ کوشش کریں"):
        assert words in page


def test_a_second_web_server_on_the_same_socket_is_refused(installed: Installed):
    second = subprocess.run(
        [sys.executable, "-m", "campaign.cli", "web"],
        cwd=ROOT, env=os.environ | child_environment(installed.world.runtime.settings), capture_output=True, timeout=60,
        text=True, check=False,
    )  # fmt: skip

    assert second.returncode == 78
    assert "web.sock" in second.stderr
    assert installed.ask("GET", "/healthz")[0] == 200
