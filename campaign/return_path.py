"""Signed return addresses (VERP): a bounce tells by itself which message it is about, and nobody can forge one."""

import hmac
import re

from campaign.vault import keyed_hash

ROW = 6
"""Bytes of a message's id."""
MAC = 10
"""Bytes of the signature."""

_SHAPE = re.compile(rf"b-([0-9a-f]{{{2 * ROW}}})-([0-9a-f]{{{2 * MAC}}})@", re.IGNORECASE)


def _mac(secret: bytes, message_id: int) -> bytes:
    return keyed_hash(secret, f"return.{message_id}")[:MAC]


def return_address(secret: bytes, message_id: int, domain: str) -> str:
    """The MAIL FROM of a message: hexadecimal in lower case, for some servers fold the local part."""
    return f"b-{message_id:0{2 * ROW}x}-{_mac(secret, message_id).hex()}@{domain}"


def message_of(secret: bytes, address: str) -> int | None:
    """The message a return address belongs to; None if we did not sign it."""
    found = _SHAPE.match(address.strip())
    if found is None:
        return None
    message_id = int(found[1], 16)
    return message_id if hmac.compare_digest(bytes.fromhex(found[2]), _mac(secret, message_id)) else None
