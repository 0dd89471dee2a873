"""Settings: one frozen object from the environment, the only reader of ``os.environ``."""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values

from campaign import variables
from campaign.errors import SettingsError
from campaign.variables import LOCAL_HOSTS, VARIABLES, InvalidError, Key, WarmUp

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: where templates/, static/ and translations/ stand."""

LANGUAGES = ("en", "de", "fa", "ur")
"""Languages that pages and mails are written in; the first is the fallback."""

FILES = ("dkim_key_file", "dkim_ed25519_key_file", "smtp_ca_file")
"""Fields that name files, which must be there."""


@dataclass(frozen=True)
class Settings:
    """All settings, checked. Secrets do not show in ``repr``."""

    port: int
    bind: str
    data: Path
    base_url: str
    keys: tuple[Key, ...] = field(repr=False)
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    redis_prefix: str
    smtp_url: str = field(repr=False)
    local_mailbox: bool
    smtp_ca_file: Path | None
    ehlo_name: str
    mail_from: str
    return_domain: str
    dkim_key_file: Path | None
    dkim_ed25519_key_file: Path | None
    dkim_selector: str
    dkim_ed25519_selector: str
    site_name: str
    postal_address: str
    contact: str
    web_workers: int
    web_threads: int
    lane: str
    urgent_processes: int
    bulk_processes: int
    proxies: int
    gmail_rules: bool
    retention_days: int
    confirm_days: int
    count_interval: int
    max_lateness: int
    metrics_token: str = field(repr=False)
    rate: int
    domain_rate: int
    warm_up: WarmUp | None
    log_level: str

    @property
    def host(self) -> str:
        """Host name of the base URL."""
        return urlsplit(self.base_url).hostname or "localhost"

    @property
    def is_local(self) -> bool:
        """True if the site is only reachable on this machine, so that plain http is accepted."""
        return self.host in LOCAL_HOSTS

    @property
    def mail_domain(self) -> str:
        """Domain of the From address: DKIM's d= and the right side of Message-ID and List-Id."""
        return self.mail_from.rpartition("@")[2]

    @property
    def key_folder(self) -> Path:
        """Folder of generated keys (mode 0700)."""
        return self.data / "keys"

    @property
    def mailbox_folder(self) -> Path:
        """Folder where the local mail server keeps what it received."""
        return self.data / "mailbox"


def _environment(env_file: Path) -> dict[str, str]:
    from_file = {name: value for name, value in dotenv_values(env_file).items() if value is not None}
    return {**from_file, **os.environ}


def load_settings(
    environ: Mapping[str, str] | None = None, *, env_file: Path = ROOT / ".env", **overrides: str
) -> Settings:
    """Read and check all settings.

    Args:
        environ: variables by name; the process environment over ``env_file`` if not given.
        env_file: a dotenv file, read only when ``environ`` is not given.
        overrides: field names of :class:`Settings` with values as text, stronger than the environment.

    Raises:
        SettingsError: names every missing or wrong variable at once.
    """
    source = dict(_environment(env_file) if environ is None else environ)
    source |= {VARIABLES[name].name: text for name, text in overrides.items()}
    values: dict[str, Any] = {}
    problems = []
    for name, variable in VARIABLES.items():
        try:
            values[name] = variable.parse(source.get(variable.name, variable.default))
        except InvalidError as problem:
            problems.append(f"{variable.name} {problem}")
    problems += _unknown(source)
    if problems:
        raise SettingsError(problems)
    _fill_in(values)
    if problems := _contradictions(values):
        raise SettingsError(problems)
    return Settings(**values)


def _unknown(source: Mapping[str, str]) -> list[str]:
    known = {variable.name for variable in VARIABLES.values()}
    return [
        f"{name} is not a setting of Countersign (see docs/settings.md)"
        for name in sorted(source)
        if name.startswith("COUNTERSIGN_") and name not in known
    ]


def _fill_in(values: dict[str, Any]) -> None:
    for name in ("data", *FILES):
        # A relative path is meant from the checkout, wherever the program was started.
        values[name] = values[name] and ROOT / values[name]
    values["base_url"] = values["base_url"] or f"http://localhost:{values['port']}"
    host = urlsplit(values["base_url"]).hostname or "localhost"
    values["ehlo_name"] = values["ehlo_name"] or host
    local_domain = "countersign.test" if host in LOCAL_HOSTS else host
    values["mail_from"] = values["mail_from"] or f"petitions@{local_domain}"
    values["return_domain"] = values["return_domain"] or values["mail_from"].rpartition("@")[2]
    values["contact"] = values["contact"] or values["mail_from"]


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    problems = []
    local = urlsplit(values["base_url"]).hostname in LOCAL_HOSTS
    if not local and not values["smtp_url"]:
        problems.append("SMTP_URL is missing: a public COUNTERSIGN_BASE_URL needs a mail server")
    if values["smtp_url"] and not local and not values["dkim_key_file"]:
        problems.append("COUNTERSIGN_DKIM_KEY_FILE is missing: mail that leaves this machine must be signed")
    for name in FILES:
        path = values[name]
        if path is not None and not path.is_file():
            problems.append(f"{VARIABLES[name].name} names a file that is not there")
    if not local and not values["keys"]:
        problems.append("COUNTERSIGN_KEYS is missing: make one with `countersign keys generate` and keep it safe")
    return problems


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment for a child process: this one's, with what was found or made since it was read.

    Secrets reach children this way only: command lines can be read by every user of the machine.
    """
    found = {name: getattr(settings, name) for name in VARIABLES} | {"keys": format_keys(settings.keys)}
    return {**os.environ} | {VARIABLES[name].name: _as_text(value) for name, value in found.items()}


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def export(settings: Settings) -> None:
    """Put what :func:`child_environment` gives into this process's own environment, for the processes it forks."""
    os.environ.update(child_environment(settings))


def parse_keys(text: str) -> tuple[Key, ...]:
    """Read instance keys as COUNTERSIGN_KEYS spells them: ``id:base64``, newest first, separated by commas.

    Raises:
        SettingsError: they are not spelled so.
    """
    try:
        return variables.keys(text)
    except InvalidError as problem:
        raise SettingsError([f"the instance key {problem}"]) from problem


def format_keys(keys: Sequence[Key]) -> str:
    """Spell instance keys as COUNTERSIGN_KEYS does."""
    return ",".join(f"{key.id}:{base64.b64encode(key.secret).decode()}" for key in keys)


def names() -> list[str]:
    """All variable names, in the order of the documentation."""
    return [VARIABLES[item.name].name for item in fields(Settings)]
