"""Settings: one frozen model of the environment variables, the only reader of ``os.environ``."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

from campaign import log_lines, tls_urls, variables
from campaign.errors import SettingsError
from campaign.hook_keys import EllipticKeys, HookCredentials, HookSecrets, RsaKeys, Topics
from campaign.variables import (
    LOCAL_HOSTS,
    LOWER,
    ROOT,
    Address,
    AuthorityFile,
    BaseUrl,
    Flag,
    Folder,
    Host,
    Keys,
    Mailbox,
    Networks,
    OwnFile,
    PemFile,
    ReturnMailbox,
    Token,
    WarmUpDays,
    urls,
)

__all__ = [
    "LANGUAGES",
    "LOCAL_HOSTS",
    "ROOT",
    "VARIABLES",
    "Settings",
    "add_to_environment",
    "child_environment",
    "export",
    "load_settings",
]

LANGUAGES = ("en", "de", "fa", "ur")
"""Languages that pages and mails are written in; the first is the fallback."""


class Settings(BaseSettings):
    """All settings, checked; made by :func:`load`. Secrets do not show in ``repr`` or in errors."""

    # Parsers take the text of a variable, which is never JSON; defaults are values and are not parsed.
    model_config = SettingsConfigDict(
        alias_generator=lambda name: f"COUNTERSIGN_{name.upper()}",
        case_sensitive=True,
        enable_decoding=False,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        validate_default=False,
    )

    port: int = Field(8000, ge=1, le=65535, description="TCP port of the web server.")
    bind: Address = Field(
        "127.0.0.1",
        description="IP address the web server listens on, or a socket for a proxy on the same host, "
        "such as `unix:/run/countersign/web.sock`.",
    )
    data: Folder = Field(
        Path("var"),
        validate_default=True,
        description="Folder for embedded data, keys and journals; relative to the checkout.",
    )
    base_url: BaseUrl = Field(
        "",
        description="Public address of the site, the only source of links in mail. Default: http://localhost:<port>.",
    )
    keys: Keys = Field(
        (),
        repr=False,
        description="Instance keys `id:base64`, newest first. Default: made at the first start in <data>/keys.",
    )
    retention_keys: OwnFile = Field(
        None,
        description="File of the retention keys, which wrap the keys of petitions. Keep it out of the backups of the "
        "database. Default: <data>/keys/retention, if COUNTERSIGN_KEYS is not set.",
    )
    database_url: Annotated[str, urls("postgresql", "postgres")] = Field(
        "", alias="DATABASE_URL", repr=False, description="PostgreSQL 15 or newer. Empty: the embedded server."
    )
    redis_url: Annotated[str, urls("redis", "rediss", "redis+socket")] = Field(
        "", alias="REDIS_URL", repr=False, description="Redis 6.2 or newer, or Valkey. Empty: the embedded server."
    )
    ca_file: AuthorityFile = Field(
        None,
        description="PEM file of an own certificate authority for PostgreSQL and Redis. PostgreSQL elsewhere must "
        "then prove its name (sslmode=verify-full); rediss:// is verified in any case. Options of a URL are stronger.",
    )
    redis_prefix: str = Field(
        "countersign:", description="Prefix of all keys in Redis, so that a shared server keeps installations apart."
    )
    smtp_url: Annotated[str, urls("smtp", "smtps", "smtp+starttls", several=True)] = Field(
        "",
        alias="SMTP_URL",
        repr=False,
        description="Mail server: `smtp+starttls://user:password@host:587`, `smtps://…:465`, or "
        "`smtp://localhost:25`; or several, with blanks between. Options: `?weight=2`, `rate=50` (a "
        "second), `connections=4`, `lane=bulk`, `auth=login`, `provider=postmark`. Empty: the local mail "
        "server with its mailbox in the browser.",
    )
    local_mailbox: Flag = Field(
        False,
        description="Show the mailbox of the local mail server at /mailbox; set by `countersign up`, with SMTP_URL.",
    )
    smtp_ca_file: AuthorityFile = Field(
        None, description="PEM file of an own certificate authority for the mail server."
    )
    ehlo_name: Host = Field("", description="Name given in EHLO. Default: the host of COUNTERSIGN_BASE_URL.")
    mail_from: Mailbox = Field("", description="From address of all mail. Default: petitions@<host of the base URL>.")
    return_domain: Host = Field(
        "", description="Domain of the signed return addresses (bounces). Default: the domain of COUNTERSIGN_MAIL_FROM."
    )
    return_mailbox_url: ReturnMailbox = Field(
        "",
        alias="RETURN_MAILBOX_URL",
        repr=False,
        description="Where bounces and replies arrive: `imaps://user:password@host/INBOX`, `maildir:/path`, or "
        "`lmtp://127.0.0.1:2424` (or `lmtp:///path/socket`) for a mail server that delivers to the bulk worker. Empty: "
        "nobody reads them.",
    )
    return_mailbox_ca_file: AuthorityFile = Field(
        None, description="PEM file of an own certificate authority for the IMAP server of the return mailbox."
    )
    hook_ses_topic: Topics = Field(
        (),
        description="ARN of the SNS topic by which Amazon SES tells at /hooks/ses; several with blanks between them.",
    )
    hook_sendgrid_key: EllipticKeys = Field(
        (), repr=False, description="Verification key of SendGrid's signed event webhook, /hooks/sendgrid."
    )
    hook_mailgun_key: HookSecrets = Field(
        (), repr=False, description="HTTP webhook signing key of Mailgun, /hooks/mailgun."
    )
    hook_postmark: HookCredentials = Field(
        (), repr=False, description="`user:password/path` for Postmark, which tells at /hooks/postmark/<path>."
    )
    hook_brevo: HookCredentials = Field(
        (), repr=False, description="`user:password/path` for Brevo, which tells at /hooks/brevo/<path>."
    )
    hook_postal_key: RsaKeys = Field(
        (), repr=False, description="Public key of Postal (`postal default-dkim-record`, p=), /hooks/postal."
    )
    hook_generic_key: HookSecrets = Field(
        (),
        repr=False,
        description="Secret of the webhook for any other mail server, /hooks/generic. A hook whose variable is empty "
        "is not there; several keys, with blanks between them, are all taken, so that one can be changed.",
    )
    dkim_key_file: PemFile = Field(
        None,
        description="PEM file of the RSA key (2048 bits or more) that signs mail. Default: made in <data>/keys "
        "with the local mail server.",
    )
    dkim_ed25519_key_file: PemFile = Field(None, description="PEM file of an optional second, Ed25519, DKIM key.")
    dkim_selector: Host = Field("countersign", description="DKIM selector of the RSA key.")
    dkim_ed25519_selector: Host = Field("countersign-ed", description="DKIM selector of the Ed25519 key.")
    discreet_name: str = Field(
        "",
        description='Sender name of petitions in discreet mode, shown on locked phones. Default: "Notification" in '
        "the reader's language.",
    )
    discreet_from: Mailbox = Field(
        "",
        description="From address of petitions in discreet mode, in the domain of COUNTERSIGN_FROM; it should not tell "
        "what it is about. Default: the same address.",
    )
    alert_url: Annotated[str, urls("https", "http")] = Field(
        "", repr=False, description="Service that is told of alerts beside the emails to admins: JSON by POST."
    )
    leave_url: Annotated[str, urls("https")] = Field(
        "https://www.wikipedia.org/",
        description='Where "Leave this page" of petitions in discreet mode leads: a site that tells nothing.',
    )
    site_name: str = Field("Countersign", description="Name of the site, on pages and in mail.")
    postal_address: str = Field("", description="Postal address for the foot of bulk mail, on one line.")
    contact: Mailbox = Field("", description="Address for questions on privacy. Default: COUNTERSIGN_MAIL_FROM.")
    web_workers: int = Field(1, ge=1, le=64, description="Web server processes.")
    web_threads: int = Field(16, ge=1, le=64, description="Threads per web server process.")
    lane: Annotated[Literal["urgent", "bulk"], LOWER] = Field(
        "urgent", description="Lane of a worker; set by `countersign worker --lane`."
    )
    urgent_processes: int = Field(1, ge=1, le=64, description="Processes of the worker for the urgent lane.")
    bulk_processes: int = Field(2, ge=1, le=64, description="Processes of the worker for bulk mail and upkeep.")
    proxies: int = Field(0, ge=0, le=5, description="Reverse proxies in front whose X-Forwarded-For is believed.")
    network_places: int = Field(
        20,
        ge=1,
        le=10_000,
        description="Confirmations that one network (/24, or /56 of IPv6) may have out without an answer, at first; "
        "each answer frees its place and adds one.",
    )
    network_cap: int = Field(1000, ge=1, le=1_000_000, description="Such places of one network, at most.")
    open_networks: Networks = Field(
        (), description="Networks without such a limit: `192.0.2.0/24 2001:db8::/48`, with blanks between them."
    )
    gmail_rules: Flag = Field(True, description="Take Gmail addresses that differ in dots and +tags for one mailbox.")
    retention_days: int = Field(
        90, ge=1, le=3650, description="Days after closing until addresses and names are erased."
    )
    backup_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Days that backups of the database are kept: pages say how long they hold what was erased. "
        "0: none are made.",
    )
    confirm_days: int = Field(7, ge=1, le=30, description="Days a signature may wait for its confirmation.")
    count_interval: int = Field(2, ge=1, le=60, description="Seconds between two runs of the counter.")
    max_lateness: int = Field(
        21600,
        ge=60,
        le=604800,
        description="Seconds after its time at which a scheduled blast is no longer started by itself.",
    )
    metrics_token: Token = Field(
        "",
        repr=False,
        description="Bearer token that opens /metrics from elsewhere. Empty: only this machine may read it.",
    )
    rate: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Mails a second over all workers and hosts; urgent mail is counted, never held. 0: no limit.",
    )
    domain_rate: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Bulk emails a second to one recipient domain; less while a domain asks for less (421, "
        "4.7.x). 0: no limit.",
    )
    warm_up: WarmUpDays = Field(
        None,
        description="Warm-up of a new sender: `2026-12-01:500` is 500 bulk emails on that day (UTC), twice as "
        "many each day after.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], LOWER] = Field(
        "info", description="How much is logged."
    )
    log_format: Annotated[Literal["text", "json"], LOWER] = Field(
        "text", description="How it is logged; `json`: one object a line, on standard error."
    )

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

    def __setattr__(self, name: str, value: object) -> NoReturn:
        # Pydantic's own error would repeat the value, whatever hide_input_in_errors says.
        raise AttributeError(f"{name} can't be set: settings are frozen; see replace()")

    def replace(self, **changes: object) -> Self:
        """A copy with other values for some fields, as :func:`dataclasses.replace`; they are not checked."""
        if unknown := changes.keys() - VARIABLES.keys():
            raise TypeError(f"Settings has no field {', '.join(sorted(unknown))}")
        return self.model_copy(update=changes)


VARIABLES = variables.variables_of(Settings.model_fields)
"""The environment variables by the names of the fields."""


def add_to_environment(found: Mapping[str, str]) -> None:
    """Set variables for this process and its children, but for those that are set already."""
    for name, value in found.items():
        os.environ.setdefault(name, value)


def load_settings(
    environ: Mapping[str, str] | None = None, *, env_file: Path = ROOT / ".env", **overrides: str
) -> Settings:
    """Read and check all settings.

    Args:
        environ: variables by name; the process environment over ``env_file`` if not given.
        env_file: a dotenv file, read only when ``environ`` is not given.
        overrides: field names of :class:`Settings` with values as text, stronger than the environment.

    Raises:
        SettingsError: names every missing or wrong variable at once, and repeats no value.
    """
    given: dict[str, Any] = {VARIABLES[name].name: text for name, text in overrides.items()}
    names: Iterable[str]
    if environ is None:
        names = os.environ.keys() | _names_in(env_file)
        given["_env_file"] = env_file
    else:
        names = environ.keys()
        # What is left out has its default, whatever the environment of this process says.
        given = {item.name: environ.get(item.name, item.default) for item in VARIABLES.values()} | given
    problems = variables.unknown(names, VARIABLES.values())
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems = variables.sentences(error) + problems
    if problems:
        # Raised here, so that pydantic's error, which knows the values, is not even its context.
        raise SettingsError(problems)
    settings = _fill_in(settings)
    if problems := _contradictions(settings):
        raise SettingsError(problems)
    return settings


def _names_in(env_file: Path) -> set[str]:
    try:
        found = DotEnvSettingsSource(Settings, env_file=env_file).env_vars
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    else:
        return {name for name, value in found.items() if value is not None}
    raise SettingsError([f"the file {env_file} can't be read: {reason}"])


def _fill_in(settings: Settings) -> Settings:
    port = "" if settings.port == 80 else f":{settings.port}"
    settings = settings.replace(base_url=settings.base_url or f"http://localhost{port}")
    domain = "countersign.test" if settings.is_local else settings.host
    mail_from = settings.mail_from or f"petitions@{domain}"
    return settings.replace(
        mail_from=mail_from,
        # An IPv6 address is no name for EHLO.
        ehlo_name=settings.ehlo_name or ("localhost" if ":" in settings.host else settings.host),
        return_domain=settings.return_domain or mail_from.rpartition("@")[2],
        contact=settings.contact or mail_from,
        database_url=tls_urls.database_url(settings.database_url, settings.ca_file),
        redis_url=tls_urls.redis_url(settings.redis_url, settings.ca_file),
    )


def _contradictions(settings: Settings) -> list[str]:
    problems = []
    if not settings.is_local and not settings.smtp_url:
        problems.append("SMTP_URL is missing: a public COUNTERSIGN_BASE_URL needs a mail server")
    if not settings.is_local and settings.smtp_url and not settings.dkim_key_file:
        problems.append("COUNTERSIGN_DKIM_KEY_FILE is missing: mail that leaves this machine must be signed")
    if not settings.is_local and not settings.keys:
        problems.append("COUNTERSIGN_KEYS is missing: make one with `countersign keys generate` and keep it safe")
    return problems


def asks_for_json() -> bool:
    """True if the environment asks for logs as JSON, for what is said before the settings are read and checked."""
    return log_lines.asks_for_json(os.environ.get("COUNTERSIGN_LOG_FORMAT", ""))


def child_environment(settings: Settings) -> dict[str, str]:
    """The environment for a child process: this one's, with what was found or made since it was read.

    Secrets reach children this way only: command lines can be read by every user of the machine.
    """
    return {**os.environ} | {item.name: variables.as_text(getattr(settings, name)) for name, item in VARIABLES.items()}


def export(settings: Settings) -> None:
    """Put what :func:`child_environment` gives into this process's own environment, for the processes it forks."""
    os.environ.update(child_environment(settings))
