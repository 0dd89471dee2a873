"""Why PostgreSQL does not do its work: from any exception to one sentence with the variable and the remedy.

The sentences are constants: nothing of the error, of DATABASE_URL or of a statement is repeated in them. An error that
the server gives to a statement carries a SQLSTATE (PostgreSQL, appendix A). One that ends a log-in carries only words:
those of libpq, which are English, and those of the server, in its own language (lc_messages).
"""

import re
from collections.abc import Iterator
from typing import Final

import psycopg
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from campaign.errors import Cause, StoreUnavailableError

CAUSES: Final = {
    cause.code: cause
    for cause in (
        Cause(
            "28P01",
            "PostgreSQL refuses the user name or the password in DATABASE_URL. Correct them there, or set the password "
            "anew with ALTER ROLE … PASSWORD. Special characters are percent-encoded, @ as %40.",
            lasting=True,
        ),
        Cause(
            "28000",
            "PostgreSQL does not let the user of DATABASE_URL log in. Make the role with CREATE ROLE … LOGIN PASSWORD, "
            "or name another user in DATABASE_URL.",
            lasting=True,
        ),
        Cause(
            "pg_hba",
            "PostgreSQL has no rule that lets this host log in with the user and database of DATABASE_URL. Add a line "
            "to its pg_hba.conf and reload it, or add ?sslmode=require if only TLS is let in.",
            lasting=True,
        ),
        Cause(
            "3D000",
            "PostgreSQL has no database of the name in DATABASE_URL. Make it with CREATE DATABASE, or correct "
            "DATABASE_URL.",
            lasting=True,
        ),
        Cause(
            "53100",
            "The disk of PostgreSQL is full. Free space on the host of DATABASE_URL; work goes on by itself then.",
            lasting=False,
        ),
        Cause(
            "53200",
            "PostgreSQL has no memory left. Give the host of DATABASE_URL more, or lower shared_buffers or work_mem.",
            lasting=False,
        ),
        Cause(
            "53300",
            "PostgreSQL has no connection left. Raise max_connections on the host of DATABASE_URL, or lower "
            "COUNTERSIGN_WEB_WORKERS, COUNTERSIGN_URGENT_PROCESSES or COUNTERSIGN_BULK_PROCESSES.",
            lasting=False,
        ),
        Cause(
            "25006",
            "PostgreSQL is read-only: it is a replica, or default_transaction_read_only is on. Let DATABASE_URL lead "
            "to the primary, or turn that setting off.",
            lasting=False,
        ),
        Cause(
            "42501",
            "The user of DATABASE_URL may not do what Countersign needs. Make it the owner of the database and of its "
            "tables, or GRANT it all rights on them.",
            lasting=True,
        ),
        Cause(
            "42P01",
            "The tables in the database of DATABASE_URL are not those of this release. Run `countersign db upgrade`.",
            lasting=True,
        ),
        Cause(
            "57P01",
            "PostgreSQL has ended the connection, as it does when it is stopped. If it does not come back, "
            "start it on the host of DATABASE_URL.",
            lasting=False,
        ),
        Cause(
            "57P03",
            "PostgreSQL is starting, stopping or recovering. If that takes long, read its log on the host of "
            "DATABASE_URL.",
            lasting=False,
        ),
        Cause(
            "57014",
            "PostgreSQL has cancelled a statement that took too long. Look for locks in pg_stat_activity at "
            "DATABASE_URL.",
            lasting=False,
        ),
        Cause(
            "certificate",
            "The TLS certificate of PostgreSQL can't be trusted for the host in DATABASE_URL. Name its authority in "
            "COUNTERSIGN_CA_FILE (or ?sslrootcert=), and write the host as the certificate has it.",
            lasting=True,
        ),
        Cause(
            "tls",
            "PostgreSQL and DATABASE_URL do not agree on TLS. Turn ssl on at the server, or correct ssl… in "
            "DATABASE_URL.",
            lasting=True,
        ),
        Cause(
            "refused",
            "Nothing answers at the host and port of DATABASE_URL. Start PostgreSQL, let it listen there "
            "(listen_addresses), or correct DATABASE_URL.",
            lasting=False,
        ),
        Cause(
            "host",
            "The host in DATABASE_URL is not known. Correct its name, or enter it in DNS or /etc/hosts.",
            lasting=True,
        ),
        Cause(
            "dns",
            "The name server does not answer, so that the host in DATABASE_URL can't be found. Look at "
            "/etc/resolv.conf and the network.",
            lasting=False,
        ),
        Cause(
            "timeout",
            "PostgreSQL does not answer in time. Look whether the host of DATABASE_URL is up, overloaded or behind a "
            "firewall.",
            lasting=False,
        ),
        Cause(
            "pool",
            "All connections to PostgreSQL are in use by this process. Look for slow statements in pg_stat_activity on "
            "the host of DATABASE_URL.",
            lasting=False,
        ),
        Cause(
            "port",
            "The port in DATABASE_URL is not usable. Write a number from 1 to 65535, 5432 for most servers.",
            lasting=True,
        ),
        Cause(
            "url",
            "DATABASE_URL can't be read. Write it as postgresql://user:password@host:5432/database, with special "
            "characters percent-encoded (@ as %40) and options as libpq names them.",
            lasting=True,
        ),
        Cause(
            "password",
            "PostgreSQL asks for a password, or for a way to log in that DATABASE_URL does not serve. Write "
            "postgresql://user:password@host/database.",
            lasting=True,
        ),
        Cause(
            "lost",
            "The connection to PostgreSQL was lost. If this stays so, look at its log on the host of DATABASE_URL.",
            lasting=False,
        ),
    )
}
"""All known causes by their code."""

_ALIKE: Final = {
    "42703": "42P01",
    "3F000": "42P01",
    "42883": "42P01",
    "42704": "42P01",
    "57P02": "57P01",
    "57P05": "57P01",
    "25P03": "57P01",
    "58030": "53100",
    "53000": "53200",
}
"""SQLSTATEs that mean the same to an admin: a column, schema, function or type is missing as a table is; and so on."""

_CONNECTION: Final = "08"
"""The class of SQLSTATEs of lost connections."""

_WORDS: Final = {
    # What the server says, before what libpq says: of several addresses one may refuse and the next one answer.
    "28P01": (
        "password authentication failed",
        "authentication failed for user",
        "empty password",
        "Passwort-Authentifizierung",
        "authentification par mot de passe",
        "autentificación password",
    ),
    "pg_hba": (r"pg_hba\.conf",),
    "3D000": (
        r"database \".*\" does not exist",
        "Datenbank .* existiert nicht",
        "base de données .* n'existe pas",
        "no existe la base de datos",
    ),
    "28000": (
        r"role \".*\" does not exist",
        "not permitted to log in",
        "Peer authentication failed",
        "Rolle .* existiert nicht",
        "rôle .* n'existe pas",
        "no existe el rol",
    ),
    "53300": (
        "too many (clients|connections)",
        "remaining connection slots",
        "zu viele Verbindungen",
        "trop de (clients|connexions)",
    ),
    "57P03": (
        "database system is (starting up|shutting down|in recovery|not (yet )?accepting)",
        "Datenbanksystem (startet|fährt)",
    ),
    "42501": ("permission denied for database", "keine Berechtigung für Datenbank"),
    "53100": ("No space left on device",),
    "certificate": ("certificate", r"root\.crt", "server common name", "host name mismatch", "sslrootcert"),
    "tls": (
        "server does not support SSL",
        "SSL error",
        "SSL negotiation",
        "SSL required",
        "sslmode",
        "ssl_m(in|ax)_protocol",
    ),
    "password": ("no password supplied", "fe_sendauth", "authentication method", "SCRAM"),
    "port": ("invalid port number", "Servname not supported", "invalid integer value .*port"),
    "dns": (r"Errno -3\b", "Temporary failure in name resolution"),
    "host": ("failed to resolve host", "could not translate host name", "Name or service not known"),
    "url": ("invalid URI", "invalid connection option", 'missing "="', "invalid .*value", "percent-encoded"),
    "timeout": ("timeout expired", "timed? ?out"),
    "refused": (
        "Connection refused",
        "No such file or directory",
        "No route to host",
        "Network is unreachable",
        "Permission denied",
        "Host is down",
    ),
    "lost": (
        "server closed the connection",
        "connection (is|was|has been) (lost|closed)",
        "connection reset",
        "Broken pipe",
        "terminating connection",
        "consuming input failed",
        r"\bEOF\b",
        "could not receive data",
    ),
}
_PATTERNS: Final = {code: re.compile("|".join(words), re.IGNORECASE) for code, words in _WORDS.items()}


ERRORS: Final = (psycopg.Error, DBAPIError, PoolTimeoutError, ArgumentError)
"""What the driver and SQLAlchemy raise because of the server or of DATABASE_URL."""


def cause_of(error: BaseException) -> Cause:
    """Why PostgreSQL did not do its work.

    Args:
        error: of psycopg, SQLAlchemy or this product; what it was raised from is looked at as well.
    """
    for one in _chain(error):
        if isinstance(one, StoreUnavailableError) and one.cause is not None:
            return one.cause
        code = _code(one)
        if code is not None:
            return CAUSES[code]
    root = list(_chain(error))[-1]
    state = getattr(root, "sqlstate", None)
    name = f"{type(root).__name__}, SQLSTATE {state}" if state else type(root).__name__
    return Cause(
        state or "other",
        f"PostgreSQL did not do its work ({name}). Look at its log on the host of DATABASE_URL.",
        lasting=False,
    )


def is_refused(error: BaseException) -> bool:
    """True if the database does not do its work; False if the statement or its values are to blame."""
    if isinstance(error, (OperationalError, InterfaceError, PoolTimeoutError, ArgumentError)):
        return True
    return any(_code(one) is not None for one in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what the driver raised, and what each was raised from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [getattr(one, "orig", None), one.__cause__]


def _code(error: BaseException) -> str | None:
    if isinstance(error, PoolTimeoutError):
        return "pool"
    if isinstance(error, ArgumentError):
        return "url"
    state = getattr(error, "sqlstate", None)
    if state is not None:
        known = _ALIKE.get(state, state)
        return known if known in CAUSES else "lost" if state.startswith(_CONNECTION) else None
    if not type(error).__module__.startswith("psycopg"):
        return None
    return next((code for code, words in _PATTERNS.items() if words.search(str(error))), None)
