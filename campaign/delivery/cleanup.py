"""Cleanup: expire unconfirmed signatures, remind once, erase and purge old records."""

from collections.abc import Callable
from datetime import datetime, timedelta

from campaign.accounts import addresses, kept_forms
from campaign.accounts import queries as account_queries
from campaign.accounts.addresses import RuleError
from campaign.database import write_checks
from campaign.database.connection import Transaction
from campaign.delivery import pacing
from campaign.outbox import allowance, recent_refusals, relay_limits, relays, suppressions, workers
from campaign.outbox import plan as outbox_plan
from campaign.outbox.suppressions import WINDOW
from campaign.petitions import retention
from campaign.petitions.petitions import by_id
from campaign.runtime import Runtime
from campaign.signatures import code_tries, erasure, erasure_queries, moving, request_queries
from campaign.signatures import queries as signature_queries
from campaign.states import Lane, MessageKind

SLICE = 200
REMINDERS = 50
"""Reminders of one transaction: sign-ups wait for it, because it decides on the same allowance."""

REMIND_AFTER = timedelta(hours=24)
LAST_CALL = timedelta(hours=24)
"""A reminder that would leave less time than this to act on it is not sent."""


def expire_signatures(runtime: Runtime) -> int:
    """End signatures that were not confirmed in time and erase their personal data; returns how many."""
    now = runtime.clock()
    before = now - timedelta(days=runtime.settings.confirm_days)

    def work(tx: Transaction) -> int:
        ids = signature_queries.overdue(tx, before=before, limit=SLICE)
        signature_queries.expire(tx, ids, reason="not_confirmed", now=now)
        erasure.erase(runtime, tx, ids, reason="not_confirmed")
        return len(ids)

    return _in_slices(runtime, work)


def erase_old(runtime: Runtime) -> int:
    """Erase the signers of petitions closed long enough ago; count and consent proof stay. Returns how many.

    What a release before this one left of those it erased is removed as well, of any petition, and keys of petitions
    are put under the retention key of their quarter.
    """
    before = runtime.clock() - timedelta(days=runtime.settings.retention_days)

    def work(tx: Transaction) -> int:
        ids = erasure_queries.due(tx, closed_before=before, limit=SLICE)
        return erasure.erase(runtime, tx, ids, reason="retention")

    def destroy(tx: Transaction) -> None:
        erasure.destroy_keys(tx, erasure_queries.closed_with_key(tx, closed_before=before), now=runtime.clock())

    while erasure.finish_older(runtime, limit=SLICE) == SLICE:
        pass
    erased = _in_slices(runtime, work)
    retention.keep_wrapped(runtime)
    # Of petitions without signers, or of those whose signers an older release erased.
    runtime.store.transact(destroy)
    return erased


def _in_slices(runtime: Runtime, work: Callable[[Transaction], int]) -> int:
    total = 0
    while True:
        done = runtime.store.transact(work)
        total += done
        if done < SLICE:
            return total


def remind(runtime: Runtime) -> int:
    """Plan the one reminder of signatures that wait for a day; returns how many mails will go."""
    now = runtime.clock()
    oldest = now - timedelta(days=runtime.settings.confirm_days) + LAST_CALL

    def work(tx: Transaction) -> tuple[int, int]:
        # Before any row is locked, as admission does: the two never wait for each other.
        outbox_plan.take_turn(tx)
        found = signature_queries.to_remind(tx, before=now - REMIND_AFTER, after=oldest, limit=REMINDERS)
        return len(found), sum(_remind(runtime, tx, row, now) for row in found)

    planned, looked = 0, REMINDERS
    while looked == REMINDERS:
        looked, more = runtime.store.transact(work)
        planned += more
    return planned


def _remind(runtime: Runtime, tx: Transaction, row: signature_queries.Signature, now: datetime) -> bool:
    signature_queries.mark_reminded(tx, [row.id], now=now)
    opened = by_id(runtime, tx, row.petition_id)
    if opened.key is None or not opened.petition.accepts_confirmations(now):
        return False
    typed = signature_queries.open_field(opened.key, row.id, "address", row.address)
    if typed is None:
        return False
    try:
        canonical = addresses.parse(typed, gmail_rules=runtime.settings.gmail_rules).canonical
    except RuleError:
        # It passed the rules of the day when it was typed; one such row must not hold up the others.
        return False
    wanted = outbox_plan.Plan(
        kind=MessageKind.REMINDER, lane=Lane.URGENT, due_at=now, signature_id=row.id, petition_id=row.petition_id
    )
    return outbox_plan.plan(tx, outbox_plan.mailbox_of(runtime, canonical), wanted, now=now)


def forget(runtime: Runtime) -> None:
    """Purge requests, tries, allowances, strikes, daily salts, workers, sessions and sign-in links of the past."""
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        account_queries.purge(tx, now=now, forms_before=now - kept_forms.LIFE)
        allowance.purge_allowances(tx, now=now)
        code_tries.purge(tx, now=now)
        moving.purge(runtime, tx)
        pacing.forget(tx, now=now)
        request_queries.purge(tx, now=now)
        suppressions.purge_soft_bounces(tx, before=(now - WINDOW).date())
        relays.purge(tx, before=now - relays.KEPT)
        relay_limits.purge(tx)
        recent_refusals.purge(tx, before=now - recent_refusals.KEPT)
        workers.purge(tx, before=now - timedelta(days=7))
        write_checks.purge(tx, before=now - write_checks.KEPT)

    runtime.store.transact(work)
