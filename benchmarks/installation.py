"""A throw-away installation for measurements: embedded servers in a temporary folder, children ended by their pid."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from campaign.database import migrate
from campaign.local.seed.example import SLUG, create_example
from campaign.local.servers import ports, postgres, redis
from campaign.runtime import build
from campaign.security.keys import ensure_local_keys
from campaign.settings import Settings, child_environment, load_settings
from campaign.variables import ROOT


@dataclass
class Installation:
    """Settings, a petition, and the children that run."""

    settings: Settings
    slug: str = SLUG
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a child with these settings in its environment; its log goes to the data folder."""
        log = (self.settings.data / f"child-{len(self.children)}.log").open("wb")
        child = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=child_environment(self.settings),
            stdout=log, stderr=log,
        )  # fmt: skip
        self.children.append(child)
        return child

    def stop(self, child: subprocess.Popen[bytes]) -> None:
        """End one child and wait for it."""
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def wait_for(url: str, *, seconds: float = 30.0) -> None:
    """Wait until a page answers."""
    until = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@contextmanager
def installation(*, smtp_port: int, **overrides: str) -> Iterator[Installation]:
    """An installation with the example petition; everything is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="countersign-bench-"))
    port = ports.find_free("127.0.0.1")
    settings = load_settings(
        {},
        data=str(folder), port=str(port), smtp_url=f"smtp://127.0.0.1:{smtp_port}", log_level="warning", proxies="1",
        **overrides,
    )  # fmt: skip
    made = Installation(ensure_local_keys(settings))
    try:
        made.settings = made.settings.replace(database_url=postgres.start(settings), redis_url=redis.start(settings))
        migrate.upgrade(made.settings.database_url)
        runtime = build(made.settings)
        create_example(runtime)
        runtime.close()
        yield made
    finally:
        for child in reversed(made.children):
            made.stop(child)
        redis.stop(settings)
        postgres.stop(settings)
        postgres.discard(settings)
        shutil.rmtree(folder, ignore_errors=True)
