"""All checks of an installation, and those that web and workers need at their start."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from campaign.checks import database, host, keys, mail, names, redis, relays, return_mailbox
from campaign.checks.findings import Finding, Level, fine, unknown
from campaign.checks.names import NameServer
from campaign.errors import SettingsError
from campaign.settings import Settings

Check = Callable[[], list[Finding]]

ORDER: Final = {Level.STOP: 0, Level.LOOK: 1, Level.UNKNOWN: 2, Level.FINE: 3}
"""What an admin should read first."""


def examine(settings: Settings, *, server: NameServer, more: Sequence[Check] = ()) -> list[Finding]:
    """Run all checks at the same time; what is to be mended comes first.

    Args:
        settings: read without a mistake.
        server: whom to ask about names.
        more: further checks, of what this room does not know.
    """
    checks: list[Check] = [
        lambda: [fine("settings", "The settings can be read.")],
        lambda: _database(settings),
        lambda: _redis(settings),
        lambda: relays.check_all(settings),
        lambda: [return_mailbox.check(settings)],
        lambda: [mail.check_keys(settings), keys.check_files(settings)],
        lambda: names.check_all(settings, server),
        lambda: [host.data_folder(settings)],
        lambda: host.public_address(settings),
        *more,
    ]
    with ThreadPoolExecutor(max_workers=len(checks)) as pool:
        found = [finding for findings in pool.map(lambda check: check(), checks) for finding in findings]
    return sorted(found, key=lambda finding: ORDER[finding.level])


def before_start(settings: Settings) -> list[Finding]:
    """The quick and local checks: what is wrong with the settings, the host and the database."""
    found = [
        *relays.check_urls(settings),
        mail.check_keys(settings),
        keys.check_files(settings),
        host.data_folder(settings),
        *_database(settings),
    ]
    return [finding for finding in found if finding.level is Level.STOP]


def trouble_of_redis(settings: Settings) -> list[Finding]:
    """Why Redis is of no use now: work continues without it, slower."""
    return [finding for finding in _redis(settings) if finding.level is Level.STOP]


def _database(settings: Settings) -> list[Finding]:
    if not settings.database_url:
        reason = "DATABASE_URL is empty, and the PostgreSQL of `countersign up` does not run"
        return [unknown("database.log_in", reason, remedy="Set DATABASE_URL, or start `countersign up`.")]
    try:
        return database.check(settings)
    except SettingsError as error:
        return [Finding("database.log_in", Level.STOP, problem) for problem in error.problems]


def _redis(settings: Settings) -> list[Finding]:
    if not settings.redis_url:
        reason = "REDIS_URL is empty, and the Redis of `countersign up` does not run"
        return [unknown("redis.log_in", reason, remedy="Set REDIS_URL, or start `countersign up`.")]
    return redis.check(settings)
