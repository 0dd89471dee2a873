"""Amazon SNS, by which SES tells: its signature, and the confirmation of a subscription.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from campaign.feedback.providers.certificates import Fetch
from campaign.feedback.providers.hook import Call, Tools, decoded
from campaign.feedback.providers.payload import Data, UnreadableError

HOST: Final = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")
"""Where SNS keeps its certificates, and where it is asked to begin."""

NOTIFICATION: Final = "Notification"
BEGINNING: Final = "SubscriptionConfirmation"

SIGNED: Final = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    BEGINNING: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""What is signed of each type of message, in this order; a subject only if there is one."""

HASHES: Final = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - version 1 is the default of a topic
"""What each version of the signature hashes with; a topic tells by 1 unless it is set to 2."""

MAX_URL: Final = 2000


def prove(call: Call, topics: tuple[str, ...], tools: Tools) -> bool:
    """True for a message of a topic of ours, signed with the certificate that SNS shows at an address of its own."""
    try:
        message = Data.parsed(call.body)
        if message.text("TopicArn") not in topics:
            return False
        return _is_signed(message, tools)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False


def _is_signed(message: Data, tools: Tools) -> bool:
    names = SIGNED.get(message.text("Type"))
    algorithm = HASHES.get(message.text("SignatureVersion"))
    signature = decoded(message.text("Signature"))
    place = message.text("SigningCertURL")
    if names is None or algorithm is None or not signature or not _is_certificate(place):
        return False
    signed = _signed(message, names)
    certificate = x509.load_pem_x509_certificate(tools.certificates.at(place))
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        return False
    key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    return certificate.not_valid_before_utc <= tools.now <= certificate.not_valid_after_utc


def _signed(message: Data, names: Sequence[str]) -> bytes:
    lines = []
    for name in names:
        value = message.raw(name)
        if value is None and name == "Subject":
            continue
        if not isinstance(value, str):
            raise UnreadableError(f"no {name}")
        lines.append(f"{name}\n{value}\n")
    return "".join(lines).encode()


def _parts(url: str) -> SplitResult | None:
    """The parts of an https address of SNS; None if it is another."""
    try:
        parts = urlsplit(url)
        is_ours = parts.scheme == "https" and HOST.fullmatch(parts.netloc) is not None
    except ValueError:
        return None
    is_plain = len(url) <= MAX_URL and url.isascii() and url.isprintable() and " " not in url and not parts.fragment
    return parts if is_ours and is_plain else None


def _is_certificate(url: str) -> bool:
    parts = _parts(url)
    return parts is not None and re.fullmatch(r"/[A-Za-z0-9._-]+\.pem", parts.path) is not None and not parts.query


def shake_hands(call: Call, fetch: Fetch) -> None:
    """Confirm a subscription to a topic of ours, as a proven message asks for; that we leave one is not undone.

    Raises:
        HookAwayError: SNS does not answer; it asks again.
    """
    message = Data.parsed(call.body)
    url = message.text("SubscribeURL")
    if message.text("Type") == BEGINNING and _parts(url) is not None:
        fetch(url)
