"""The environment variables: names, defaults, and the sentences that docs/settings.md shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from campaign import spelling


@dataclass(frozen=True)
class Variable:
    """One environment variable: its name, default as written, parser, and the sentence for the documentation."""

    name: str
    default: str
    parse: Callable[[str], Any]
    about: str
    secret: bool = False


VARIABLES: Mapping[str, Variable] = {
    "port": Variable("COUNTERSIGN_PORT", "8000", spelling.number(1, 65535), "TCP port of the web server."),
    "bind": Variable("COUNTERSIGN_BIND", "127.0.0.1", spelling.address, "IP address the web server listens on."),
    "data": Variable(
        "COUNTERSIGN_DATA",
        "var",
        spelling.path,
        "Folder for embedded data, keys and journals; relative to the checkout.",
    ),
    "base_url": Variable(
        "COUNTERSIGN_BASE_URL",
        "",
        spelling.base_url,
        "Public address of the site, the only source of links in mail. Default: http://localhost:<port>.",
    ),
    "keys": Variable(
        "COUNTERSIGN_KEYS",
        "",
        spelling.keys,
        "Instance keys `id:base64`, newest first. Default: made at the first start in <data>/keys.",
        secret=True,
    ),
    "database_url": Variable(
        "DATABASE_URL",
        "",
        spelling.url("postgresql", "postgres"),
        "PostgreSQL 15 or newer. Empty: the embedded server.",
        secret=True,
    ),
    "redis_url": Variable(
        "REDIS_URL",
        "",
        spelling.url("redis", "rediss", "redis+socket"),
        "Redis 6.2 or newer, or Valkey. Empty: the embedded server.",
        secret=True,
    ),
    "redis_prefix": Variable(
        "COUNTERSIGN_REDIS_PREFIX",
        "countersign:",
        spelling.text,
        "Prefix of all keys in Redis, so that a shared server keeps installations apart.",
    ),
    "smtp_url": Variable(
        "SMTP_URL",
        "",
        spelling.urls("smtp", "smtps", "smtp+starttls"),
        "Mail server: `smtp+starttls://user:password@host:587`, `smtps://…:465`, or `smtp://localhost:25`; or several, "
        "with blanks between. Options: `?weight=2`, `rate=50` (a second), `connections=4`, `lane=bulk`, `auth=login`. "
        "Empty: the local mail server with its mailbox in the browser.",
        secret=True,
    ),
    "local_mailbox": Variable(
        "COUNTERSIGN_LOCAL_MAILBOX",
        "no",
        spelling.flag,
        "Show the mailbox of the local mail server at /mailbox; set by `countersign up`, with SMTP_URL.",
    ),
    "smtp_ca_file": Variable(
        "COUNTERSIGN_SMTP_CA_FILE",
        "",
        spelling.optional_path,
        "PEM file of an own certificate authority for the mail server.",
    ),
    "ehlo_name": Variable(
        "COUNTERSIGN_EHLO_NAME", "", spelling.host, "Name given in EHLO. Default: the host of COUNTERSIGN_BASE_URL."
    ),
    "mail_from": Variable(
        "COUNTERSIGN_MAIL_FROM",
        "",
        spelling.mailbox,
        "From address of all mail. Default: petitions@<host of the base URL>.",
    ),
    "return_domain": Variable(
        "COUNTERSIGN_RETURN_DOMAIN",
        "",
        spelling.host,
        "Domain of the signed return addresses (bounces). Default: the domain of COUNTERSIGN_MAIL_FROM.",
    ),
    "dkim_key_file": Variable(
        "COUNTERSIGN_DKIM_KEY_FILE",
        "",
        spelling.optional_path,
        "PEM file of the RSA key (2048 bits or more) that signs mail. "
        "Default: made in <data>/keys with the local mail server.",
    ),
    "dkim_ed25519_key_file": Variable(
        "COUNTERSIGN_DKIM_ED25519_KEY_FILE",
        "",
        spelling.optional_path,
        "PEM file of an optional second, Ed25519, DKIM key.",
    ),
    "dkim_selector": Variable(
        "COUNTERSIGN_DKIM_SELECTOR", "countersign", spelling.host, "DKIM selector of the RSA key."
    ),
    "dkim_ed25519_selector": Variable(
        "COUNTERSIGN_DKIM_ED25519_SELECTOR", "countersign-ed", spelling.host, "DKIM selector of the Ed25519 key."
    ),
    "site_name": Variable(
        "COUNTERSIGN_SITE_NAME", "Countersign", spelling.text, "Name of the site, on pages and in mail."
    ),
    "postal_address": Variable(
        "COUNTERSIGN_POSTAL_ADDRESS", "", spelling.text, "Postal address for the foot of bulk mail, on one line."
    ),
    "contact": Variable(
        "COUNTERSIGN_CONTACT", "", spelling.mailbox, "Address for questions on privacy. Default: COUNTERSIGN_MAIL_FROM."
    ),
    "web_workers": Variable("COUNTERSIGN_WEB_WORKERS", "1", spelling.number(1, 64), "Web server processes."),
    "web_threads": Variable("COUNTERSIGN_WEB_THREADS", "16", spelling.number(1, 64), "Threads per web server process."),
    "lane": Variable(
        "COUNTERSIGN_LANE",
        "urgent",
        spelling.choice("urgent", "bulk"),
        "Lane of a worker; set by `countersign worker --lane`.",
    ),
    "urgent_processes": Variable(
        "COUNTERSIGN_URGENT_PROCESSES", "1", spelling.number(1, 64), "Processes of the worker for the urgent lane."
    ),
    "bulk_processes": Variable(
        "COUNTERSIGN_BULK_PROCESSES", "2", spelling.number(1, 64), "Processes of the worker for bulk mail and upkeep."
    ),
    "proxies": Variable(
        "COUNTERSIGN_PROXIES", "0", spelling.number(0, 5), "Reverse proxies in front whose X-Forwarded-For is believed."
    ),
    "gmail_rules": Variable(
        "COUNTERSIGN_GMAIL_RULES", "no", spelling.flag, "Treat dots and +tags of Gmail addresses as the same person."
    ),
    "retention_days": Variable(
        "COUNTERSIGN_RETENTION_DAYS",
        "90",
        spelling.number(1, 3650),
        "Days after closing until addresses and names are erased.",
    ),
    "confirm_days": Variable(
        "COUNTERSIGN_CONFIRM_DAYS", "7", spelling.number(1, 30), "Days a signature may wait for its confirmation."
    ),
    "count_interval": Variable(
        "COUNTERSIGN_COUNT_INTERVAL", "2", spelling.number(1, 60), "Seconds between two runs of the counter."
    ),
    "max_lateness": Variable(
        "COUNTERSIGN_MAX_LATENESS",
        "21600",
        spelling.number(60, 604800),
        "Seconds after its time at which a scheduled blast is no longer started by itself.",
    ),
    "metrics_token": Variable(
        "COUNTERSIGN_METRICS_TOKEN",
        "",
        spelling.token,
        "Bearer token that opens /metrics from elsewhere. Empty: only this machine may read it.",
        secret=True,
    ),
    "rate": Variable(
        "COUNTERSIGN_RATE",
        "0",
        spelling.number(0, 1_000_000),
        "Mails a second over all workers and hosts; mail that a person waits for is counted, never held. 0: no limit.",
    ),
    "domain_rate": Variable(
        "COUNTERSIGN_DOMAIN_RATE",
        "0",
        spelling.number(0, 1_000_000),
        "Bulk mails a second to one recipient domain; less while a domain asks for less (421, 4.7.x). 0: no limit.",
    ),
    "warm_up": Variable(
        "COUNTERSIGN_WARM_UP",
        "",
        spelling.warm_up,
        "Warm-up of a new sender: `2026-12-01:500` is 500 bulk mails on that day (UTC), twice as many each day after.",
    ),
    "log_level": Variable(
        "COUNTERSIGN_LOG_LEVEL", "info", spelling.choice("debug", "info", "warning", "error"), "How much is logged."
    ),
}
