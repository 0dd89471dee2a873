"""Which retention key opens which petitions; putting petitions under them, and destroying one. Docs: ADR 22."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final

from campaign.accounts import audit
from campaign.database import instance
from campaign.database.connection import Transaction
from campaign.errors import ConflictError, NotFoundError
from campaign.petitions import queries
from campaign.runtime import Runtime
from campaign.security.encryption import Sealed
from campaign.security.retention_keys import RetentionKey, RetentionKeys, quarter
from campaign.states import PetitionState

ROLLING: Final = timedelta(hours=1)
"""After the upgrade that brought retention keys, processes of the release before may run for this time."""

KEY_PLACE: Final = "petition.data_key"
"""What a petition's data key is bound to when it is wrapped."""

SLICE: Final = 100


@dataclass(frozen=True)
class Held:
    """A retention key, and how many petitions it opens, all and live ones."""

    key: RetentionKey
    petitions: int
    live: int
    is_newest: bool = False
    """True if it is the one that petitions of the present quarter are put under."""


@dataclass(frozen=True)
class Status:
    """All retention keys, and how many petitions are under instance keys alone."""

    keys: tuple[Held, ...]
    under_instance_keys: int
    needs_key: str
    """The present quarter, if it has no key; else empty."""


def _keys(runtime: Runtime) -> RetentionKeys:
    if runtime.retention is None:
        raise NotFoundError("no file of retention keys is named: set COUNTERSIGN_RETENTION_KEYS")
    return runtime.retention


def status(runtime: Runtime) -> Status:
    """Which keys exist, and what they open.

    Raises:
        NotFoundError: no file of retention keys is named.
        KeyFileError: it can't be read.
    """
    keys, today = _keys(runtime), runtime.clock().date()
    opened = runtime.store.transact(queries.opened_by)
    present = keys.of_quarter(quarter(today), made_before=date.max)
    held = []
    for key in keys.all():
        numbers = opened.get(key.name, {})
        is_newest = present is not None and key.name == present.name
        held.append(Held(key, sum(numbers.values()), numbers.get(PetitionState.LIVE, 0), is_newest))
    alone = sum(sum(numbers.values()) for name, numbers in opened.items() if "." not in name)
    return Status(tuple(held), alone, "" if present else quarter(today))


def add(runtime: Runtime) -> RetentionKey:
    """Make a key for the petitions of the present quarter.

    Raises:
        NotFoundError: no file of retention keys is named.
        KeyFileError: it can't be written.
    """
    today = runtime.clock().date()
    key = _keys(runtime).add(quarter(today), today=today)
    runtime.store.transact(
        lambda tx: audit.add(
            tx, action="keys.add", subject="instance", subject_id=1, actor="cli", detail={"key": key.name}
        )
    )
    return key


def _usable(runtime: Runtime) -> RetentionKeys | None:
    since = runtime.store.transact(instance.retention_keys_since)
    return None if since is None or runtime.clock() < since + ROLLING else runtime.retention


def new_data_key(runtime: Runtime) -> Sealed:
    """The wrapped data key of a new petition: under the retention key of this quarter, or else an instance key.

    Raises:
        KeyFileError: the file of retention keys can't be read or written.
    """
    keys = _usable(runtime)
    key = _key_for(runtime, keys, runtime.clock().date()) if keys is not None else None
    return runtime.keyring.new_data_key(KEY_PLACE, retention=key.name if key else "")


def keep_wrapped(runtime: Runtime) -> int:
    """Put petitions under the retention key of the quarter of their creation; returns how many were changed.

    In the key folder of this installation a missing key is made. In a file elsewhere an administrator makes it, and it
    is used a day later. Petitions of a quarter without a key stay as they are. Nothing is done within an hour after
    the upgrade that brought retention keys, and a second run finds nothing to do.

    Raises:
        KeyFileError: the file can't be read or written.
    """
    keys = _usable(runtime)
    if keys is None:
        return 0
    total, last = 0, 0
    while True:
        last, changed = runtime.store.transact(partial(_wrap_slice, runtime, keys, after=last))
        total += changed
        if not last:
            return total


def _wrap_slice(runtime: Runtime, keys: RetentionKeys, tx: Transaction, *, after: int) -> tuple[int, int]:
    found, changed = queries.under_instance_keys(tx, after=after, limit=SLICE), 0
    for petition_id, created_at, sealed in found:
        key = _key_for(runtime, keys, created_at.date())
        if key is not None:
            wrapped = runtime.keyring.wrap_for_retention(sealed, KEY_PLACE, name=key.name)
            queries.rewrap(tx, petition_id, wrapped)
            changed += 1
    return (found[-1][0] if found else 0), changed


def _key_for(runtime: Runtime, keys: RetentionKeys, day: date) -> RetentionKey | None:
    today = runtime.clock().date()
    if keys.path.parent != runtime.settings.key_folder:
        # Made by an administrator today, it may not be on every host yet.
        return keys.of_quarter(quarter(day), made_before=today)
    return keys.of_quarter(quarter(day), made_before=date.max) or keys.add(quarter(day), today=today)


def retire(runtime: Runtime, name: str, *, force: bool = False) -> int:
    """Destroy a retention key, and the data keys it opens; returns how many petitions lose theirs.

    First in the database, with an entry in the audit log, then in the file: if that fails, a second run ends it.

    Args:
        runtime: the runtime.
        name: of the key.
        force: also if it opens a live petition, which is closed.

    Raises:
        NotFoundError: there is no such key, or no file is named.
        ConflictError: it opens a live petition.
        KeyFileError: the file can't be written.
    """
    keys = _keys(runtime)
    key = next((one for one in keys.all() if one.name == name), None)
    if key is None:
        raise NotFoundError(f"there is no retention key {name}")

    def work(tx: Transaction) -> int:
        live = queries.opened_by(tx).get(name, {}).get(PetitionState.LIVE, 0)
        if live and not force:
            raise ConflictError(f"{name} still opens {live} live petitions")
        gone = queries.destroy_under(tx, name, now=runtime.clock())
        if not key.is_retired:
            detail = {"key": name, "petitions": gone}
            audit.add(tx, action="keys.retire", subject="instance", subject_id=1, actor="cli", detail=detail)
        return len(gone)

    petitions = runtime.store.transact(work)
    keys.retire(name, today=runtime.clock().date())
    return petitions
