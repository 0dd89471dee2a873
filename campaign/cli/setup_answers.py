"""What `countersign setup` asks: each answer is checked when it is given, by the validators of the settings."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from pydantic import ValidationError

from campaign import variables
from campaign.accounts import addresses
from campaign.checks import relays
from campaign.checks.findings import Level
from campaign.cli.account import SENTENCES
from campaign.database.connection import open_engine
from campaign.errors import SettingsError
from campaign.settings import LOCAL_HOSTS, VARIABLES, Settings

Values = Mapping[str, str]
"""Variables by name, as text."""


@dataclass(frozen=True)
class Question:
    """One setting that is asked for."""

    field: str
    text: str
    example: Callable[[Values], str] | None = None
    """The answer that is taken if none is given, by those before it."""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return VARIABLES[self.field].name

    @property
    def option(self) -> str:
        """The option of the command."""
        return f"--{self.field.replace('_', '-')}"

    def usual(self, known: Values) -> str:
        """The answer that is taken if none is given; empty if there is none."""
        return self.example(known) if self.example else ""


def _host(known: Values) -> str:
    return _settings(known).host


def _mail_domain(known: Values) -> str:
    return known["COUNTERSIGN_MAIL_FROM"].rpartition("@")[2].strip()


QUESTIONS: Final = (
    Question("base_url", "Public address of the site, such as https://petitions.example.org"),
    Question("site_name", "Name of the site, on pages and in emails"),
    Question("postal_address", "Postal address, on one line, for the foot of updates"),
    Question("database_url", "PostgreSQL", lambda _: "postgresql:///countersign?host=/run/postgresql"),
    Question("redis_url", "Redis", lambda _: "redis://127.0.0.1:6379/0"),
    Question("smtp_url", "Mail server, such as smtp+starttls://user:password@smtp.example.net:587"),
    Question("mail_from", "Sender address of all emails", lambda known: f"petitions@{_host(known)}"),
    Question("return_domain", "Domain that bounces come back to", lambda known: f"bounces.{_mail_domain(known)}"),
)
"""In the order in which they are asked: an example may need the answers before it."""


def _settings(known: Values) -> Settings:
    """The settings as far as they are known; no other variable and no file is looked at.

    Raises:
        ValidationError: a value is wrong.
    """
    given = {item.name: item.default for item in VARIABLES.values()} | dict(known)
    # Names of variables are aliases, which pydantic checks at run time.
    return Settings(**given)  # type: ignore[arg-type]


def problem_of(variable: str, value: str, known: Values) -> str:
    """Why a value can't be used, as a sentence without the value; empty if it can.

    Args:
        variable: name of the variable.
        value: as it was typed.
        known: other variables, which have been checked.
    """
    if variable not in {item.name for item in VARIABLES.values()}:
        return f"{variable} is not a setting of Countersign (see docs/settings.md)."
    if re.search(r"[\r\n\0]", value):
        return f"{variable} must be on one line."
    try:
        settings = _settings({**known, variable: value})
    except ValidationError as error:
        return " ".join(f"{sentence}." for sentence in variables.sentences(error))
    return _closer(variable, settings) if value.strip() else f"{variable} can't be empty."


def _closer(variable: str, settings: Settings) -> str:
    """What validators do not look at, for they do not know that the installation is a public one."""
    if variable == "COUNTERSIGN_BASE_URL" and settings.host in LOCAL_HOSTS:
        return f"{variable} must be the public address: https:// and a name that is in DNS."
    if variable == "DATABASE_URL":
        try:
            open_engine(settings.database_url, pool_size=0).dispose()
        except SettingsError as error:
            return error.problems[0]
    if variable == "SMTP_URL":
        found = relays.check_urls(settings.replace(ehlo_name=settings.ehlo_name or settings.host))
        return " ".join(finding.what for finding in found if finding.level is Level.STOP)
    return ""


def problem_of_admin(email: str, name: str | None = None) -> str:
    """Why an address, or a name if one is given, can't be that of an account; empty if it can."""
    field = "email"
    try:
        addresses.parse(email)
        if name is not None:
            field = "name"
            addresses.clean_name(name)
    except addresses.RuleError as broken:
        sentence = SENTENCES.get((field, broken.code), broken.code).removeprefix("--name: ")
        return f"{sentence[0].upper()}{sentence[1:]}."
    return ""


def ask(question: Question, known: Values) -> str:
    """Ask at the terminal until the answer can be used."""
    return ask_for(
        question.text, lambda typed: problem_of(question.variable, typed, known), default=question.usual(known)
    )


def ask_for(text: str, problem: Callable[[str], str], *, default: str = "") -> str:
    """Ask at the terminal; what can't be used is told in a sentence and asked once more."""

    def checked(typed: str) -> str:
        if found := problem(typed):
            raise click.BadParameter(found)
        return typed.strip()

    answer: str = click.prompt(text, default=default or None, value_proc=checked)
    return answer


def fixed(folder: Path, *, ed25519: bool) -> dict[str, str]:
    """What is not asked: settings that the files of deploy/ go by.

    Args:
        folder: where the keys are, beside the file of settings.
        ed25519: whether mail has a second signature.
    """
    second = {"COUNTERSIGN_DKIM_ED25519_KEY_FILE": str(folder / "dkim-ed25519.pem")} if ed25519 else {}
    return {
        "COUNTERSIGN_BIND": "unix:/run/countersign/web.sock",
        "COUNTERSIGN_PROXIES": "1",
        "COUNTERSIGN_DATA": "/var/lib/countersign",
        "COUNTERSIGN_DKIM_KEY_FILE": str(folder / "dkim.pem"),
        **second,
    }
