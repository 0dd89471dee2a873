"""How the keys of webhooks are written in the settings, and checked at the start."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Annotated, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import BeforeValidator

from campaign.variables import InvalidError

TOPIC: Final = re.compile(r"arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}")
SECRET: Final = re.compile(r"[A-Za-z0-9._~+/=-]{16,200}")
CREDENTIALS: Final = re.compile(r"[A-Za-z0-9._~-]{1,60}:[A-Za-z0-9._~-]{12,100}/[A-Za-z0-9._~-]{12,100}")

_PEM: Final = re.compile(r"-----[A-Z ]+-----")
_DKIM: Final = re.compile(r"(?:^|;)\s*p=([A-Za-z0-9+/=\s]+)")


def _each(check: Callable[[str], str]) -> BeforeValidator:
    return BeforeValidator(lambda raw: tuple(check(one) for one in raw.replace(",", " ").split()))


def _topic(value: str) -> str:
    if not TOPIC.fullmatch(value):
        raise InvalidError("must be the ARN of an SNS topic, like arn:aws:sns:eu-central-1:123456789012:mail-events")
    return value


def _secret(value: str) -> str:
    if not SECRET.fullmatch(value):
        raise InvalidError("must have 16 to 200 letters, digits or . _ ~ + / = -")
    return value


def _credentials(value: str) -> str:
    if not CREDENTIALS.fullmatch(value):
        raise InvalidError(
            "must be like user:password/path, the password and the path with 12 to 100 letters, digits or . _ ~ - each"
        )
    return value


def _public_keys(raw: str, kind: type[PublicKeyTypes], sentence: str) -> tuple[str, ...]:
    """Public keys as base64 (of DER), from that, from PEM, or from the DKIM record that shows one."""
    record = _DKIM.search(raw)
    if record is not None:
        found = ["".join(record[1].split())]
    elif "-----" in raw:
        found = ["".join(part.split()) for part in _PEM.split(raw)]
    else:
        found = raw.replace(",", " ").split()
    keys = tuple(filter(None, found))
    if raw.strip() and not (keys and all(_is_public_key(key, kind) for key in keys)):
        raise InvalidError(sentence)
    return keys


def _is_public_key(text: str, kind: type[PublicKeyTypes]) -> bool:
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(key, EllipticCurvePublicKey) and not isinstance(key.curve, SECP256R1):
        return False
    return isinstance(key, kind)


def _elliptic(raw: str) -> tuple[str, ...]:
    return _public_keys(raw, EllipticCurvePublicKey, "must be the verification key of SendGrid's signed event webhook")


def _rsa(raw: str) -> tuple[str, ...]:
    return _public_keys(raw, RSAPublicKey, "must be Postal's public key: base64, PEM, or its DKIM record with p=")


Topics = Annotated[tuple[str, ...], _each(_topic)]
HookSecrets = Annotated[tuple[str, ...], _each(_secret)]
HookCredentials = Annotated[tuple[str, ...], _each(_credentials)]
EllipticKeys = Annotated[tuple[str, ...], BeforeValidator(_elliptic)]
RsaKeys = Annotated[tuple[str, ...], BeforeValidator(_rsa)]
