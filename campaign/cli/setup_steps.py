"""The steps of `countersign setup`: each finds out whether it was done before, and a later run takes up the rest."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from campaign.accounts import accounts, sign_in
from campaign.accounts.accounts import Role
from campaign.checks import database, doctor, mail, relays
from campaign.checks.findings import Level
from campaign.cli import env_file
from campaign.cli.account import refused
from campaign.cli.petition import RefusedInputError
from campaign.database import causes, migrate
from campaign.errors import CountersignError, InvalidInputError, SettingsError
from campaign.mail import zone
from campaign.mail.dkim import load_key
from campaign.runtime import Runtime, build
from campaign.security import keys, private_files
from campaign.settings import LOCAL_HOSTS, Settings, load_settings
from campaign.variables import format_keys

DKIM_FILES = {"COUNTERSIGN_DKIM_KEY_FILE": False, "COUNTERSIGN_DKIM_ED25519_KEY_FILE": True}
"""Variables of DKIM keys, and whether the key is Ed25519."""


class Outcome(StrEnum):
    """How a step ended."""

    DONE = "done"
    THERE = "there"
    """It had been done before; nothing was changed."""
    FAILED = "failed"
    LEFT = "left"
    """Not tried: a step before it has failed."""


@dataclass(frozen=True)
class Step:
    """One step and how it ended, in a sentence without secrets."""

    name: str
    outcome: Outcome
    what: str


@dataclass(frozen=True)
class Plan:
    """What is to be set up."""

    path: Path
    """The file of settings."""
    present: Mapping[str, str]
    """What the file has."""
    changed: Mapping[str, str]
    """What is to be written into it."""
    admin: Callable[[], tuple[str, str] | None]
    """Asks for address and name of the first admin; called if there is no admin. None: neither was given."""
    admin_email: str = ""
    """The address that was named, if one was: it is given a link even if it has an account already."""

    @property
    def values(self) -> dict[str, str]:
        """All variables as they are afterwards."""
        return {**self.present, **self.changed}


class _StepError(Exception):
    """Raised to end a step that failed; the text says why."""


def run(plan: Plan) -> Iterator[Step]:
    """Do all steps in order; yields each when it has ended.

    A failed step leaves those before it as they are; steps that need it are not tried.
    """
    yield from _both(plan)
    try:
        settings = load_settings(plan.values | _written_keys(plan))
    except CountersignError as error:
        yield Step("settings", Outcome.FAILED, _words(error))
        yield from (Step(name, Outcome.LEFT, "the settings come first") for name in ("database", "admin"))
        return
    tables = _guarded("database", lambda: _database(settings))
    yield tables
    if tables.outcome is Outcome.FAILED:
        yield Step("admin", Outcome.LEFT, "the database comes first")
    else:
        yield _guarded("admin", lambda: _admin(plan, settings))
    yield _guarded("Redis", lambda: _redis(settings))
    yield _guarded("mail server", lambda: _mail_servers(settings))


def _both(plan: Plan) -> Iterator[Step]:
    """Keys, then the settings that name them."""
    for variable, ed25519 in DKIM_FILES.items():
        if path := plan.values.get(variable):
            yield _guarded("DKIM key", lambda path=Path(path), kind=ed25519: _dkim(path, ed25519=kind))  # type: ignore[misc]
    yield _guarded("settings", lambda: _settings_file(plan))


def _guarded(name: str, work: Callable[[], tuple[Outcome, str]]) -> Step:
    try:
        return Step(name, *work())
    except (CountersignError, RefusedInputError, _StepError, OSError, *causes.ERRORS) as error:
        return Step(name, Outcome.FAILED, _words(error))


def _words(error: Exception) -> str:
    if isinstance(error, SettingsError):
        return " ".join(f"{problem}." for problem in error.problems)
    if isinstance(error, RefusedInputError):
        return error.message
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'} can't be used: {error.strerror}."
    return causes.cause_of(error).sentence if isinstance(error, causes.ERRORS) else str(error)


def _dkim(path: Path, *, ed25519: bool) -> tuple[Outcome, str]:
    if path.exists():
        load_key(path, domain="", selector=str(path))
        return Outcome.THERE, f"{path} has a key."
    keys.make_dkim_key(path, ed25519=ed25519)
    return Outcome.DONE, f"{path} has a new {'Ed25519' if ed25519 else 'RSA'} key."


def _written_keys(plan: Plan) -> dict[str, str]:
    """The keys as the file has them now."""
    try:
        return {"COUNTERSIGN_KEYS": env_file.read(plan.path).get("COUNTERSIGN_KEYS", "")}
    except SettingsError:
        return {}


def _settings_file(plan: Plan) -> tuple[Outcome, str]:
    changed = dict(plan.changed)
    if not plan.values.get("COUNTERSIGN_KEYS"):
        changed["COUNTERSIGN_KEYS"] = format_keys([keys.new_key()])
    if not changed:
        return Outcome.THERE, f"{plan.path} has all that is needed."
    text = plan.path.read_text(encoding="utf-8") if plan.path.exists() else HEAD
    private_files.write(plan.path, env_file.with_values(text, changed).encode())
    return Outcome.DONE, f"{plan.path} has new values for {', '.join(changed)}."


HEAD = (
    "# Written by `countersign setup`; the systemd units and the command countersign read it by the rules of systemd.\n"
    "# A comment has a line of its own. All settings: docs/settings.md.\n"
)


def _database(settings: Settings) -> tuple[Outcome, str]:
    stops = [finding for finding in database.check(settings) if finding.level is Level.STOP]
    if others := [finding.sentence for finding in stops if finding.check != "database.migrations"]:
        raise _StepError(" ".join(others))
    if not stops:
        return Outcome.THERE, "The tables are those of this release."
    migrate.upgrade(settings.database_url)
    return Outcome.DONE, f"The tables are made: {migrate.head()}."


def _admin(plan: Plan, settings: Settings) -> tuple[Outcome, str]:
    runtime = build(settings, pool_size=1)
    try:
        return _admin_in(plan, runtime)
    finally:
        runtime.close()


def _admin_in(plan: Plan, runtime: Runtime) -> tuple[Outcome, str]:
    there = [one for one in accounts.list_all(runtime) if one.is_admin and not one.disabled]
    if plan.admin_email and (found := accounts.find(runtime, plan.admin_email)) and found in there:
        return Outcome.THERE, f"The account is there. Sign in within twelve hours: {_link(runtime, found.id)}"
    if there and not plan.admin_email:
        return Outcome.THERE, "There is an admin. A link to sign in: countersign account sign-in-link <address>"
    named = plan.admin()
    if named is None:
        raise _StepError("There is no admin yet: add --admin-email and --admin-name.")
    email, name = named
    try:
        made = accounts.create(runtime, email=email, name=name, role=Role.ADMIN)
    except InvalidInputError as error:
        raise refused(error) from None
    return Outcome.DONE, f"The account is made. Sign in within twelve hours: {_link(runtime, made)}"


def _link(runtime: Runtime, account_id: int) -> str:
    return sign_in.sign_in_link(runtime, account_id)


def _redis(settings: Settings) -> tuple[Outcome, str]:
    if found := doctor.trouble_of_redis(settings):
        raise _StepError(" ".join(finding.sentence for finding in found))
    return Outcome.THERE, "Redis answers."


def _mail_servers(settings: Settings) -> tuple[Outcome, str]:
    found = relays.check_all(settings)
    if stops := [finding.sentence for finding in found if finding.level is Level.STOP]:
        raise _StepError(" ".join(stops))
    return Outcome.THERE, " ".join(finding.what for finding in found if finding.check != "smtp.url")


def zone_of(settings: Settings) -> list[str]:
    """The DNS records for these settings.

    Raises:
        SettingsError: a DKIM key can't be used.
    """
    return list(
        zone.records(
            host=settings.host,
            sender=settings.mail_domain,
            back=settings.return_domain,
            keys=mail.dkim_keys(settings),
            relays=[urlsplit(url).hostname or "" for url in settings.smtp_url.split()],
            local=LOCAL_HOSTS,
        )
    )
