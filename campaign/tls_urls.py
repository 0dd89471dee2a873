"""DATABASE_URL and REDIS_URL with what makes their TLS verified: explicit options, for all who open a connection.

Options that a URL has stay as they are. Celery verifies nothing unless it is told to, and libpq neither.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def database_url(url: str, ca_file: Path | None) -> str:
    """DATABASE_URL with the own certificate authority, if there is one.

    A server of another host must then show a certificate of that authority for its name (``sslmode=verify-full``,
    libpq's documentation, "SSL support"), unless the URL names another sslmode. A Unix socket has no TLS.
    """
    if ca_file is None or not url:
        return url
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    host = parts.hostname or options.get("host", [""])[0]
    if not host or host.startswith("/") or (host in LOOPBACK and "sslmode" not in options):
        return url
    return _with(parts, {"sslmode": "verify-full", "sslrootcert": str(ca_file)}, options.keys())


def redis_url(url: str, ca_file: Path | None) -> str:
    """REDIS_URL, for ``rediss://`` with the demand that certificate and host name are right.

    Args:
        url: as it is set.
        ca_file: an own certificate authority; those of the system if None.
    """
    if not url.startswith("rediss://"):
        return url
    # Celery's spelling, which redis-py does not know.
    for name in ("none", "optional", "required"):
        url = url.replace(f"ssl_cert_reqs=CERT_{name.upper()}", f"ssl_cert_reqs={name}")
    parts = urlsplit(url)
    wanted = {"ssl_cert_reqs": "required"} | ({"ssl_ca_certs": str(ca_file)} if ca_file else {})
    return _with(parts, wanted, parse_qs(parts.query).keys())


def is_verified(url: str) -> bool:
    """True if a connection to this ``rediss://`` URL is refused when the certificate is not right."""
    options = parse_qs(urlsplit(url).query)
    is_checked = options.get("ssl_cert_reqs", ["required"])[-1] == "required"
    return is_checked and options.get("ssl_check_hostname", ["true"])[-1].lower() not in {"false", "0", "no"}


def _with(parts: SplitResult, wanted: Mapping[str, str], present: Collection[str]) -> str:
    added = [f"{name}={quote(value)}" for name, value in wanted.items() if name not in present]
    return parts._replace(query="&".join(filter(None, [parts.query, *added]))).geturl()
