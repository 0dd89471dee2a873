"""Clean up after a supervisor was killed: ``python -m campaign.local.servers.watchdog <note> [servers…]``.

It waits for the end of its standard input, which the kernel closes when the supervisor dies, however it dies. Then it
ends what is still noted and stops the embedded servers that it was told of. It inherits the supervisor's lock, so that
the next start waits until it has finished. After an orderly stop it finds nothing to do.
"""

import signal
import sys
from pathlib import Path

from campaign.local.servers import postgres, processes, redis
from campaign.settings import load_settings


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
