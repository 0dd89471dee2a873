"""Runs `countersign up` for a test until standard input ends: ``python -m tests.kit.keep_up <folder>``.

The kernel closes that input when the test process ends, however it ends, so nothing is ever left behind: the supervisor
is asked by its number to stop, the database it made is discarded, and the folder removed.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from campaign.local.servers import postgres
from campaign.settings import load_settings
from campaign.variables import ROOT

PATIENCE = 90.0
"""Seconds for an orderly stop."""


def main(folder: Path) -> None:
    """Run until told to end, then leave nothing."""
    with (folder / "said").open("wb") as said:
        up = subprocess.Popen(
            [sys.executable, "-m", "campaign.cli", "up"],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    (folder / "up.pid").write_text(str(up.pid))
    sys.stdin.buffer.read()
    with contextlib.suppress(ProcessLookupError):
        # A test may have frozen it.
        os.kill(up.pid, signal.SIGCONT)
        os.kill(up.pid, signal.SIGTERM)
    try:
        up.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        up.kill()
        up.wait()
    postgres.discard(load_settings())
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
