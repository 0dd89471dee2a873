import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from campaign.local.mailserver.certificates import Authority
from campaign.local.mailserver.running import ServerThread
from campaign.local.mailserver.script import Fault, Script
from tests.faults.scene import Scene, Watched
from tests.kit.worlds import make_world

Stage = Callable[..., Scene]


@pytest.fixture
def stage(database_url: str, redis_url: str, redis_prefix: str, tmp_path: Path) -> Iterator[Stage]:
    """Sets the scene: a server with faults, and a world that sends to it."""
    with contextlib.ExitStack() as stack:

        def make(*faults: Fault, scheme: str = "smtp", user: str = "", settings=None, patience=2.0, **script) -> Scene:
            authority = Authority.create(tmp_path)
            rules = Watched(Script(faults=faults, **script), authority=authority)
            tls = rules.tls if script.get("implicit_tls") else None
            server = ServerThread(rules, tls=tls).__enter__()
            world = make_world(
                database_url, tmp_path, smtp_url=f"{scheme}://{user}127.0.0.1:{server.port}", redis_url=redis_url,
                redis_prefix=redis_prefix, **(settings or {}),
            )  # fmt: skip
            stack.callback(world.runtime.close)
            scene = Scene(world, rules, stack, patience=patience, ca_file=authority.ca_file, server=server)
            stack.callback(scene.stop_server)
            return scene

        yield make
