"""Evidence of a drill that went well, to be doctored by tests."""

from dataclasses import replace

from campaign.local.drill.evidence import (
    Announced,
    Changed,
    Counted,
    Equation,
    Evidence,
    MessageRow,
    Recovery,
    RequestRow,
    Search,
    SignatureRow,
    SignedUp,
    UnansweredMessage,
)
from campaign.local.drill.plan import Change

BLAST, AUDIENCE, NEWCOMERS = 7, 1, 2
"""The blast, the petition of its audience, and the one that newcomers sign."""

UPDATES = tuple(range(1, 7))
"""Messages of the blast, to the signatures of the same numbers; newcomers are the signatures from 101 on."""

CONFIRMATION, THANKS, MILESTONE = 101, 111, 121
UNSUBSCRIBED, REFUSED, SILENT = 5, 4, 6
"""Messages (and signatures) of the blast that did not arrive, and why."""


def _row(number, kind="update", state="accepted", *, signature=None, blast=BLAST, reason=None):
    lane = "bulk" if kind in {"update", "milestone"} else "urgent"
    return MessageRow(number, kind, lane, state, reason, blast, signature or number)


def good_evidence() -> Evidence:
    """Six recipients: three served, one refused, one unsubscribed, one left in doubt by the script; and a newcomer."""
    rows = [
        *map(_row, UPDATES),
        _row(CONFIRMATION, "confirmation", signature=101, blast=None),
        _row(THANKS, "thank_you", signature=101, blast=None),
        _row(MILESTONE, "milestone", signature=101, blast=8),
    ]
    messages = {row.id: row for row in rows}
    messages[REFUSED] = _row(REFUSED, state="rejected", reason="no such mailbox")
    messages[UNSUBSCRIBED] = _row(UNSUBSCRIBED, state="suppressed", reason="unsubscribed")
    messages[SILENT] = _row(SILENT, state="uncertain", reason="connection lost")
    served = [number for number in messages if number not in {REFUSED, UNSUBSCRIBED, SILENT}]
    signatures = {number: SignatureRow(number, AUDIENCE, "confirmed", True, False) for number in UPDATES}
    return Evidence(
        recipients=len(UPDATES),
        blast_id=BLAST,
        ladder={NEWCOMERS: (1, 5)},
        messages=messages,
        signatures=signatures | {101: SignatureRow(101, NEWCOMERS, "confirmed", True, False)},
        offers=tuple((10.0 + number / 100, number) for number in messages if number != UNSUBSCRIBED),
        taken=tuple((10.1 + number / 100, number, f"{number}@example.org") for number in (*served, SILENT)),
        refused=frozenset({REFUSED}),
        returned=frozenset(),
        silences=((SILENT, UnansweredMessage("b-x@localhost", "6@example.org", "drop", taken=True)),),
        requests=(RequestRow(1, "signature", "admitted", None),),
        sign_ups=(SignedUp(0, 10.0, 101, confirmed=True),),
        changes=(Changed(UNSUBSCRIBED, Change.UNSUBSCRIBE, 9.0),),
        equations=(
            Equation(BLAST, False, 3, {"planned": 3}),
            Equation(BLAST, True, 6, {"planned": 4, "accepted": 2}),
            Equation(BLAST, True, 6, {"accepted": 3, "rejected": 1, "suppressed": 1, "uncertain": 1}),
        ),
        counts=(Counted(AUDIENCE, 6, 6, 0), Counted(NEWCOMERS, 1, 1, 0)),
        milestones=(Announced(NEWCOMERS, 1, "announced", 8, 1),),
        faults=(
            Recovery("worker_tree", 10.0, 1, 2.5, urgent=False),
            Recovery("redis_flush", 11.0, 0, 0.5, urgent=True),
        ),
        restarts=1,
        search=Search({"logs": 100, "Redis": 10}, ()),
        settled=True,
    )


def with_message(evidence: Evidence, number: int, **changes: object) -> Evidence:
    """The same evidence with one row of the ledger changed."""
    messages = {**evidence.messages, number: replace(evidence.messages[number], **changes)}
    return replace(evidence, messages=messages)


def without_taking(evidence: Evidence, number: int) -> Evidence:
    """The same evidence, but the server never took one message."""
    return replace(evidence, taken=tuple(item for item in evidence.taken if item[1] != number))
