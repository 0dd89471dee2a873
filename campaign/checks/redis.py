"""Checks of Redis: log-in, version, TLS, eviction, persistence, role and writing."""

from typing import Final
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError

from campaign import redis_causes, tls_urls
from campaign.checks.findings import Finding, Level, fine, unknown
from campaign.redis_client import PROBE, PROBE_SECONDS, open_client
from campaign.settings import LOCAL_HOSTS, Settings

TIMEOUT: Final = 3.0
"""Seconds to wait for an answer."""

MINIMUM: Final = (6, 2)

WHY: Final = "Without Redis work is found in the database each second: slower, still correct; networks have few places."


def check(settings: Settings) -> list[Finding]:
    """All checks of Redis; the log-in alone if that fails."""
    try:
        with open_client(settings.redis_url, timeout=TIMEOUT) as client:
            client.set(settings.redis_prefix + PROBE, "1", ex=PROBE_SECONDS)
            client.delete(settings.redis_prefix + PROBE)
            found = [fine("redis.log_in", "Redis lets us in and takes writes."), _encryption(settings.redis_url)]
            return found + _server(client)
    except (RedisError, OSError, ValueError) as error:
        cause = redis_causes.cause_of(error)
        return [Finding("redis.log_in", Level.STOP, cause.sentence, WHY, passes=not cause.lasting)]


def _server(client: Redis) -> list[Finding]:
    try:
        told = client.info()
    except RedisError as error:
        reason = redis_causes.cause_of(error).code
        return [
            unknown("redis.server", f"our user may not run INFO ({reason})", remedy="Allow it: ACL SETUSER … +info.")
        ]
    return [_version(str(told.get("redis_version", "0"))), _eviction(told), _persistence(told)]


def _version(version: str) -> Finding:
    name = "redis.version"
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) >= MINIMUM:
        return fine(name, f"Redis {version}, or a server like it.")
    return Finding(
        name,
        Level.STOP,
        f"Redis {version} is too old.",
        "Countersign uses commands of Redis 6.2.",
        "Install Redis 6.2 or newer, or Valkey.",
    )


def _eviction(told: dict[str, object]) -> Finding:
    name, policy = "redis.eviction", str(told.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return fine(name, "Redis never drops what waits in a queue.")
    return Finding(
        name,
        Level.LOOK,
        f"Redis has the maxmemory-policy {policy}.",
        "When its memory is short it drops queues and places of networks without a word.",
        "Set maxmemory-policy noeviction.",
    )


def _persistence(told: dict[str, object]) -> Finding:
    name = "redis.persistence"
    if str(told.get("aof_enabled", "0")) == "1":
        return fine(name, "Redis keeps what it holds over a restart (append-only file).")
    return Finding(
        name,
        Level.LOOK,
        "Redis keeps no append-only file.",
        "After a crash of Redis the places of shared networks begin anew; no email is lost.",
        "Set appendonly yes.",
    )


def _encryption(url: str) -> Finding:
    name, parts = "redis.tls", urlsplit(url)
    if parts.scheme == "redis+socket" or (parts.hostname or "localhost") in LOCAL_HOSTS:
        return fine(name, "The connection to Redis stays on this machine.")
    if parts.scheme == "rediss" and tls_urls.is_verified(url):
        return fine(name, "The connection to Redis has TLS, and its certificate is checked.")
    return Finding(
        name,
        Level.LOOK,
        "The connection to Redis has no TLS."
        if parts.scheme == "redis"
        else "The certificate of Redis is not checked.",
        "Whoever is on the way can read the password, and wake workers.",
        "Write rediss:// in REDIS_URL without ssl_cert_reqs and ssl_check_hostname, and name an own authority in "
        "COUNTERSIGN_CA_FILE.",
    )
