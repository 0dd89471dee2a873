"""The journal of a sending process: what it was about to hand over, and what the mail server acknowledged.

One short line per step, written with one ``os.write`` before the next step, so that the death of the process (not of
the machine) forgets nothing. A lock on the file tells the living from the dead. After a crash of the whole machine the
boot id differs, the journal may be short of its last lines, and what it does not settle is uncertain.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from campaign.database.connection import Transaction
from campaign.outbox import leases, workers
from campaign.runtime import Runtime
from campaign.states import Lane

_LINE = re.compile(rb"([SAN]) (\d+)\n")


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


class Journal:
    """The open journal of one sending process."""

    def __init__(self, folder: Path, owner_id: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{owner_id}.journal"
        self._file = _open_locked(self.path)
        os.write(self._file, f"boot {_boot_id()}\n".encode())
        self._noted = False

    def submit(self, message_id: int) -> None:
        """Note, before the wire, that a message may now reach the server."""
        self._noted = True
        os.write(self._file, b"S %d\n" % message_id)

    def accept(self, message_id: int) -> None:
        """Note that the server took a message: 250 after the final dot."""
        os.write(self._file, b"A %d\n" % message_id)

    def refuse(self, message_id: int) -> None:
        """Note that the server certainly does not have a message."""
        os.write(self._file, b"N %d\n" % message_id)

    def settled(self) -> None:
        """Forget everything: the database has recorded all outcomes."""
        if not self._noted:
            return
        self._noted = False
        os.ftruncate(self._file, 0)
        os.write(self._file, f"boot {_boot_id()}\n".encode())

    def close(self, *, remove: bool = True) -> None:
        """End the journal; a clean end leaves no file."""
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


@dataclass(frozen=True)
class CrashEvidence:
    """What a dead process left: evidence about the messages it held."""

    owner_id: int
    path: Path
    submitted: frozenset[int]
    accepted: frozenset[int]
    refused: frozenset[int]
    complete: bool

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
    boot = re.match(rb"boot (\S+)\n", raw)
    return CrashEvidence(
        owner_id=int(path.stem),
        path=path,
        submitted=marks[b"S"],
        accepted=marks[b"A"],
        refused=marks[b"N"],
        complete=boot is not None and boot[1].decode() == _boot_id(),
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
        legacy.path.unlink(missing_ok=True)
    return changed


def _settle_legacy(runtime: Runtime, tx: Transaction, legacy: CrashEvidence) -> int:
    now = runtime.clock()
    held = leases.held_by(tx, legacy.owner_id)
    states = {message_id: legacy.state_after(message_id, state) for message_id, state in held.items()}
    workers.stopped(tx, legacy.owner_id, now=now)
    for lane in Lane:
        tx.nudge(lane)
    return leases.resolve(tx, legacy.owner_id, states, now=now)


def _expire_leases(runtime: Runtime, tx: Transaction) -> int:
    now = runtime.clock()
    return leases.recover_claimed(tx, now=now) + leases.lose_submitting(tx, now=now)
