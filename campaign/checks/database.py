"""Checks of PostgreSQL: log-in, version, encoding, TLS, rights, schema, writing, clock, and keys."""

from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

from campaign.checks.findings import Finding, Level, fine
from campaign.database import examine, instance, migrate
from campaign.database.connection import Store
from campaign.errors import CountersignError, StoreUnavailableError
from campaign.petitions.retention import KEY_PLACE
from campaign.runtime import ACCOUNT_PLACE, STABLE_PLACE
from campaign.security.encryption import Keyring, RetiredKeyError
from campaign.security.retention_keys import RetentionKeys
from campaign.settings import LOCAL_HOSTS, Settings

MINIMUM: Final = 15
"""The oldest major version that our SQL runs on."""

CLOCK_NOTE: Final = 5.0
"""Seconds that this host's clock may be from the database's without a word."""

CLOCK_WRONG: Final = 120.0
"""Seconds from which TLS and DKIM signatures may be refused."""

SAMPLE: Final = 20
"""Petitions whose keys are tried, of the oldest and of the newest."""


def check(settings: Settings) -> list[Finding]:
    """All checks of the database; the log-in alone if that fails."""
    store = Store(settings.database_url, pool_size=1)
    try:
        return _check(settings, store)
    except StoreUnavailableError as error:
        return [refused(error)]
    finally:
        store.close()


def refused(error: StoreUnavailableError) -> Finding:
    """The finding for a database that does not do its work."""
    return Finding(
        "database.log_in",
        Level.STOP,
        str(error),
        "Nothing works without the database: pages answer 503 and workers wait.",
        passes=error.cause is None or not error.cause.lasting,
    )


def _check(settings: Settings, store: Store) -> list[Finding]:
    server = examine.server(store)
    found = [
        fine("database.log_in", "PostgreSQL lets us in."),
        _version(server.version),
        _encoding(server.encoding),
        _encryption(settings.database_url, is_encrypted=server.is_encrypted),
        _clock(server.time),
        _connections(settings, server.connections),
    ]
    try:
        schema = migrate.compare(settings.database_url)
    except StoreUnavailableError as error:
        return [*found, Finding("database.migrations", Level.STOP, str(error), "Its tables can’t be read.")]
    found.append(_schema(schema))
    if schema in {migrate.Schema.SAME, migrate.Schema.NEWER}:
        found += [_rights(store), _writing(store), _keys(settings, store)]
    return found


def _version(number: int) -> Finding:
    name, major = "database.version", number // 10000
    if major >= MINIMUM:
        return fine(name, f"PostgreSQL {major}.{number % 10000}.")
    return Finding(
        name,
        Level.STOP,
        f"PostgreSQL {major} is too old.",
        f"Countersign uses SQL of PostgreSQL {MINIMUM}.",
        f"Install PostgreSQL {MINIMUM} or newer.",
    )


def _encoding(encoding: str) -> Finding:
    name = "database.encoding"
    if encoding == "UTF8":
        return fine(name, "The database is in UTF-8.")
    return Finding(
        name,
        Level.STOP,
        f"The database has the encoding {encoding}.",
        "Names and texts of most languages can’t be stored in it.",
        "Make another one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
    )


def _encryption(url: str, *, is_encrypted: bool) -> Finding:
    name = "database.tls"
    host = urlsplit(url).hostname or parse_qs(urlsplit(url).query).get("host", ["/"])[0]
    mode = parse_qs(urlsplit(url).query).get("sslmode", ["prefer"])[-1]
    if host.startswith("/") or host in LOCAL_HOSTS:
        return fine(name, "The connection to PostgreSQL stays on this machine.")
    if is_encrypted and mode == "verify-full":
        return fine(name, "The connection to PostgreSQL has TLS, and its certificate is checked.")
    return Finding(
        name,
        Level.LOOK,
        "The connection to PostgreSQL has TLS, but the certificate is not checked."
        if is_encrypted
        else "The connection to PostgreSQL has no TLS.",
        "Whoever is on the way can read the password and what is stored.",
        "Name the authority of its certificate in COUNTERSIGN_CA_FILE, or add ?sslmode=verify-full&sslrootcert=system "
        "to DATABASE_URL.",
    )


def _clock(theirs: datetime) -> Finding:
    name, off = "host.clock", (datetime.now(UTC) - theirs).total_seconds()
    if abs(off) < CLOCK_NOTE:
        return fine(name, "The clocks of this host and of the database agree.")
    return Finding(
        name,
        Level.STOP if abs(off) > CLOCK_WRONG else Level.LOOK,
        f"The clock of this host is {off:+.0f} s from that of the database.",
        "Countersign goes by the database’s clock; certificates and dates of mail go by that of the host.",
        "Set both by NTP (timedatectl set-ntp true).",
    )


def _connections(settings: Settings, offered: int) -> Finding:
    name = "database.connections"
    # As docs/operations.md has it: twice its threads for a web process, twelve for a worker process.
    workers = settings.urgent_processes + settings.bulk_processes
    needed = 2 * settings.web_workers * settings.web_threads + 12 * workers
    if needed <= offered:
        return fine(name, f"PostgreSQL offers {offered} connections; web and workers of one host need up to {needed}.")
    return Finding(
        name,
        Level.LOOK,
        f"PostgreSQL offers {offered} connections; web and workers of one host need up to {needed}.",
        "In a rush pages answer 503 and workers wait.",
        "Raise max_connections, or lower COUNTERSIGN_WEB_WORKERS, COUNTERSIGN_WEB_THREADS or the numbers of workers.",
    )


def _schema(schema: migrate.Schema) -> Finding:
    name = "database.migrations"
    if schema is migrate.Schema.SAME:
        return fine(name, "The tables are those of this release.")
    if schema is migrate.Schema.NEWER:
        return Finding(
            name,
            Level.LOOK,
            "The tables are those of a later release.",
            "This release goes on working; what is new in the other one is not served here.",
            "Upgrade this host as well.",
        )
    empty = schema is migrate.Schema.EMPTY
    return Finding(
        name,
        Level.STOP,
        "The database has no tables yet." if empty else "The tables are those of an earlier release.",
        "Web and workers of this release need its tables.",
        "Run `countersign db upgrade`.",
    )


def _rights(store: Store) -> Finding:
    name, tables = "database.rights", examine.missing_rights(store)
    if not tables:
        return fine(name, "The user of DATABASE_URL has its rights on all tables.")
    return Finding(
        name,
        Level.STOP,
        f"The user of DATABASE_URL lacks rights on {len(tables)} tables, such as {tables[0]}.",
        "What is stored there fails, on the page or in the worker that needs it.",
        "Make it their owner, or GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public.",
    )


def _writing(store: Store) -> Finding:
    name = "database.writing"
    try:
        examine.try_to_write(store)
    except StoreUnavailableError as error:
        lasting = error.cause is not None and error.cause.lasting
        return Finding(name, Level.STOP, str(error), "Signatures can’t be stored.", passes=not lasting)
    return fine(name, "PostgreSQL takes writes.")


def _keys(settings: Settings, store: Store) -> Finding:
    """Open the wrapped keys of the installation and of a sample of petitions."""
    name, tried = "keys.open", 0
    why = "Without its keys, what is stored about signers and accounts can’t be read by anybody."
    remedy = "Bring back the keys that this database was made with (docs/operations.md, Keys), or name its database."
    retention = RetentionKeys(settings.retention_keys) if settings.retention_keys else None
    found = store.transact(instance.find)
    try:
        keyring = Keyring(settings.keys, retention)
        if found is not None:
            keyring.unwrap(found.stable, STABLE_PLACE)
            keyring.unwrap(found.accounts, ACCOUNT_PLACE)
        for key in examine.sample_of_keys(store, limit=SAMPLE):
            try:
                keyring.unwrap(key.sealed, KEY_PLACE)
            except RetiredKeyError:
                # Destroyed on purpose: what it wrapped is meant to stay closed.
                continue
            tried += 1
    except CountersignError as error:
        return Finding(name, Level.STOP, f"The keys do not open this database: {error}.", why, remedy)
    if found is None:
        return fine(name, "The database is new: it will belong to the keys of this installation.")
    return fine(name, f"The keys open this database (tried with {tried} petitions).")
