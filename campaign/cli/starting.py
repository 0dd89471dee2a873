"""What web and workers look at before they begin: what can't work ends them, with one sentence for each trouble."""

import os
import time
from collections.abc import Callable
from typing import Final

import click

from campaign import log_lines
from campaign.checks import doctor
from campaign.checks.findings import Finding
from campaign.errors import EngineError, SettingsError
from campaign.local.servers import places, ports
from campaign.settings import Settings

AGAIN: Final = 2.0
"""Seconds between two looks at a database that is not up yet."""

SAY_EVERY: Final = 60.0
"""Seconds after which a worker that waits says why once more."""

PREDECESSOR: Final = 3.0
"""Seconds for a web server that ends to give its port back."""


def start_log(settings: Settings) -> Settings:
    """Log as the settings say from here on; returns them."""
    if log_lines.asks_for_json(settings.log_format):
        log_lines.configure(level=settings.log_level)
    return settings


def check_web(settings: Settings) -> int:
    """Check what the web server needs. While the database is not up, pages answer 503: it starts all the same.

    Returns:
        The open descriptor of a lock, to be kept as long as the server runs: a second one on this port is refused,
        though both would let the kernel share it among them (SO_REUSEPORT).

    Raises:
        SettingsError: it can't work; names every trouble at once.
    """
    found = doctor.before_start(settings)
    lock, taken = _take_port(settings)
    if problems := [finding.sentence for finding in found if not finding.passes] + taken:
        if lock is not None:
            os.close(lock)
        raise SettingsError(problems)
    for finding in [*found, *doctor.trouble_of_redis(settings)]:
        _say(finding)
    return lock or -1


def await_worker(settings: Settings) -> None:
    """Check what a worker needs, and wait for a database that is not up yet.

    Raises:
        SettingsError: it can't work; names every trouble at once.
    """
    _await(lambda: doctor.before_start(settings))
    for finding in doctor.trouble_of_redis(settings):
        _say(finding)


def _await(check: Callable[[], list[Finding]]) -> None:
    said: dict[str, float] = {}
    while found := check():
        if problems := [finding.sentence for finding in found if not finding.passes]:
            raise SettingsError(problems)
        for finding in found:
            if time.monotonic() - said.get(finding.what, float("-inf")) >= SAY_EVERY:
                said[finding.what] = time.monotonic()
                _say(finding)
        time.sleep(AGAIN)


def _say(finding: Finding) -> None:
    sentence = f"{finding.what} Trying again." if finding.passes else finding.sentence
    if not log_lines.say(sentence):
        click.echo(sentence, err=True)


def _take_port(settings: Settings) -> tuple[int | None, list[str]]:
    """Lock the port for this server and see that nothing else listens there; the lock, or why not."""
    place = f"{settings.bind}-{settings.port}".replace(":", ".").replace("/", ".")
    try:
        lock = places.take(places.make_private(places.state(settings.data)) / f"web-{place}.lock", wait=PREDECESSOR)
    except (EngineError, OSError):
        # The data folder can't be used, which is a finding of its own.
        lock = None
    else:
        if lock is None:
            where = ports.named(settings.bind, settings.port)
            return None, [
                f"`countersign web` runs already at {where}. End it, or set COUNTERSIGN_PORT to another port."
            ]
    until = time.monotonic() + PREDECESSOR
    while True:
        try:
            ports.check_free(settings.bind, settings.port)
        except EngineError as error:
            if time.monotonic() > until:
                return lock, [str(error)]
            time.sleep(0.1)
        else:
            return lock, []
