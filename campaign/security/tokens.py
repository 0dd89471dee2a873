"""Signed tokens in links: one salt per purpose, opaque row ids and nonces, nothing readable."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from itsdangerous import BadSignature, Signer

from campaign.errors import TokenRefusedError
from campaign.security.encryption import Mac, derive
from campaign.variables import Key

REFUSED = "this link does not work (any more)"
"""What is said of every token that opens nothing, whatever the reason."""

NONCE = 8
"""Bytes of a row's nonce; changing it revokes every link to the row."""

DOCTOR_HEADER = "X-Countersign-Doctor"
"""Header of the request of `countersign doctor` to our own public address; its value is signed."""

ROW = 6
"""Bytes of a row id in a token."""


class Purpose(StrEnum):
    """What a token opens. A token for one purpose is refused for every other."""

    CONFIRM = "confirm"
    MANAGE = "manage"
    PRIVATE = "private"
    """As MANAGE, with the second at which it ends."""
    ASSENT = "assent"
    """The button of the page before something that can't be undone."""
    MOVE = "move"
    """Mailed to the new address of a signature; its row is the change."""
    MOVE_BACK = "move-back"
    """Mailed to the address that a signature had before."""
    UNSUBSCRIBE = "unsubscribe"
    SIGN_IN = "sign-in"
    STAMP = "stamp"
    NEWS = "news"
    SAID = "said"
    """What an answer of ours did, for the page that it leads to; it opens nothing."""
    FORM = "form"
    """The account whose page a form is on; it opens nothing."""
    DOCTOR = "doctor"
    """The request of `countersign doctor` to its own public address; it opens nothing but the count of proxies."""


@dataclass(frozen=True)
class Claim:
    """What a token says: a row and, where links can be revoked, the row's nonce."""

    row_id: int
    nonce: bytes


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _encode(raw: bytes) -> bytes:
    return binascii.b2a_base64(raw, newline=False).rstrip(b"=").translate(_URL_SAFE)


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise TokenRefusedError(REFUSED) from None


@dataclass(frozen=True, slots=True)
class Issuer:
    """Makes the tokens of one purpose."""

    mac: Mac

    def __call__(self, row_id: int, nonce: bytes = b"") -> bytes:
        """A token for one row, in ASCII."""
        payload = _encode(row_id.to_bytes(ROW, "big") + nonce)
        return payload + b"." + _encode(self.mac(payload))


class Tokens:
    """Issues and reads tokens with itsdangerous; the newest key signs, every listed key verifies."""

    def __init__(self, keys: Sequence[Key]) -> None:
        # itsdangerous wants the oldest key first; COUNTERSIGN_KEYS has the newest first.
        secrets = [derive(key.secret, "token") for key in reversed(keys)]
        self._signers = {
            purpose: Signer(secrets, salt=f"countersign.{purpose}", key_derivation="hmac", digest_method=hashlib.sha256)
            for purpose in Purpose
        }
        # itsdangerous derives its key anew for each signature; composing mail signs with the same key, derived here.
        self._macs = {purpose: Mac(bytes(signer.derive_key())) for purpose, signer in self._signers.items()}
        # Everybody who saw a page in the same minute sends the same stamp: it is checked once.
        self._texts = lru_cache(maxsize=1024)(self._verified)

    def issue(self, purpose: Purpose, row_id: int, nonce: bytes = b"") -> str:
        """A token for one row; the same input gives the same token, so that a retried mail is the same mail."""
        return self.issuer(purpose)(row_id, nonce).decode("ascii")

    def issuer(self, purpose: Purpose) -> "Issuer":
        """:meth:`issue` for one purpose, for making many."""
        return Issuer(self._macs[purpose])

    def read(self, purpose: Purpose, token: str) -> Claim:
        """Check a token and return what it says.

        Raises:
            TokenRefusedError: altered, malformed, signed by an unlisted key, or for another purpose.
        """
        raw = _decode(self._verified(purpose, token))
        return Claim(int.from_bytes(raw[:ROW], "big"), raw[ROW:])

    def sign_text(self, purpose: Purpose, text: str) -> str:
        """Sign a short text (a form stamp); it stays readable."""
        return self._signers[purpose].sign(text.encode()).decode()

    def read_text(self, purpose: Purpose, token: str) -> str:
        """The text behind :meth:`sign_text`.

        Raises:
            TokenRefusedError: altered or for another purpose.
        """
        return self._texts(purpose, token)

    def _verified(self, purpose: Purpose, token: str) -> str:
        signature = token.rpartition(".")[2]
        # The last base64 character has spare bits: only the one spelling that we issue is accepted.
        if _encode(_decode(signature)).decode() != signature:
            raise TokenRefusedError(REFUSED)
        try:
            return self._signers[purpose].unsign(token.encode("ascii")).decode()
        except (BadSignature, UnicodeError):
            raise TokenRefusedError(REFUSED) from None
