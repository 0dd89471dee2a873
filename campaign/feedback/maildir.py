"""A return mailbox in a Maildir folder, as Postfix and Dovecot deliver to it."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from campaign.errors import CountersignError
from campaign.feedback.mailboxes import Receipt, receive
from campaign.feedback.returned import MAX_MAIL
from campaign.runtime import Runtime

AT_ONCE: Final = 500
"""Mails of one reading; the next one takes the others."""


class MailboxError(CountersignError):
    """Raised when a return mailbox can't be read; the sentence says why and what to do."""


def read_maildir(runtime: Runtime, folder: Path, *, limit: int = AT_ONCE) -> Counter[Receipt]:
    """Read what is new in a Maildir.

    Mail to a return address of ours is deleted once it is stored. All other mail stays and is marked as seen, in case
    the folder belongs to someone else.

    Args:
        runtime: the runtime.
        folder: the Maildir, with ``new`` and ``cur`` in it.
        limit: mails to read at most.

    Raises:
        MailboxError: it can't be read, or mail in it can't be moved; all other mail in it is read by then.
        StoreUnavailableError: the database does not answer; what was not stored stays new.
    """
    receipts: Counter[Receipt] = Counter()
    failed: list[OSError] = []
    try:
        paths = list(_new(folder, limit))
    except FileNotFoundError:
        raise MailboxError(f"{folder} is no Maildir: it has no folders new and cur") from None
    except OSError as error:
        raise MailboxError(f"the return mailbox {folder} can't be read: {error.strerror}") from None
    for path in paths:
        try:
            _take(runtime, folder, path, receipts)
        except OSError as error:
            # One file must not hold up those behind it.
            failed.append(error)
    if failed:
        number = f"{len(failed)} of {len(paths)} files"
        raise MailboxError(f"{number} in the return mailbox {folder} can't be read or moved: {failed[0].strerror}")
    return receipts


def _take(runtime: Runtime, folder: Path, path: Path, receipts: Counter[Receipt]) -> None:
    raw = _read(path)
    if raw is None:
        return
    receipt, is_ours = receive(runtime, raw)
    receipts[receipt] += 1
    if is_ours:
        path.unlink(missing_ok=True)
    else:
        with suppress(FileNotFoundError):
            path.rename(folder / "cur" / f"{path.name.partition(':')[0]}:2,S")


def _read(path: Path) -> bytes | None:
    """The beginning of a mail; None if another process has read it meanwhile."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_MAIL + 1)
    except FileNotFoundError:
        return None


def _new(folder: Path, limit: int) -> Iterator[Path]:
    if not (folder / "cur").is_dir():
        raise FileNotFoundError
    with os.scandir(folder / "new") as entries:
        names = sorted(entry.name for entry in entries if entry.is_file() and not entry.name.startswith("."))
    yield from (folder / "new" / name for name in names[:limit])
