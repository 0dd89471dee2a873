"""Retention keys: one file outside the database and its backups, with a key for the petitions of each quarter.

A line is a name, 32 bytes in base64 and the day on which the key was made; of a key that was destroyed the name stays,
with the word ``retired`` and the day. Destroying a key makes what it wrapped unreadable everywhere. Docs: ADR 22.
"""

import base64
import secrets
import threading
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from campaign.errors import NotFoundError
from campaign.security.encryption import DecryptionError, RetiredKeyError
from campaign.security.keys import KeyFileError, replace_file

HEAD: Final = "# Retention keys of Countersign: keep this file apart from the backups of the database.\n"
RETIRED: Final = "retired"


@dataclass(frozen=True)
class RetentionKey:
    """One key; the secret is empty once it was destroyed."""

    name: str
    day: date
    """When it was made, or destroyed."""
    secret: bytes = field(default=b"", repr=False)

    @property
    def is_retired(self) -> bool:
        """True if it was destroyed."""
        return not self.secret

    @property
    def line(self) -> str:
        """As it is written in the file."""
        kept = RETIRED if self.is_retired else base64.b64encode(self.secret).decode()
        return f"{self.name} {kept} {self.day.isoformat()}\n"


def quarter(day: date) -> str:
    """The quarter of a day, as names of keys begin, e.g. ``2026q4``."""
    return f"{day.year}q{(day.month + 2) // 3}"


class RetentionKeys:
    """The keys of a file, read anew when it changes. Threads may share one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version: object = None
        self._keys: dict[str, RetentionKey] = {}
        self._turn = threading.Lock()

    def all(self) -> list[RetentionKey]:
        """All keys by name, those that were destroyed included; none if there is no file yet.

        Raises:
            KeyFileError: the file can't be read, or a line is none.
        """
        return sorted(self._read().values(), key=lambda key: key.name)

    def secret(self, name: str) -> bytes:
        """The secret of a key.

        Raises:
            RetiredKeyError: it was destroyed.
            DecryptionError: the file does not list it.
            KeyFileError: the file can't be read.
        """
        key = self._read().get(name)
        if key is None:
            raise DecryptionError(f"data is sealed with the retention key {name!r}, which {self.path} does not list")
        if key.is_retired:
            raise RetiredKeyError(f"the retention key {name!r} was destroyed on {key.day}")
        return key.secret

    def of_quarter(self, wanted: str, *, made_before: date) -> RetentionKey | None:
        """The newest key of a quarter among those made before a day and not destroyed."""
        fit = (key for key in self.all() if key.name.startswith(f"{wanted}.") and not key.is_retired)
        return max((key for key in fit if key.day < made_before), key=lambda key: (key.day, key.name), default=None)

    def add(self, wanted: str, *, today: date) -> RetentionKey:
        """Make a key for a quarter.

        Raises:
            KeyFileError: the file can't be written.
        """
        key = RetentionKey(f"{wanted}.{secrets.token_hex(3)}", today, secrets.token_bytes(32))
        self._write([*self.all(), key])
        return key

    def retire(self, name: str, *, today: date) -> None:
        """Destroy a key: the file keeps its name alone.

        Raises:
            NotFoundError: there is no such key.
            KeyFileError: the file can't be written.
        """
        keys = self._read()
        if name not in keys:
            raise NotFoundError(f"there is no retention key {name}")
        if not keys[name].is_retired:
            gone = replace(keys[name], secret=b"", day=today)
            self._write([gone if key.name == name else key for key in self.all()])

    def _write(self, keys: list[RetentionKey]) -> None:
        replace_file(self.path, (HEAD + "".join(key.line for key in keys)).encode())

    def _read(self) -> dict[str, RetentionKey]:
        with self._turn:
            try:
                found = self.path.stat()
                version = (found.st_ino, found.st_mtime_ns, found.st_size)
                if version != self.version:
                    self._keys = _parse(self.path)
                    self.version = version
            except FileNotFoundError:
                self._keys, self.version = {}, None
            except OSError as problem:
                raise KeyFileError(
                    f"The file of retention keys {self.path} can't be read: {problem.strerror}."
                ) from None
            return self._keys


def _parse(path: Path) -> dict[str, RetentionKey]:
    keys = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, kept, day = line.split()
            secret = b"" if kept == RETIRED else base64.b64decode(kept, validate=True)
            key = RetentionKey(name, date.fromisoformat(day), secret)
        except ValueError:
            raise KeyFileError(f"Line {number} of {path} is no retention key.") from None
        if len(secret) not in {0, 32} or "." not in name:
            raise KeyFileError(f"Line {number} of {path} is no retention key.")
        keys[name] = key
    return keys
