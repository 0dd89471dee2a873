"""The local mail server: keeps what it receives in a folder, and a reader for the pages that show it.

Each message is two files: ``<id>.eml``, the bytes as received, and ``<id>.json``, what a list shows. The second is
written last, and both appear whole (written aside, then renamed), so that a reader never sees half a message.
"""

import email.header
import json
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from campaign.errors import NotFoundError
from campaign.local.mailserver import running
from campaign.local.mailserver.protocol import Answer, Rules, Transaction

MAX_MESSAGES: Final = 10_000
"""Older ones are removed (two files each); a demonstration does not need more, and a folder stays quick to list."""

PRUNE_EVERY: Final = 250
_ID = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}")
_HEADER = rb"(?im)^%s:[ \t]*((?:.|\n[ \t])*)"


@dataclass(frozen=True)
class StoredMail:
    """One line of the mailbox. ``to`` is the envelope's recipient, ``mail_from`` its return address."""

    id: str
    to: str
    from_: str
    mail_from: str
    subject: str
    kind: str
    received_at: datetime


class Mailbox:
    """Reads the folder. Messages never change, so each is read once; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, StoredMail] = {}

    def messages(self, *, limit: int | None = None) -> list[StoredMail]:
        """What was received, newest first."""
        found = []
        for mail_id in sorted(_ids(self._folder), reverse=True)[:limit]:
            mail = self._known.get(mail_id) or self._read(mail_id)
            if mail is not None:
                self._known[mail_id] = mail
                found.append(mail)
        return found

    def raw(self, mail_id: str) -> bytes:
        """The bytes as received.

        Raises:
            NotFoundError: for an id that is not there, or is no id.
        """
        if not _ID.fullmatch(mail_id):
            raise NotFoundError("There is no such message.")
        try:
            return (self._folder / f"{mail_id}.eml").read_bytes()
        except OSError:
            raise NotFoundError("There is no such message.") from None

    def clear(self) -> None:
        """Remove all messages."""
        for mail_id in _ids(self._folder):
            _remove(self._folder, mail_id)
        self._known.clear()

    def _read(self, mail_id: str) -> StoredMail | None:
        try:
            found = json.loads((self._folder / f"{mail_id}.json").read_bytes())
        except (OSError, ValueError):
            # Removed since the folder was listed.
            return None
        return StoredMail(
            id=mail_id,
            to=found["to"],
            from_=found["from"],
            mail_from=found["mail_from"],
            subject=found["subject"],
            kind=found["kind"],
            received_at=datetime.fromisoformat(found["received_at"]),
        )


class MailboxRules(Rules):
    """Accepts everything and stores it."""

    def __init__(self, folder: Path, *, keep: int = MAX_MESSAGES) -> None:
        self._folder = folder
        self._keep = keep
        self._since_pruning = 0
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def message(self, transaction: Transaction, data: bytes) -> Answer:
        """Store one message, once for each recipient."""
        for recipient in transaction.recipients:
            stored = self._store(transaction.mail_from, recipient, data)
        self._since_pruning += 1
        if self._since_pruning >= PRUNE_EVERY:
            self._since_pruning = 0
            for mail_id in sorted(_ids(self._folder))[: -self._keep]:
                _remove(self._folder, mail_id)
        return f"250 2.0.0 Stored as {stored}\r\n".encode()

    def _store(self, mail_from: str, recipient: str, data: bytes) -> str:
        mail_id = f"{time.time_ns():016x}-{secrets.token_hex(4)}"
        head = data.partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n")
        shown = {
            "to": recipient,
            "from": _header(head, b"From"),
            "mail_from": mail_from,
            "subject": _header(head, b"Subject"),
            "kind": _header(head, b"X-Countersign-Kind"),
            "received_at": datetime.now(UTC).isoformat(),
        }
        self._write(f"{mail_id}.eml", data)
        self._write(f"{mail_id}.json", json.dumps(shown).encode())
        return mail_id

    def _write(self, name: str, content: bytes) -> None:
        aside = self._folder / f".{name}"
        with aside.open("wb", buffering=0) as file:
            file.write(content)
        aside.rename(self._folder / name)


def serve(folder: Path, *, host: str, port: int) -> None:
    """Receive mail into ``folder`` until SIGTERM or SIGINT.

    Raises:
        EngineError: when the port is taken.
    """
    running.run(MailboxRules(folder), host=host, port=port)


def _ids(folder: Path) -> list[str]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return [name[:-5] for name in names if name.endswith(".json") and _ID.fullmatch(name[:-5])]


def _remove(folder: Path, mail_id: str) -> None:
    for ending in ("json", "eml"):
        (folder / f"{mail_id}.{ending}").unlink(missing_ok=True)


def _header(head: bytes, name: bytes) -> str:
    """One header, decoded, for show."""
    found = re.search(_HEADER % name, head)
    if found is None:
        return ""
    value = found[1].decode("utf-8", "replace").replace("\n", "")
    if "=?" not in value:
        return value
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (LookupError, UnicodeError, email.errors.HeaderParseError):
        return value
