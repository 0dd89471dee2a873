"""Whether somewhere reads what comes back: the return mailbox of RETURN_MAILBOX_URL, or webhooks."""

import os
import socket
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from campaign.checks.findings import Finding, Level, fine
from campaign.feedback.imap import look_at
from campaign.feedback.maildir import MailboxError
from campaign.settings import Settings

CHECK: Final = "mail.returned"
WHY: Final = "Addresses that bounce get every update again, and mail providers come to distrust this site."
PATIENCE: Final = 3.0
"""Seconds until LMTP must answer; it is on this machine."""


def check(settings: Settings) -> Finding:
    """Look at the return mailbox as the worker would, without taking anything out of it."""
    url = settings.return_mailbox_url
    if not url:
        return _without(settings)
    scheme = urlsplit(url).scheme
    if scheme == "maildir":
        return _maildir(Path(unquote(urlsplit(url).path)))
    if scheme == "lmtp":
        return _lmtp(url)
    host = urlsplit(url).hostname or ""
    try:
        waiting = look_at(url, ca_file=settings.return_mailbox_ca_file)
    except MailboxError as error:
        remedy = "Correct RETURN_MAILBOX_URL; special characters of its password are percent-encoded, @ as %40."
        return Finding(CHECK, Level.STOP, f"{_sentence(str(error))}", WHY, remedy)
    return fine(CHECK, f"The return mailbox at {host} can be read; unread emails in it: {waiting}.")


def _without(settings: Settings) -> Finding:
    hooks = (
        settings.hook_ses_topic, settings.hook_sendgrid_key, settings.hook_mailgun_key, settings.hook_postmark,
        settings.hook_brevo, settings.hook_postal_key, settings.hook_generic_key,
    )  # fmt: skip
    if any(hooks):
        return fine(CHECK, "A mail provider reports bounces by webhook.")
    if settings.local_mailbox:
        return fine(CHECK, "Email goes to the mailbox in the browser: nothing comes back.")
    return Finding(
        CHECK,
        Level.LOOK,
        "Bounces are not read: RETURN_MAILBOX_URL is empty, and no webhook is set up.",
        WHY,
        "Set RETURN_MAILBOX_URL, or the key of your provider’s webhook.",
    )


def _maildir(folder: Path) -> Finding:
    for name in ("new", "cur"):
        path = folder / name
        if not path.is_dir():
            remedy = "Correct RETURN_MAILBOX_URL, or let the mail server create the Maildir by its first delivery."
            return Finding(CHECK, Level.STOP, f"{folder} is no Maildir: it has no folder {name}.", WHY, remedy)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            what = f"The folder {path} of the return mailbox can’t be read and changed by this user."
            remedy = "Run this command as the user of the worker; if it is that user, give it rights to the folder."
            return Finding(CHECK, Level.STOP, what, WHY, remedy)
    return fine(CHECK, f"The return mailbox {folder} can be read.")


def _lmtp(url: str) -> Finding:
    parts = urlsplit(url)
    try:
        greeting = _greeting(parts.hostname, parts.port, unquote(parts.path))
    except OSError as error:
        what = f"Nothing listens at {url}: {error.strerror or error}."
        remedy = "The worker of the bulk lane listens there: start it, and look at its log."
        return Finding(CHECK, Level.LOOK, what, WHY, remedy, passes=True)
    if not greeting.startswith(b"220") or b"Countersign" not in greeting:
        what = f"Another program listens at {url}."
        return Finding(CHECK, Level.STOP, what, WHY, "Choose another port or socket for RETURN_MAILBOX_URL.")
    return fine(CHECK, f"Returned mail is taken at {url}.")


def _greeting(host: str | None, port: int | None, path: str) -> bytes:
    if host:
        with socket.create_connection((host, port or 24), timeout=PATIENCE) as connection:
            return connection.recv(512)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(path)
        return connection.recv(512)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].rstrip(".") + "."
