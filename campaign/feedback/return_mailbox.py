"""The return mailbox that RETURN_MAILBOX_URL names: read by a job, or delivered to by LMTP."""

import logging
import threading
from collections import Counter
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from campaign.errors import CountersignError
from campaign.feedback.imap import read_imap
from campaign.feedback.lmtp import serve_lmtp
from campaign.feedback.mailboxes import Receipt, summary
from campaign.feedback.maildir import MailboxError, read_maildir
from campaign.runtime import Runtime

log = logging.getLogger(__name__)

SECONDS: Final = 60.0
"""Time of one reading, well within the limit of a task; the next one continues."""

RETRY_AFTER: Final = 10.0
"""Seconds after which a process tries again to listen: another one of this machine does, or the address is taken."""


def is_lmtp(url: str) -> bool:
    """True if mail is delivered to us, so that there is nothing to fetch."""
    return urlsplit(url).scheme == "lmtp"


def read_mailbox(runtime: Runtime, url: str) -> Counter[Receipt]:
    """Read what is new in a mailbox.

    Args:
        runtime: the runtime.
        url: ``maildir:/path`` or ``imaps://user:password@host/Folder``.

    Raises:
        MailboxError: it can't be read.
        StoreUnavailableError: the database does not answer.
    """
    parts = urlsplit(url)
    if parts.scheme == "maildir":
        return read_maildir(runtime, Path(unquote(parts.path)))
    if parts.scheme == "lmtp":
        raise MailboxError("mail is delivered to a return mailbox of lmtp:// by itself: there is nothing to read")
    return read_imap(runtime, url, ca_file=runtime.settings.return_mailbox_ca_file, seconds=SECONDS)


def read_configured(runtime: Runtime) -> str:
    """The job: read the mailbox of the settings; what became of it in words, for the monitor."""
    url = runtime.settings.return_mailbox_url
    if not url or is_lmtp(url):
        return ""
    try:
        return summary(read_mailbox(runtime, url))
    except MailboxError as error:
        log.warning("%s", error)
        return f"failed: {error}"


class LmtpListener:
    """A thread of a worker process that listens for returned mail; of the processes of a machine one does."""

    def __init__(self, runtime: Runtime, url: str) -> None:
        self._runtime = runtime
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lmtp", daemon=True)

    def start(self) -> None:
        """Begin to listen, now or as soon as no other process does."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, after what is being stored."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with serve_lmtp(self._runtime, self._url):
                    log.info("returned mail is taken at %s", self._url)
                    self._stop.wait()
            except CountersignError as error:
                log.debug("%s", error)
                self._stop.wait(RETRY_AFTER)
