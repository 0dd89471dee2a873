"""Checks of this host: the data folder, its free space, and the public address with the proxies in front."""

import http.client
import json
import shutil
import ssl
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final
from urllib.parse import urlsplit

from campaign.checks.findings import Finding, Level, fine, unknown
from campaign.security.tokens import DOCTOR_HEADER, Purpose, Tokens
from campaign.settings import Settings

LITTLE: Final = 1_000_000_000
"""Bytes free under which an admin should look."""

TOO_LITTLE: Final = 50_000_000
"""Bytes free under which journals may fail."""

TIMEOUT: Final = 5.0
"""Seconds for the public address to answer."""


def data_folder(settings: Settings) -> Finding:
    """Whether the data folder takes files, or can be made, and has space."""
    check, folder = "host.data", settings.data
    place = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
    why = "Workers keep their journals there: without it they send nothing."
    try:
        with TemporaryFile(dir=place) as file:
            file.write(b"0" * 4096)
            file.flush()
        free = shutil.disk_usage(place).free
    except OSError as error:
        remedy = "Let the user who runs Countersign write there (chown), or name another folder in COUNTERSIGN_DATA."
        return Finding(check, Level.STOP, f"The data folder {folder} can’t be written: {error.strerror}.", why, remedy)
    if free < LITTLE:
        level = Level.STOP if free < TOO_LITTLE else Level.LOOK
        remedy = "Free some, or name a folder on another disk in COUNTERSIGN_DATA."
        what = f"The disk of the data folder has {free // 10**6:,} MB left."
        return Finding(check, level, what, why, remedy, passes=True)
    return fine(check, f"The data folder takes files; its disk has {free // 10**9:,} GB left.")


def public_address(settings: Settings) -> list[Finding]:
    """Ask our own public address, and see how many proxies the request came through."""
    check = "site.address"
    if not settings.keys:
        return [unknown(check, "there are no instance keys")]
    try:
        status, seen = _ask(settings)
    except ssl.SSLError as error:
        reason = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason
        return [_distrusted(settings, reason)]
    except (OSError, http.client.HTTPException) as error:
        return [_unreachable(settings, _words(error))]
    forwarded = seen.get("forwarded")
    if not isinstance(forwarded, int):
        return [
            Finding(
                check,
                Level.LOOK,
                f"{settings.base_url} answers, but not this installation (status {status}).",
                "Links in emails lead to that address.",
                "Start `countersign web` with the same keys, and let the proxy lead to it.",
            )
        ]
    return [fine(check, f"{settings.base_url} leads to this installation."), _proxies(settings, forwarded)]


def _words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _unreachable(settings: Settings, reason: str) -> Finding:
    return unknown(
        "site.address",
        f"{settings.base_url} does not answer from this host: {reason}",
        remedy="Start web and proxy, or run this where the address can be reached.",
    )


def _distrusted(settings: Settings, reason: str) -> Finding:
    name = urlsplit(settings.base_url).hostname
    return Finding(
        "site.address",
        Level.LOOK,
        f"The certificate of {settings.base_url} is refused: {reason}.",
        "Browsers that don’t know its authority show a warning instead of the petition.",
        f"Get a certificate for {name} that browsers trust (certbot), or make its authority known to this host.",
    )


def _ask(settings: Settings) -> tuple[int, dict[str, object]]:
    parts = urlsplit(settings.base_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "localhost", parts.port, timeout=TIMEOUT)
    try:
        token = Tokens(settings.keys).sign_text(Purpose.DOCTOR, "proxies")
        connection.request("GET", "/healthz/proxies", headers={DOCTOR_HEADER: token})
        answer = connection.getresponse()
        try:
            seen = json.loads(answer.read(10_000))
        except ValueError:
            seen = {}
        return answer.status, seen if isinstance(seen, dict) else {}
    finally:
        connection.close()


def _proxies(settings: Settings, forwarded: int) -> Finding:
    check = "site.proxies"
    if forwarded == settings.proxies:
        return fine(check, f"COUNTERSIGN_PROXIES is {forwarded}, as requests come.")
    why = (
        "All visitors are taken for one network, and their confirmations wait for each other."
        if forwarded > settings.proxies
        else "Visitors can write themselves the address by which limits of networks go."
    )
    return Finding(
        check,
        Level.STOP,
        f"Requests come through {forwarded} proxies (X-Forwarded-For), but COUNTERSIGN_PROXIES is {settings.proxies}.",
        why,
        f"Set COUNTERSIGN_PROXIES={forwarded}, or let the proxy write X-Forwarded-For.",
    )
