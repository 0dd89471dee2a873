"""Encryption at rest: AES-256-GCM fields, one data key per petition wrapped by an instance key, keyed hashes."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from campaign.errors import CountersignError
from campaign.variables import Key

NONCE = 12
INDEX = 16
"""Bytes of a keyed hash that are stored: 128 bits never collide here, and 10M rows stay narrow."""


class DecryptionError(CountersignError):
    """Raised when a ciphertext is not what its place says: altered, moved, or sealed under a key that is not listed."""


def derive(secret: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose (HKDF-Expand, RFC 5869 2.3)."""
    return HKDFExpand(algorithm=SHA256(), length=32, info=purpose.encode()).derive(secret)


class Mac:
    """HMAC-SHA256 (RFC 2104) under one key. Threads may share one."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)

    def __call__(self, data: bytes) -> bytes:
        """The 32 bytes for ``data``."""
        # A copy of the keyed state: the key is hashed once, and the kept state never changes.
        mac = self._keyed.copy()
        mac.update(data)
        return mac.digest()


def keyed_hash(key: bytes, text: str) -> bytes:
    """HMAC-SHA256 of a text, cut to :data:`INDEX` bytes."""
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")[:INDEX]


def opened(cipher: AESGCM, blob: bytes, place: str) -> bytes:
    """Decrypt what is stored as a nonce and a ciphertext.

    Raises:
        InvalidTag: altered, cut off, or sealed for another place or key.
    """
    if len(blob) < NONCE:
        # The cipher refuses a short nonce with a ValueError, as a fault of the program.
        raise InvalidTag
    return cipher.decrypt(blob[:NONCE], blob[NONCE:], place.encode())


@dataclass(frozen=True)
class Sealed:
    """A data key as it is stored: encrypted by the instance key named ``key_id``."""

    key_id: str
    blob: bytes


def is_retention(sealed: Sealed) -> bool:
    """True if a data key is under a retention key: names of instance keys hold no full stop."""
    return "." in sealed.key_id


@dataclass(frozen=True)
class DataKey:
    """An unwrapped data key: encrypts the fields of one petition, or of the accounts, and indexes them blindly."""

    secret: bytes = field(repr=False)
    cipher: AESGCM = field(repr=False, compare=False)
    index_key: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> "DataKey":
        """Derive the field cipher and the index key from a secret of 32 bytes."""
        return cls(secret=secret, cipher=AESGCM(derive(secret, "fields")), index_key=derive(secret, "index"))

    def seal(self, text: str, *, place: str, nonce: bytes = b"") -> bytes:
        """Encrypt a text for one place, ``table.column.row``; moved elsewhere it does not open.

        Args:
            text: of any length.
            place: where it will stand.
            nonce: :data:`NONCE` random bytes for this text alone; drawn here if not given.
        """
        return self.seal_bytes(text.encode(), place=place, nonce=nonce)

    def seal_bytes(self, content: bytes, *, place: str, nonce: bytes = b"") -> bytes:
        """Encrypt bytes for one place, as :meth:`seal` does a text."""
        nonce = nonce or secrets.token_bytes(NONCE)
        return nonce + self.cipher.encrypt(nonce, content, place.encode())

    def open(self, blob: bytes, *, place: str) -> str:
        """Decrypt what :meth:`seal` made for the same place.

        Raises:
            DecryptionError: altered, or sealed for another place or key.
        """
        return self.open_bytes(blob, place=place).decode()

    def open_bytes(self, blob: bytes, *, place: str) -> bytes:
        """Decrypt what :meth:`seal_bytes` made for the same place.

        Raises:
            DecryptionError: altered, or sealed for another place or key.
        """
        try:
            return opened(self.cipher, blob, place)
        except InvalidTag:
            raise DecryptionError(f"the encrypted value at {place} does not open") from None

    def index(self, text: str) -> bytes:
        """The blind index of a text: equal texts meet, nothing can be read back without the key."""
        return keyed_hash(self.index_key, text)

    def mark(self, *indexes: bytes) -> bytes:
        """What stays of blind indexes that are erased: under a key of its own, so that it meets no index."""
        return keyed_hash(derive(self.secret, "mark"), ".".join(index.hex() for index in indexes))


class RetiredKeyError(DecryptionError):
    """Raised when the retention key that wrapped a data key was destroyed: nothing opens it any longer."""


class RetentionSecrets(Protocol):
    """Where the retention keys are."""

    version: object
    """Changes with the keys."""

    def secret(self, name: str) -> bytes:
        """The secret of a retention key.

        Raises:
            DecryptionError: it is not listed, or retired.
        """


class Keyring:
    """Wraps and unwraps data keys: the newest instance key wraps, all listed ones unwrap.

    The data keys of petitions are wrapped anew by retention keys, whose names hold a full stop.
    """

    def __init__(self, keys: Sequence[Key], retention: RetentionSecrets | None = None) -> None:
        if not keys:
            raise DecryptionError("no instance key is set: COUNTERSIGN_KEYS is empty")
        self.newest = keys[0].id
        self._ciphers = {key.id: AESGCM(derive(key.secret, "wrap")) for key in keys}
        self._retention = retention
        self._retention_version: object = None
        self._unwrap = lru_cache(maxsize=4096)(self._unwrap_now)

    def new_data_key(self, place: str, *, retention: str = "") -> Sealed:
        """Make a data key and return it wrapped for its place, e.g. ``petition.data_key``.

        Args:
            place: what it is bound to.
            retention: the name of the retention key that wraps it, instead of the newest instance key.
        """
        secret = secrets.token_bytes(32)
        return self._wrap_for_retention(secret, place, retention) if retention else self.wrap(secret, place)

    def wrap(self, secret: bytes, place: str) -> Sealed:
        """Wrap a secret of 32 bytes under the newest instance key."""
        nonce = secrets.token_bytes(NONCE)
        return Sealed(self.newest, nonce + self._ciphers[self.newest].encrypt(nonce, secret, place.encode()))

    def unwrap(self, sealed: Sealed, place: str) -> DataKey:
        """The data key behind its wrapped form; kept in memory, for it is asked on each request.

        Raises:
            DecryptionError: the instance key that wrapped it is not listed, or the blob is not for this place.
        """
        if is_retention(sealed):
            # Looked up each time, so that a key that was destroyed opens nothing from then on.
            self._retention_cipher(sealed.key_id)
        return self._unwrap(sealed, place)

    def _retention_cipher(self, name: str) -> AESGCM:
        if self._retention is None:
            raise DecryptionError(
                f"data is sealed with the retention key {name!r}, and COUNTERSIGN_RETENTION_KEYS names no file"
            )
        secret = self._retention.secret(name)
        if self._retention.version != self._retention_version:
            self._unwrap.cache_clear()
            self._retention_version = self._retention.version
        return AESGCM(derive(secret, "wrap"))

    def wrap_for_retention(self, sealed: Sealed, place: str, *, name: str) -> Sealed:
        """The same data key under a retention key.

        Raises:
            DecryptionError: the data key does not open, or the retention key is not listed, or retired.
        """
        return self._wrap_for_retention(self.unwrap(sealed, place).secret, place, name)

    def _wrap_for_retention(self, secret: bytes, place: str, name: str) -> Sealed:
        nonce = secrets.token_bytes(NONCE)
        return Sealed(name, nonce + self._retention_cipher(name).encrypt(nonce, secret, place.encode()))

    def _unwrap_now(self, sealed: Sealed, place: str) -> DataKey:
        kept = is_retention(sealed)
        cipher = self._retention_cipher(sealed.key_id) if kept else self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise DecryptionError(
                f"data is sealed with the instance key {sealed.key_id!r}, which COUNTERSIGN_KEYS does not list; "
                "add it after the newest one"
            )
        try:
            return DataKey.of(opened(cipher, sealed.blob, place))
        except InvalidTag:
            kind, setting = ("retention", "COUNTERSIGN_RETENTION_KEYS") if kept else ("instance", "COUNTERSIGN_KEYS")
            raise DecryptionError(
                f"the {kind} key {sealed.key_id!r} does not open what is stored for {place}: "
                f"{setting} belongs to another installation"
            ) from None

    def rewrap(self, sealed: Sealed, place: str) -> Sealed | None:
        """The same data key under the newest instance key; None if it is already, or under a retention key."""
        if sealed.key_id == self.newest or is_retention(sealed):
            return None
        return self.wrap(self.unwrap(sealed, place).secret, place)


def text_hash(*parts: str) -> bytes:
    """SHA-256 of texts that people agree to; unambiguous, whatever the parts hold."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.digest()
