"""Cleans up after a process that was killed outright: ``python -m campaign.local.servers.watchdog <note> [servers…]``.

It waits for the end of its standard input, which the kernel closes when the process dies, however it dies. Then it
ends what is still noted and stops the embedded servers that it was told of. After an orderly stop there is nothing to
do.
"""

import math
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from campaign.local.servers import postgres, processes, redis
from campaign.local.servers.children import Child, ChildProcess
from campaign.settings import Settings, child_environment, load_settings


@contextmanager
def guarded(settings: Settings, note: Path, servers: Sequence[str], *, keep: Sequence[int] = ()) -> Iterator[None]:
    """Run a guardian of this process; at the end wait until it has finished.

    Args:
        settings: those of the embedded servers.
        note: where the children to end are written down (:func:`campaign.local.servers.children.write_note`).
        servers: the embedded servers to stop: ``postgres``, ``redis``.
        keep: file descriptors that it inherits: a lock stays held until it has finished.
    """
    arguments = (sys.executable, "-m", "campaign.local.servers.watchdog", str(note), *servers)
    guardian = ChildProcess(
        Child("guardian", arguments),
        environment=child_environment(settings),
        lifeline=True,
        keep=keep,
    )
    guardian.start()
    try:
        yield
    finally:
        guardian.ask_to_end()
        guardian.end(until=math.inf)


def main(arguments: list[str]) -> None:
    """Wait, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    settings = load_settings()
    note, *servers = arguments
    sys.stdin.buffer.read()
    processes.end_recorded(Path(note))
    if "redis" in servers:
        redis.stop(settings)
    if "postgres" in servers:
        postgres.stop(settings)


if __name__ == "__main__":
    main(sys.argv[1:])
