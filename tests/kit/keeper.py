"""Keeps the engines of one test run alive: ``python -m tests.kit.keeper <folder> postgres|redis…``.

It starts them, writes their URLs to ``<folder>/started.json`` and then waits for the lock that the test run holds while
it lives. However the run ends (well, by Ctrl-C or by SIGKILL), the kernel frees that lock; the keeper then stops the
engines and deletes the folder.
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from campaign.local.servers import places, postgres, redis
from campaign.settings import load_settings

RUN_LOCK = "run.lock"
KEEPER_LOCK = "keeper.lock"
STARTED = "started.json"


def keep(folder: Path, wanted: set[str]) -> None:
    settings = load_settings({"COUNTERSIGN_DATA": str(folder / "data")})
    with places.held(folder / KEEPER_LOCK):
        try:
            urls = {}
            if "postgres" in wanted:
                urls["database"] = postgres.start(settings, durable=False)
            if "redis" in wanted:
                urls["redis"] = redis.start(settings, durable=False)
            draft = folder / f"{STARTED}.draft"
            draft.write_text(json.dumps(urls))
            draft.rename(folder / STARTED)
            while (descriptor := places.take(folder / RUN_LOCK, wait=3600)) is None:
                time.sleep(0)
            os.close(descriptor)
        finally:
            redis.stop(settings, hurry=True)
            postgres.discard(settings)
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    keep(Path(sys.argv[1]), set(sys.argv[2:]))
