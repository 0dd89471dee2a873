"""DKIM (RFC 6376): relaxed/relaxed, rsa-sha256, and optionally ed25519-sha256 (RFC 8463) beside it.

The canonical forms are ours, the signatures are made by ``cryptography``; dkimpy verifies them in the tests. No
``l=``: a signature covers the whole body.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from campaign.errors import SettingsError
from campaign.mail.headers import name_of, relaxed

SIGNED: Final = frozenset(
    {
        "from",
        "to",
        "cc",
        "reply-to",
        "subject",
        "date",
        "message-id",
        "in-reply-to",
        "references",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "content-language",
        "auto-submitted",
        "feedback-id",
        "list-id",
        "list-unsubscribe",
        "list-unsubscribe-post",
    }
)
"""Headers that are signed when they are there."""

OVERSIGNED: Final = ("from", "to", "subject", "date", "message-id", "content-type")
"""Named once more than they occur, so that adding another one breaks the signature (RFC 6376 section 8.15)."""

MIN_RSA_BITS: Final = 2048
PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_PADDING = padding.PKCS1v15()
_SHA256 = hashes.SHA256()
_BLANKS = re.compile(rb"[ \t]+")
_TRAILING = re.compile(rb"[ \t]+(?=\r\n)")


@dataclass(frozen=True)
class DkimKey:
    """One private key with the place of its public half: ``selector._domainkey.domain``."""

    domain: str
    selector: str
    private_key: PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.private_key, rsa.RSAPrivateKey) and self.private_key.key_size < MIN_RSA_BITS:
            raise SettingsError([f"the DKIM key of {self.selector} has fewer than {MIN_RSA_BITS} bits"])

    @property
    def algorithm(self) -> str:
        """The value of ``a=``."""
        return "rsa-sha256" if isinstance(self.private_key, rsa.RSAPrivateKey) else "ed25519-sha256"

    def sign(self, data: bytes) -> bytes:
        """The raw signature over ``data``. RFC 8463 section 3: Ed25519 signs the SHA-256 hash."""
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            return self.private_key.sign(data, _PADDING, _SHA256)
        return self.private_key.sign(hashlib.sha256(data).digest())

    def dns_record(self) -> str:
        """The TXT record to publish."""
        public = self.private_key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            return f"v=DKIM1; k=rsa; p={b64encode(der).decode()}"
        return f"v=DKIM1; k=ed25519; p={b64encode(public.public_bytes_raw()).decode()}"


def load_key(path: Path, *, domain: str, selector: str) -> DkimKey:
    """Read a private key in PEM.

    Raises:
        SettingsError: when it can't be read, is neither RSA nor Ed25519, or is an RSA key of fewer than 2048 bits.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError([f"the DKIM key of {selector} can't be read ({type(error).__name__})"]) from error
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise SettingsError([f"the DKIM key of {selector} is neither RSA nor Ed25519"])
    return DkimKey(domain, selector, key)


@dataclass(frozen=True)
class Signer:
    """Signs messages with one or two keys, loaded once. An Ed25519 key never signs alone: few verify it yet.

    Thread-safe; can't be pickled.
    """

    keys: tuple[DkimKey, ...]

    @classmethod
    def create(cls, rsa_key: DkimKey, ed25519_key: DkimKey | None = None) -> Self:
        """A signer with the RSA key, and the Ed25519 key beside it if there is one."""
        if rsa_key.algorithm != "rsa-sha256":
            raise SettingsError(["an Ed25519 DKIM key can't be the only one: add an RSA key"])
        return cls((rsa_key,) if ed25519_key is None else (rsa_key, ed25519_key))

    def sign(self, message: bytes, *, timestamp: int | None = None) -> bytes:
        """``message`` (CRLF line ends) with DKIM-Signature headers in front; ``timestamp`` is ``t=``, Unix seconds."""
        head, _, body = message.partition(b"\r\n\r\n")
        lines = [line + b"\r\n" for line in re.split(rb"\r\n(?![ \t])", head)]
        names = [name_of(line) for line in lines]
        # Of headers that occur twice, verifiers take the last first (RFC 6376 section 5.4.2).
        canonical = b"".join(
            relaxed(line) for line, name in reversed(list(zip(lines, names, strict=True))) if name in SIGNED
        )
        body_hash = b64encode(hashlib.sha256(relaxed_body(body)).digest())
        return self.seals(canonical, list(reversed(names)), body_hash, timestamp) + message

    def seals(self, canonical: bytes, names: Sequence[str], body_hash: bytes, timestamp: int | None) -> bytes:
        """The DKIM-Signature headers.

        Args:
            canonical: the relaxed form of those headers in ``names`` that are in :data:`SIGNED`, in that order.
            names: names of headers in lower case.
            body_hash: SHA-256 of the relaxed body, in base64.
            timestamp: for ``t=``, Unix seconds.
        """
        return b"".join([_seal(key, canonical, tuple(names), body_hash, timestamp) for key in self.keys])


def _seal(key: DkimKey, canonical: bytes, names: tuple[str, ...], body_hash: bytes, timestamp: int | None) -> bytes:
    fixed, fixed_relaxed = _fields(key.algorithm, key.domain, key.selector, names, timestamp)
    # What follows the fixed part is its own relaxed form but for the fold.
    unsigned = fixed_relaxed + b" bh=" + body_hash + b"; b="
    signature = b64encode(key.sign(canonical + unsigned))
    lines = [signature[start : start + 72] for start in range(0, len(signature), 72)]
    return b"".join((fixed, b"\r\n bh=", body_hash, b";\r\n b=", b"\r\n ".join(lines), b"\r\n"))


@lru_cache(maxsize=64)
def _fields(
    algorithm: str, domain: str, selector: str, names: tuple[str, ...], timestamp: int | None
) -> tuple[bytes, bytes]:
    """The header up to ``bh=``, as sent and relaxed: the same for all mails of one kind in one second."""
    covered = [name for name in names if name in SIGNED]
    dated = "" if timestamp is None else f" t={timestamp};"
    fields = (
        f"v=1; a={algorithm}; c=relaxed/relaxed; d={domain}; s={selector};{dated}\r\n"
        f" h={_folded(':'.join([*covered, *OVERSIGNED]))};"
    ).encode("ascii")
    return b"DKIM-Signature: " + fields, b"dkim-signature:" + re.sub(rb"[ \t\r\n]+", b" ", fields)


def relaxed_body(body: bytes) -> bytes:
    """The relaxed canonical form of a body (RFC 6376 section 3.4.4)."""
    reduced = _BLANKS.sub(b" ", _TRAILING.sub(b"", body + b"\r\n")).rstrip(b"\r\n")
    return reduced + b"\r\n" if reduced else b""


def _folded(listed: str) -> str:
    lines, line = [], ""
    for name in listed.split(":"):
        if len(line) + len(name) > 70:
            lines.append(line)
            line = ""
        line += f"{name}:"
    return "\r\n  ".join([*lines, line[:-1]])
