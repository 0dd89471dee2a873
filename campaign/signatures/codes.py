"""The six digits of a confirmation email: how they are made and compared, and which tries one attempt uses up."""

import hmac
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from campaign.runtime import Runtime
from campaign.security.encryption import keyed_hash
from campaign.signatures import code_tries
from campaign.signatures.confirming_queries import MailedCode

TRIES = 5
"""Wrong codes for one page, or for one mailbox from one network, until the next email with a code."""

MAILBOX_TRIES = 50
"""Wrong codes for one mailbox from all networks until the next email with a code."""

DIGITS = 6


def code_for(runtime: Runtime, signature_id: int, nonce: bytes) -> str:
    """The six digits of a signature: the second key, for another device or a scanner-ridden mailbox. Not stored."""
    digest = keyed_hash(runtime.secrets.code, f"{signature_id}.{nonce.hex()}")
    return f"{int.from_bytes(digest[:8], 'big') % 1_000_000:06d}"


_CODE: Final = re.compile(r"(?<!\d)\d{3}[\s.\u2010-\u2015-]?\d{3}(?!\d)")


def digits_of(typed: str) -> str:
    """The one group of six digits in what was typed or pasted, in any script; all its digits if there is no such one.

    A sentence around the code may hold others: "350067, valid for 7 days".
    """
    plain = "".join(str(int(one)) if one.isdecimal() else one for one in typed if unicodedata.category(one) != "Cf")
    groups = {re.sub(r"\D", "", found) for found in _CODE.findall(plain)}
    return groups.pop() if len(groups) == 1 else re.sub(r"\D", "", plain)


def limits(
    runtime: Runtime, place: tuple[int, bytes], mailed: Sequence[MailedCode], source: str
) -> list[code_tries.Limit]:
    """The tries that one attempt uses up.

    They begin anew with each email that brings a code: what was tried before it is no try of it.
    """
    newest = max(code.message_id for code in mailed)
    mailbox = f"{place[0]}.{place[1].hex()}.{newest}"
    day = runtime.clock().date()
    return [
        code_tries.Limit(keyed_hash(runtime.secrets.code, f"tries {mailbox} {source} {day}"), TRIES),
        code_tries.Limit(keyed_hash(runtime.secrets.code, f"tries {mailbox}"), MAILBOX_TRIES),
    ]


def match(runtime: Runtime, mailed: Sequence[MailedCode], typed: str) -> int:
    """The id of the signature that a code belongs to, or 0; compares with all."""
    found = 0
    for code in mailed:
        if hmac.compare_digest(code_for(runtime, code.id, code.nonce), typed):
            found = found or code.id
    return found
