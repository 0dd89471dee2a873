"""What a provider's webhook is made of, and what it may use."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from campaign.feedback.events import Event
from campaign.feedback.providers.certificates import Certificates, Fetch
from campaign.mail.verp import Names
from campaign.settings import Settings

KILOBYTE: Final = 1024

SIGNATURE: Final = "Signature"
"""Challenge of a 401 (RFC 9110 section 11.6.1) where the proof is a signature."""

BASIC: Final = 'Basic realm="hooks", charset="UTF-8"'
"""The same where it is a user name and a password (RFC 7617)."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a hook. Names of headers are in small letters; ``secret`` is what follows the provider's name."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    secret: str = field(default="", repr=False)


class TokenUses(Protocol):
    """Remembers for which body a one-time token was used."""

    def is_new(self, provider: str, token: str, body: bytes) -> bool:
        """True if a token was never used, or for this very body only.

        Raises:
            HookAwayError: it can't be known now.
        """


@dataclass(frozen=True, slots=True)
class Tools:
    """What proving may need: the present moment, certificates from elsewhere, and one-time tokens."""

    now: datetime
    certificates: Certificates
    tokens: TokenUses


def _no_handshake(_call: Call, _fetch: Fetch) -> None:
    """Most providers send nothing but events."""


@dataclass(frozen=True, slots=True)
class Hook:
    """The webhook of one provider."""

    provider: str
    max_body: int
    """Octets of a request; what is larger is refused with 413."""
    keys: Callable[[Settings], tuple[str, ...]]
    """The secrets or keys that a request is proven with; none: there is no such hook."""
    prove: Callable[[Call, tuple[str, ...], Tools], bool]
    """True if a request comes from the provider. Nothing of an unproven one is looked at further.

    May raise HookAwayError: it can't be known now.
    """
    read: Callable[[bytes, Names, datetime], list[Event]]
    """The events of a proven body, given who signs our names and the present moment; never raises."""
    challenge: str = SIGNATURE
    shake_hands: Callable[[Call, Fetch], None] = _no_handshake
    """What a proven request asks for itself, such as to confirm a subscription. May raise HookAwayError."""


def is_same(sent: str | bytes, expected: str | bytes) -> bool:
    """Compare secrets in constant time, whatever characters were sent."""
    return hmac.compare_digest(
        sent.encode("utf-8", "replace") if isinstance(sent, str) else sent,
        expected.encode() if isinstance(expected, str) else expected,
    )


def decoded(base64_text: str) -> bytes:
    """Base64 as octets; empty if it is none."""
    try:
        return base64.b64decode(base64_text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def has_credentials(call: Call, keys: tuple[str, ...], _tools: Tools) -> bool:
    """Prove by basic authentication (RFC 7617) and a secret at the end of the path: ``user:password/secret``."""
    scheme, _, sent = call.headers.get("authorization", "").partition(" ")
    credentials = decoded(sent.strip()) if scheme.lower() == "basic" else b""
    given = credentials + b"/" + call.secret.encode("utf-8", "replace")
    return any(is_same(given, key) for key in keys)
