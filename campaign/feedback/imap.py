"""A return mailbox at an IMAP server (RFC 9051), over TLS."""

import imaplib
import math
import re
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from campaign.feedback.mailboxes import Receipt, receive
from campaign.feedback.maildir import MailboxError
from campaign.feedback.returned import MAX_MAIL
from campaign.runtime import Runtime
from campaign.variables import LOCAL_HOSTS

AT_ONCE: Final = 200
"""Mails of one reading; the next one takes the others."""

TIMEOUT: Final = 20.0
"""Seconds until the server must answer."""

PORTS: Final = {"imaps": 993, "imap+starttls": 143, "imap": 143}


def read_imap(
    runtime: Runtime, url: str, *, ca_file: Path | None = None, seconds: float = math.inf, limit: int = AT_ONCE
) -> Counter[Receipt]:
    """Read the unseen mail of a folder.

    Mail to a return address of ours is deleted once it is stored. All other mail stays and is marked as seen, in case
    the folder belongs to someone else.

    Args:
        runtime: the runtime.
        url: ``imaps://user:password@host/Folder``; ``imap+starttls`` for port 143, ``imap`` on this machine alone.
        ca_file: an own certificate authority.
        seconds: no further mail is begun after this time.
        limit: mails to read at most.

    Raises:
        MailboxError: no connection, no TLS, wrong password, no such folder.
        StoreUnavailableError: the database does not answer; what was not stored stays unseen.
    """
    receipts: Counter[Receipt] = Counter()
    begun = time.monotonic()
    host = urlsplit(url).hostname or ""
    try:
        with _opened(url, ca_file) as server, _expunging(server) as stored:
            for uid in _unseen(server)[:limit]:
                if time.monotonic() - begun > seconds:
                    break
                raw = _fetch(server, uid)
                if raw is None:
                    continue
                receipt, is_ours = receive(runtime, raw)
                receipts[receipt] += 1
                if is_ours:
                    stored.append(uid)
                flags = r"(\Seen \Deleted)" if is_ours else r"(\Seen)"
                _checked(server.uid("STORE", uid, "+FLAGS.SILENT", flags))
    except UnicodeError:
        raise MailboxError("write the folder's name in modified UTF-7 (RFC 9051 appendix A.1)") from None
    except (imaplib.IMAP4.error, OSError) as error:
        raise MailboxError(f"the return mailbox at {host} can't be read: {_reason(error)}") from None
    return receipts


def look_at(url: str, *, ca_file: Path | None = None) -> int:
    """The number of unseen mails in a folder; changes nothing there.

    Raises:
        MailboxError: no connection, no TLS, wrong password, no such folder.
    """
    try:
        with _opened(url, ca_file, changes=False) as server:
            return len(_unseen(server))
    except (imaplib.IMAP4.error, OSError, UnicodeError) as error:
        host = urlsplit(url).hostname or ""
        raise MailboxError(f"the return mailbox at {host} can't be read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return re.sub(r"\s+", " ", said).strip("b'\" ")[:200] or "it broke off"


@contextmanager
def _opened(url: str, ca_file: Path | None, *, changes: bool = True) -> Iterator[imaplib.IMAP4]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    server: imaplib.IMAP4
    if parts.scheme == "imaps":
        server = imaplib.IMAP4_SSL(host, port, ssl_context=tls, timeout=TIMEOUT)
    else:
        if parts.scheme == "imap" and host not in LOCAL_HOSTS:
            raise MailboxError(
                "a return mailbox on another machine is read over TLS: write imaps:// or imap+starttls://"
            )
        server = imaplib.IMAP4(host, port, timeout=TIMEOUT)
    try:
        if parts.scheme == "imap+starttls":
            server.starttls(tls)
        _sign_in(server, unquote(parts.username or ""), unquote(parts.password or ""))
        folder = unquote(parts.path.strip("/")) or "INBOX"
        _checked(server.select('"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"', not changes))
        yield server
    finally:
        # After a handshake that failed there is no socket left to shut down.
        with suppress(OSError):
            server.shutdown()


def _sign_in(server: imaplib.IMAP4, user: str, password: str) -> None:
    if (user + password).isascii():
        server.login(user, password)
    else:
        # LOGIN takes ASCII alone; RFC 4616 says UTF-8.
        server.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())


@contextmanager
def _expunging(server: imaplib.IMAP4) -> Iterator[list[str]]:
    """Remove for good those mails that are put into the list, at the end, even if the database is away by then.

    With UIDPLUS (RFC 4315) nothing that the mailbox's owner marked as deleted is removed as well.
    """
    stored: list[str] = []
    try:
        yield stored
    finally:
        if stored and _knows_uidplus(server):
            _checked(server.uid("EXPUNGE", ",".join(stored)))
        elif stored:
            _checked(server.expunge())


def _knows_uidplus(server: imaplib.IMAP4) -> bool:
    """Asked anew: many servers tell all of their capabilities only after the sign-in."""
    return any(b"UIDPLUS" in line.upper().split() for line in _checked(server.capability()) if isinstance(line, bytes))


def _checked(answer: tuple[str, list[Any]]) -> list[Any]:
    status, data = answer
    if status != "OK":
        raise imaplib.IMAP4.error(b" ".join(one for one in data if isinstance(one, bytes)).decode("utf-8", "replace"))
    return data


def _unseen(server: imaplib.IMAP4) -> list[str]:
    [found] = _checked(server.uid("SEARCH", "UNSEEN", "UNDELETED"))[:1] or [b""]
    return found.decode("ascii", "replace").split() if isinstance(found, bytes) else []


def _fetch(server: imaplib.IMAP4, uid: str) -> bytes | None:
    """The first octets of a mail, without marking it as seen; None if it is gone meanwhile."""
    for item in _checked(server.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_MAIL + 1}>)")):
        if isinstance(item, tuple) and isinstance(item[1], bytes):
            return item[1]
    return None
