"""Make the blind indexes of old signatures anew after the rule of what one mailbox is has changed.

Until ``gmail_rules`` became the default, z.ahmadi@gmail.com and zahmadi@gmail.com had indexes of their own: under the
rule of today such rows are found by no code, search or page of their owner, and count as other people. One pass over
what is stored gives every reader one key to ask for, where looking under both rules would double each look-up for ever.
A pass is made once for each change of the setting; signatures made meanwhile follow the new rule by themselves.
"""

import time
from typing import Final

from campaign.accounts import addresses
from campaign.accounts.addresses import RuleError
from campaign.database.connection import Transaction
from campaign.petitions import petitions
from campaign.petitions.petitions import Opened
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey
from campaign.signatures import confirming_queries, queries, rekeying_queries
from campaign.signatures.rekeying_queries import Keyed
from campaign.signatures.signing import person_index
from campaign.states import SignatureState

SLICE: Final = 200
"""Signatures in one transaction."""

SECONDS: Final = 20.0
"""How long one run takes at most; the next continues where it ended."""

_GMAIL: Final = ("@gmail.com", "@googlemail.com")
_SLOTS: Final = (1, 2)


def rekey(runtime: Runtime, *, seconds: float = SECONDS) -> int:
    """Go on with the pass for the present rule, if it is not done; returns how many signatures changed. May run twice.

    A confirmed signature keeps its old key of a mailbox where two others have confirmed, and its old key of a person
    where the same one has confirmed under the other spelling: what counts does not change.
    """
    changed, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        number = runtime.store.transact(lambda tx: _slice(runtime, tx))
        if number is None:
            break
        changed += number
    return changed


def _slice(runtime: Runtime, tx: Transaction) -> int | None:
    """The next signatures of the pass; None if none is left."""
    work = rekeying_queries.begin(tx, "gmail" if runtime.settings.gmail_rules else "plain")
    if work.done >= work.end:
        return None
    rows = rekeying_queries.upcoming(tx, work, limit=SLICE)
    found = {
        opened.petition.id: opened for opened in petitions.by_ids(runtime, tx, sorted({r.petition_id for r in rows}))
    }
    changed = sum(_row(runtime, tx, found.get(row.petition_id), row) for row in rows)
    rekeying_queries.done(tx, rows[-1].id if len(rows) == SLICE else work.end)
    return changed


def _row(runtime: Runtime, tx: Transaction, opened: Opened | None, row: Keyed) -> bool:
    if opened is None or opened.key is None:
        return False
    key = opened.key
    typed = queries.open_field(key, row.id, "address", row.address) or ""
    if not typed.endswith(_GMAIL):
        return False
    try:
        canonical = addresses.canonical(typed, gmail_rules=runtime.settings.gmail_rules)
    except RuleError:
        # It passed the rules of the day when it was typed.
        return False
    mailbox = key.index(canonical)
    if mailbox == row.address_index:
        return False
    return _move(tx, key, row, canonical=canonical, mailbox=mailbox)


def _move(tx: Transaction, key: DataKey, row: Keyed, *, canonical: str, mailbox: bytes) -> bool:
    person = person_index(key, canonical, queries.open_field(key, row.id, "name", row.name) or "")
    slot = row.mailbox_slot
    if row.state is SignatureState.CONFIRMED:
        confirming_queries.lock_mailbox(tx, row.petition_id, mailbox)
        used = confirming_queries.used_slots(tx, row.petition_id, mailbox)
        free = [one for one in (slot or 1, *_SLOTS) if one not in used]
        if not free:
            return False
        slot = free[0]
    taken = row.state is SignatureState.CONFIRMED and rekeying_queries.is_taken(tx, row.petition_id, person, but=row.id)
    kept = row.person_index if taken or row.person_index is None else person
    return rekeying_queries.rekey(tx, row, address_index=mailbox, person_index=kept, mailbox_slot=slot)
