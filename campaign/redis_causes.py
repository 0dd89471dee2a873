"""Why Redis does not do its work: from any exception to one sentence with the variable and the remedy."""

import re
from typing import Final

from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from campaign.errors import Cause
from campaign.redis_client import refusal

CAUSES: Final = {
    cause.code: cause
    for cause in (
        Cause(
            "NOAUTH",
            "Redis refuses the user name or the password in REDIS_URL, or asks for one that is not there. Write "
            "redis://user:password@host:6379/0, or redis://:password@host:6379/0 if there is no user.",
            lasting=True,
        ),
        Cause(
            "NOPERM",
            "The user in REDIS_URL has too few rights in Redis. Give it all commands on the keys that begin with "
            "COUNTERSIGN_REDIS_PREFIX (ACL SETUSER).",
            lasting=True,
        ),
        Cause("READONLY", "Redis is a replica and refuses writes. Let REDIS_URL lead to its primary.", lasting=False),
        Cause(
            "OOM",
            "Redis has no memory left and refuses writes. Free some, or raise maxmemory on the host of REDIS_URL.",
            lasting=False,
        ),
        Cause(
            "MISCONF",
            "Redis can't save its data to disk and refuses writes. Look at the disk and the log of the host of "
            "REDIS_URL.",
            lasting=False,
        ),
        Cause("LOADING", "Redis is loading its data after a start (REDIS_URL). Please wait.", lasting=False),
        Cause(
            "certificate",
            "The TLS certificate of Redis can't be trusted for the host in REDIS_URL. Name its authority in "
            "COUNTERSIGN_CA_FILE (or ?ssl_ca_certs=), and write the host as the certificate has it.",
            lasting=True,
        ),
        Cause(
            "tls",
            "Redis and REDIS_URL do not agree on TLS. Write rediss:// for a port with TLS, redis:// for one without.",
            lasting=True,
        ),
        Cause(
            "refused",
            "Nothing answers at the host and port of REDIS_URL. Start Redis, let it listen there (bind), or correct "
            "REDIS_URL.",
            lasting=False,
        ),
        Cause(
            "host",
            "The host in REDIS_URL is not known. Correct its name, or enter it in DNS or /etc/hosts.",
            lasting=True,
        ),
        Cause(
            "dns",
            "The name server does not answer, so that the host in REDIS_URL can't be found. Look at /etc/resolv.conf "
            "and the network.",
            lasting=False,
        ),
        Cause(
            "timeout",
            "Redis does not answer in time. Look whether the host of REDIS_URL is up, overloaded or behind a firewall.",
            lasting=False,
        ),
        Cause(
            "lost",
            "Redis has closed the connection. Look at its log on the host of REDIS_URL; if its port speaks TLS, write "
            "rediss://.",
            lasting=False,
        ),
        Cause(
            "url",
            "REDIS_URL can't be read. Write it as redis://user:password@host:6379/0, rediss:// with TLS, or "
            "redis+socket:///path, with special characters percent-encoded (@ as %40).",
            lasting=True,
        ),
        Cause("database", "Redis has no database of the number at the end of REDIS_URL. Write /0.", lasting=True),
    )
}
"""All known causes by their code. The sentences are constants: an error may quote the URL with its password."""

_WORDS: Final = {
    "NOAUTH": "WRONGPASS|NOAUTH|invalid username-password|Authentication required|without any password",
    "database": "DB index is out of range|invalid DB index",
    "certificate": "CERTIFICATE_VERIFY_FAILED|certificate verify failed|certificate required|unknown ca",
    "tls": r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|UNEXPECTED_EOF|\[SSL|SSL:|packet length too long",
    "dns": r"Error -3\b|Temporary failure in name resolution",
    "host": r"Error -[25]\b|Name or service not known|No address associated",
    "refused": "Connection refused|No such file|No route to host|Network is unreachable|Permission denied",
    "timeout": r"Timeout|timed out|Error 110",
    "lost": "closed by server|Connection reset|Broken pipe|Error 104|Error 32 |while reading",
}
_PATTERNS: Final = {code: re.compile(words, re.IGNORECASE) for code, words in _WORDS.items()}


def cause_of(error: BaseException) -> Cause:
    """Why Redis did not do its work.

    Args:
        error: of redis-py, kombu or a socket; what it was raised from is looked at as well.
    """
    one: BaseException | None = error
    while one is not None:
        code = _code(one)
        if code is not None:
            return CAUSES[code]
        one = one.__cause__
    code = refusal(error) if isinstance(error, Exception) else type(error).__name__
    return Cause(code, f"Redis did not do its work ({code}). Look at its log on the host of REDIS_URL.", lasting=False)


def _code(error: BaseException) -> str | None:
    told = getattr(error, "code", None)
    if isinstance(told, str) and told in CAUSES:
        return told
    if isinstance(error, (RedisError, OSError)):
        said = refusal(error)
        found = (code for code, pattern in _PATTERNS.items() if pattern.search(str(error)))
        is_late = isinstance(error, (RedisTimeoutError, TimeoutError))
        return "timeout" if is_late else said if said in CAUSES else next(found, None)
    return "url" if isinstance(error, ValueError) else None
