"""The composition root shared by web, worker, CLI and tests."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from campaign.database import instance
from campaign.database.connection import Nudge, Store, no_nudge
from campaign.errors import CountersignError
from campaign.networks.rules import Limits
from campaign.networks.shared import Networks
from campaign.security.encryption import DataKey, Keyring, derive, keyed_hash
from campaign.security.retention_keys import RetentionKeys
from campaign.security.tokens import Tokens
from campaign.settings import Settings
from campaign.ttl_cache import TTLCache

FRESH = 1.0
"""Seconds for which a process may use what it last read from the database."""

MAX_CACHED = 1_000
"""Entries of that cache."""


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Secrets:
    """Keys that must outlive every rotation, derived from the installation's stable secret."""

    address: bytes = field(repr=False)
    code: bytes = field(repr=False)
    message_id: bytes = field(repr=False)
    requests: DataKey = field(repr=False)
    feedback: DataKey = field(repr=False)
    """Seals what came back, as long as an admin may have to look at it."""

    @classmethod
    def of(cls, stable: DataKey) -> "Secrets":
        """Derive one key per purpose."""
        secret = stable.secret
        return cls(
            address=derive(secret, "address"),
            code=derive(secret, "code"),
            message_id=derive(secret, "message-id"),
            requests=DataKey.of(derive(secret, "requests")),
            feedback=DataKey.of(derive(secret, "feedback")),
        )

    def address_key(self, canonical: str) -> bytes:
        """Keyed hash of a canonical address over all petitions: suppression and allowance, nothing else."""
        return keyed_hash(self.address, canonical)


@dataclass(frozen=True)
class Runtime:
    """What every use case needs."""

    settings: Settings
    store: Store
    keyring: Keyring
    tokens: Tokens
    secrets: Secrets
    accounts: DataKey
    epoch: uuid.UUID
    networks: Networks
    retention: RetentionKeys | None = None
    """The keys that wrap those of petitions; None if no file is named for them."""
    clock: Callable[[], datetime] = now
    chance: Callable[[], float] = random.random
    cache: TTLCache = field(default_factory=lambda: TTLCache(FRESH, max_entries=MAX_CACHED), repr=False)
    """Values read from the database and asked for by many requests; keys begin with what they are of."""
    known: dict[str, object] = field(default_factory=dict, repr=False)
    """What was read last, for the time when the database is away."""

    def close(self) -> None:
        """Give back what the runtime holds open."""
        self.store.close()
        self.networks.close()


STABLE_PLACE = "instance.stable_key"
ACCOUNT_PLACE = "instance.account_key"


def build(
    settings: Settings,
    *,
    nudge: Nudge = no_nudge,
    clock: Callable[[], datetime] | None = None,
    pool_size: int = 5,
) -> Runtime:
    """Wire a runtime for checked settings that name a database and keys.

    Args:
        settings: from :func:`campaign.settings.load`.
        nudge: called with the lanes that have new work, after the commit.
        clock: gives the present moment; the database's, so that all hosts agree, unless tests hand in their own.
        pool_size: database connections kept open.

    Raises:
        StoreUnavailableError: the database does not answer.
        DecryptionError: the instance keys do not open this database.
    """
    store = Store(settings.database_url, nudge=nudge, pool_size=pool_size)
    retention = RetentionKeys(settings.retention_keys) if settings.retention_keys else None
    keyring = Keyring(settings.keys, retention)
    try:
        found = _instance(store, keyring)
        return Runtime(
            settings=settings,
            store=store,
            keyring=keyring,
            retention=retention,
            tokens=Tokens(settings.keys),
            secrets=Secrets.of(keyring.unwrap(found.stable, STABLE_PLACE)),
            accounts=keyring.unwrap(found.accounts, ACCOUNT_PLACE),
            epoch=found.epoch,
            networks=Networks(
                settings.redis_url,
                prefix=settings.redis_prefix,
                limits=Limits(settings.network_places, max(settings.network_places, settings.network_cap)),
            ),
            clock=clock or store.clock,
        )
    except CountersignError:
        store.close()
        raise


def _instance(store: Store, keyring: Keyring) -> instance.Instance:
    found = store.transact(instance.find)
    if found is not None:
        return found
    made = instance.Instance(uuid.uuid4(), keyring.new_data_key(STABLE_PLACE), keyring.new_data_key(ACCOUNT_PLACE))
    store.transact(lambda tx: instance.create(tx, made))
    # Another process may have been first; its row is the one that counts.
    return store.transact(instance.find) or made
