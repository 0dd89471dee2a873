"""A small file system of its own, which a test can fill: a tmpfs, which only root may mount."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.kit.skipping import skip_loudly


class SmallDisk:
    """A mounted file system of some MB."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leave no byte."""
        with self._filler.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(65_536))
        # What is left is less than a block of the loop above.
        with (self.path / "rest").open("ab", buffering=0) as rest, contextlib.suppress(OSError):
            while True:
                rest.write(bytes(512))

    def free(self) -> None:
        """Give back what :meth:`fill` took."""
        self._filler.unlink()
        (self.path / "rest").unlink()

    def replace(self, name: str) -> None:
        """Put a file where a folder was: nobody can write in it, not even root."""
        shutil.rmtree(self.path / name)
        (self.path / name).touch()

    def restore(self, name: str) -> None:
        """Remove that file."""
        (self.path / name).unlink()


@contextlib.contextmanager
def small_disk(path: Path, *, megabytes: int, owner: int | None = None) -> Iterator[SmallDisk]:
    """Mount a file system; the test is skipped loudly where that is not possible.

    Args:
        path: an empty folder.
        megabytes: its size.
        owner: the user id that it belongs to; root if not given.
    """
    options = f"size={megabytes}m,mode=0700,uid={owner or 0}"
    if os.geteuid() != 0:
        skip_loudly("a full disk (only root may mount a small file system)")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(path)], check=False).returncode:
        skip_loudly("a full disk (no file system can be mounted here)")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
