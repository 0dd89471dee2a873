"""Runs `countersign up` for a test until standard input ends: ``python -m tests.kit.keep_up <folder>``.

The kernel closes that input when the test process ends, however it ends, so nothing is ever left behind: the supervisor
is asked by its number to stop, the database it made is discarded, and the folder removed.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

from campaign.local.servers import postgres
from campaign.local.servers.children import Child, ChildProcess, end_in_order
from campaign.settings import load_settings
from campaign.variables import ROOT

PATIENCE = 90.0
"""Seconds for an orderly stop."""


def main(folder: Path) -> None:
    """Run until told to end, then leave nothing."""
    up = ChildProcess(
        Child("up", (sys.executable, "-m", "campaign.cli", "up"), patience=PATIENCE),
        environment=os.environ,
        log=folder / "said",
        cwd=ROOT,
    )
    pid = up.start()
    (folder / "up.pid").write_text(str(pid))
    sys.stdin.buffer.read()
    if up.pid is not None:
        # A test may have frozen it.
        os.kill(pid, signal.SIGCONT)
    end_in_order([up])
    postgres.discard(load_settings())
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
