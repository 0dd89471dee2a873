"""The journal of a sending process: what it was about to hand over, and what the mail server acknowledged.

One short line per step (W at work on, S submitted, A accepted, N not accepted), written with one ``os.write`` before
the next step, so that the death of the process (not of the machine) forgets nothing. A lock on the file tells the
living from the dead. After a crash of the whole machine the boot id differs, the journal may be short of its last
lines, and what it does not settle is uncertain.
"""

import contextlib
import errno
import fcntl
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from campaign.database.connection import Transaction
from campaign.errors import JournalFailedError
from campaign.outbox import leases, workers
from campaign.runtime import Runtime
from campaign.states import Lane

log = logging.getLogger(__name__)

_LINE = re.compile(rb"([SAN]) (\d+)\n")
_AT_WORK = re.compile(rb"W((?: \d+)+)\n")


def _boot_id() -> str:
    # Linux tells it; elsewhere a machine's crash can't be told from a process's, and the journal is trusted.
    known = Path("/proc/sys/kernel/random/boot_id")
    return known.read_text().strip() if known.exists() else "-"


def _open_locked(path: Path) -> int:
    # Between opening and locking, crash recovery may take the file for that of a dead process and remove it.
    while True:
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
            return file
        os.close(file)


class FolderProblem(StrEnum):
    """Why no journal can be kept, so that nothing may be claimed."""

    FULL = "full"
    UNWRITABLE = "unwritable"


LEAST_FREE: Final = 16 * 1024 * 1024
"""Bytes that must be free for a claim. A batch of 1,000 writes some 40 KB: so much lasts for the batches that all
processes of the host have under way, and for what else writes there in those seconds."""

RESERVE: Final = 64 * 1024
"""Bytes in a file beside the journal, removed when a write finds the disk full: the batch under way ends with them."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Journal:
    """The open journal of one sending process.

    On a disk that is full, or a folder that can't be written, it is not open or takes no more notes: :meth:`look`
    says why, and opens it as soon as it can.
    """

    def __init__(self, folder: Path, owner_id: int) -> None:
        self.path = folder / f"{owner_id}.journal"
        self._reserve = folder / f"{owner_id}.reserve"
        self._file: int | None = None
        self._noted = False
        self._failure: FolderProblem | None = None
        self.look()

    @property
    def folder(self) -> Path:
        """The folder of all journals of this host."""
        return self.path.parent

    def look(self) -> FolderProblem | None:
        """Check the folder, open the journal if it is not, and fill the reserve; returns what is wrong."""
        self._failure = None
        try:
            self._prepare()
        except OSError as error:
            self._failure = _problem_of(error)
        return self.problem()

    def problem(self) -> FolderProblem | None:
        """Why nothing may be claimed now: the last failure, or too little free space."""
        if self._failure is not None:
            return self._failure
        try:
            space = os.statvfs(self.folder)
        except OSError as error:
            return _problem_of(error)
        return FolderProblem.FULL if space.f_bavail * space.f_frsize < LEAST_FREE else None

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._file is not None and not self.path.exists() and not self._noted:
            # The folder was removed or replaced: crash recovery would not find the open file.
            os.close(self._file)
            self._file = None
        if self._file is None:
            file = _open_locked(self.path)
            try:
                os.write(file, f"boot {_boot_id()}\n".encode())
            except OSError:
                os.close(file)
                raise
            self._file = file
        if not self._reserve.exists() or self._reserve.stat().st_size < RESERVE:
            # Not zeros, which some file systems store without using space.
            self._reserve.write_bytes(os.urandom(RESERVE))

    def at_work(self, message_ids: Iterable[int]) -> None:
        """Note the messages that are prepared or composed from now on: the death of the process may be theirs.

        Those of the note before may still be handed over. A disk that is full loses the note: then the death counts
        against all that the process held.
        """
        self._noted = True
        with contextlib.suppress(OSError):
            self._write(b"W %s\n" % b" ".join(b"%d" % one for one in message_ids))

    def submit(self, message_id: int) -> None:
        """Note, before the wire, that a message may now reach the server.

        Raises:
            JournalFailedError: it can't be noted; the message must not reach the wire.
        """
        self._noted = True
        try:
            self._write(b"S %d\n" % message_id)
        except OSError as error:
            raise JournalFailedError("the journal can't be written") from error

    def accept(self, message_id: int) -> None:
        """Note that the server took a message: 250 after the final dot."""
        self._note_outcome(b"A %d\n" % message_id)

    def refuse(self, message_id: int) -> None:
        """Note that the server certainly does not have a message."""
        self._note_outcome(b"N %d\n" % message_id)

    def _note_outcome(self, line: bytes) -> None:
        # This process knows the outcome and records it in the database: without the note only its own death loses it.
        with contextlib.suppress(OSError):
            self._write(line)

    def _write(self, line: bytes) -> None:
        if self._file is None:
            raise OSError(errno.EBADF, "the journal is not open")
        try:
            _write_whole(self._file, line)
        except OSError as error:
            self._failure = _problem_of(error)
            # Gives back the space of the reserve, which is enough for the batch under way.
            self._reserve.unlink(missing_ok=True)
            _write_whole(self._file, line)

    def settled(self) -> None:
        """Forget everything: the database has recorded all outcomes."""
        if not self._noted or self._file is None:
            return
        self._noted = False
        os.ftruncate(self._file, 0)
        try:
            self._write(f"boot {_boot_id()}\n".encode())
        except OSError:
            # Without this line a later crash would be taken for one of the machine; opened anew at the next look.
            os.close(self._file)
            self._file = None

    def close(self, *, remove: bool = True) -> None:
        """End the journal; a clean end leaves no file."""
        with contextlib.suppress(OSError):
            self._reserve.unlink(missing_ok=True)
            if remove:
                self.path.unlink(missing_ok=True)
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _write_whole(file: int, line: bytes) -> None:
    """Write a line with one call. A disk that fills in its middle takes a part of it: what follows is still readable.

    Raises:
        OSError: it was not written, or not as a whole.
    """
    if os.write(file, line) < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _problem_of(error: OSError) -> FolderProblem:
    return FolderProblem.FULL if error.errno in _FULL else FolderProblem.UNWRITABLE


@dataclass(frozen=True)
class CrashEvidence:
    """What a dead process left: evidence about the messages it held."""

    owner_id: int
    path: Path
    submitted: frozenset[int]
    accepted: frozenset[int]
    refused: frozenset[int]
    complete: bool
    at_work: frozenset[int] | None = None
    """What it prepared, composed or handed over when it died; None if that was not noted."""

    def state_after(self, message_id: int, state: str) -> str:
        """The state a held message gets: ``accepted``, ``uncertain`` or ``planned`` (certainly not sent)."""
        if message_id in self.accepted:
            return "accepted"
        if message_id in self.refused:
            return "planned"
        if message_id in self.submitted or (state != "claimed" and not self.complete):
            return "uncertain"
        return "planned"


def legacies(folder: Path) -> Iterator[CrashEvidence]:
    """The journals of dead processes, each locked while it is yielded, so that one finder settles it.

    The finder removes the file once the database has the states.
    """
    for path in sorted(folder.glob("[0-9]*.journal")):
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        try:
            if path.exists():
                yield _read(path)
        finally:
            os.close(file)


def _read(path: Path) -> CrashEvidence:
    raw = path.read_bytes()
    # A message may have been tried before, while the journal was open: its last line counts.
    last = {int(number): mark for mark, number in _LINE.findall(raw)}
    marks = {mark: frozenset(number for number, found in last.items() if found == mark) for mark in (b"S", b"A", b"N")}
    at_work = [frozenset(map(int, found.split())) for found in _AT_WORK.findall(raw)]
    boot = re.match(rb"boot (\S+)\n", raw)
    return CrashEvidence(
        owner_id=int(path.stem),
        path=path,
        submitted=marks[b"S"],
        accepted=marks[b"A"],
        refused=marks[b"N"],
        complete=boot is not None and boot[1].decode() == _boot_id(),
        at_work=frozenset().union(*at_work[-2:], marks[b"S"]) if at_work else None,
    )


def journal_folder(runtime: Runtime) -> Path:
    """Where the sending processes of this host keep their journals."""
    return runtime.settings.data / "journal"


def recover(runtime: Runtime) -> int:
    """Settle what dead workers left. Repeating it is harmless, as is running it on every host.

    Returns:
        How many messages were settled or planned again.
    """
    return settle_journals(runtime) + runtime.store.transact(partial(_expire_leases, runtime))


def settle_journals(runtime: Runtime) -> int:
    """Settle what dead workers of this host left, by their journals, which no other host can read.

    Returns:
        How many messages were settled or planned again.
    """
    changed = 0
    for legacy in legacies(journal_folder(runtime)):
        changed += runtime.store.transact(partial(_settle_legacy, runtime, legacy=legacy))
        try:
            legacy.path.unlink(missing_ok=True)
            legacy.path.with_suffix(".reserve").unlink(missing_ok=True)
        except OSError as error:
            # Settled all the same; what it says is found settled when it is read again.
            log.warning("the journal of a dead worker can't be removed: %s", error.strerror)
    return changed


def _settle_legacy(runtime: Runtime, tx: Transaction, legacy: CrashEvidence) -> int:
    now = runtime.clock()
    held = leases.held_by(tx, legacy.owner_id)
    states = {message_id: legacy.state_after(message_id, state) for message_id, state in held.items()}
    workers.stopped(tx, legacy.owner_id, now=now)
    for lane in Lane:
        tx.nudge(lane)
    return leases.resolve(tx, legacy.owner_id, states, at_work=legacy.at_work, now=now)


def _expire_leases(runtime: Runtime, tx: Transaction) -> int:
    now = runtime.clock()
    return leases.recover_claimed(tx, now=now) + leases.lose_submitting(tx, now=now)
