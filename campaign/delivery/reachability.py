"""Whether the mail servers answer now: asked before an update is sent, not taken from what some lane saw last."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from campaign.errors import CountersignError, SessionFailedError
from campaign.settings import Settings
from campaign.smtp.probe import probe
from campaign.smtp.settings import SmtpSettings

PATIENCE: Final = 3.0
"""Seconds for an answer; a page waits for it."""


@dataclass(frozen=True)
class Answer:
    """What one mail server answered."""

    relay: str
    """host:port."""
    seconds: float
    failure: str = ""
    """Why there was no session, in the words of the server or of this machine; empty if there was one."""


def ask_relays(settings: Settings, *, patience: float = PATIENCE) -> list[Answer]:
    """Open a session with each mail server of SMTP_URL at the same time, and end it. No mail is sent.

    Args:
        settings: with an SMTP_URL that can be read.
        patience: seconds for each.
    """
    relays = {
        (made.host, made.port): made
        for url in settings.smtp_url.split()
        if (made := SmtpSettings.from_url(url, ehlo_name=settings.ehlo_name, ca_file=settings.smtp_ca_file))
    }
    if not relays:
        return []
    with ThreadPoolExecutor(max_workers=len(relays)) as pool:
        return list(pool.map(lambda relay: _ask(relay, patience), relays.values()))


def _ask(relay: SmtpSettings, patience: float) -> Answer:
    name, begun = f"{relay.host}:{relay.port}", time.monotonic()
    try:
        probe(relay, seconds=patience)
    except SessionFailedError as error:
        return Answer(name, time.monotonic() - begun, error.reason)
    except CountersignError as error:
        return Answer(name, time.monotonic() - begun, str(error))
    return Answer(name, time.monotonic() - begun)
