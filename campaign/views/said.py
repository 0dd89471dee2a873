"""Proof that we led to a page ourselves, where no session can say so: pages of supporters have no cookie.

A sentence such as "Your signature is withdrawn" depends on it, so that a made-up address makes no page say it.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from campaign.errors import TokenRefusedError
from campaign.security.tokens import Purpose
from campaign.views.current import runtime

LIFE: Final = timedelta(minutes=2)
"""How long an address keeps saying it, when it is opened again."""

_MOMENT: Final = 5
"""Bytes of the second at which it ends."""


def proof(what: str) -> str:
    """A value for the address that an answer leads to.

    Args:
        what: what was done, and about which row: the proof is worth nothing for anything else.
    """
    ends = int((runtime().clock() + LIFE).timestamp())
    return runtime().tokens.issue(Purpose.SAID, 0, ends.to_bytes(_MOMENT, "big") + _digest(what))


def is_proof(given: str, what: str) -> bool:
    """True for what :func:`proof` made of the same words, at most :data:`LIFE` ago."""
    try:
        nonce = runtime().tokens.read(Purpose.SAID, given).nonce
    except TokenRefusedError:
        return False
    ends = datetime.fromtimestamp(int.from_bytes(nonce[:_MOMENT], "big"), UTC)
    return nonce[_MOMENT:] == _digest(what) and ends >= runtime().clock()


def _digest(what: str) -> bytes:
    return hashlib.sha256(what.encode()).digest()[:8]
