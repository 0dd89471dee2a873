"""Delivery: claim, look once more, submit, settle. The only place that knows when to try again."""

import logging
import os
import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from campaign.domain.backoff import GIVE_UP, wait_after
from campaign.domain.states import Lane, MessageKind
from campaign.errors import CountersignError, SessionFailedError
from campaign.journal import Journal, Legacy, legacies
from campaign.letters import Materials, gather
from campaign.mail.transport import Blame, Envelope, Outcome, Result, Transport
from campaign.mailer import Mailer, NoAddressError, Recipient
from campaign.runtime import Runtime
from campaign.store import lanes, ledger, suppressions, workers
from campaign.store.database import Transaction
from campaign.store.ledger import Claimed, Settlement

log = logging.getLogger(__name__)

Barred = dict[bytes, list[tuple[int | None, str]]]
"""The suppressions in force by address key: pairs of petition (None: all) and reason."""

LEASE = timedelta(seconds=120)
"""Longer than any batch takes: a batch is cut off by its time box."""

BATCH = {Lane.URGENT: 20, Lane.BULK: 100}
SAME_REFUSALS = 5
"""A server that refuses so many in a row for our own sake is not asked again before an admin looked."""

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=5)
"""The circuit breaker's waits when the mail server gives no session."""

NEVER_BLOCKED = frozenset({"unsubscribe", "erased"})
"""Suppressions that do not stop mail a person just asked for."""


@dataclass
class Tally:
    """What one drain did."""

    accepted: int = 0
    settled: int = 0
    more: bool = False


class Deliverer:
    """Sends the messages of one lane; belongs to one thread of one process."""

    def __init__(self, runtime: Runtime, lane: Lane, *, mailer: Mailer, transport: Transport) -> None:
        self.runtime = runtime
        self.lane = lane
        self.mailer = mailer
        self.transport = transport
        self.owner_id = runtime.store.transact(
            lambda tx: workers.add(tx, host=platform.node(), pid=os.getpid(), lane=lane)
        )
        self.journal = Journal(journal_folder(runtime), self.owner_id)
        self.stopping = False

    def beat(self) -> None:
        """The heartbeat: this process lives."""
        now = self.runtime.clock()
        self.runtime.store.transact(lambda tx: workers.seen(tx, self.owner_id, now=now))

    def drain(self, *, seconds: float = 3.0) -> Tally:
        """Send what is due until there is nothing, or the time box ends. Running twice is harmless: claims are leased.

        Raises:
            StoreUnavailableError: the database is away; nothing is lost, the leases settle it.
        """
        tally, deadline = Tally(), time.monotonic() + seconds
        while not self.stopping:
            if time.monotonic() >= deadline:
                tally.more = True
                break
            claimed = self._claim()
            if not claimed:
                break
            if not self._send(claimed, deadline, tally):
                break
        return tally

    def close(self) -> None:
        """End politely: connections closed, the worker noted as stopped, no journal left."""
        self.transport.close()
        now = self.runtime.clock()
        self.runtime.store.transact(lambda tx: workers.stopped(tx, self.owner_id, now=now))
        self.journal.close()

    def _claim(self) -> list[Claimed]:
        now = self.runtime.clock()
        return self.runtime.store.transact(
            lambda tx: ledger.claim(
                tx, self.lane, owner_id=self.owner_id, limit=BATCH[self.lane], lease_until=now + LEASE, now=now
            )
        )

    def _send(self, claimed: list[Claimed], deadline: float, tally: Tally) -> bool:
        ready, ended = self._prepare(claimed)
        by_message = {message.id: message for message in claimed}
        allowed = self._begin(ended, [envelope.id for envelope in ready])
        tally.settled += len(ended)
        outcomes: list[Outcome] = []
        taken: list[int] = []

        def feed() -> Iterator[Envelope]:
            for envelope in ready:
                if envelope.id not in allowed:
                    continue
                if self.stopping or time.monotonic() > deadline + 5:
                    return
                taken.append(envelope.id)
                yield envelope

        def noted(outcome: Outcome) -> None:
            if outcome.result is Result.ACCEPTED:
                self.journal.accept(outcome.id)
            elif outcome.result is not Result.UNCERTAIN:
                self.journal.refuse(outcome.id)
            outcomes.append(outcome)

        trouble: SessionFailedError | None = None
        try:
            self.transport.deliver(feed(), on_submit=self.journal.submit, on_outcome=noted)
        except SessionFailedError as error:
            trouble = error
        untouched = sorted(allowed - {outcome.id for outcome in outcomes})
        self._settle(by_message, outcomes, untouched, trouble)
        self.journal.settled()
        tally.settled += len(outcomes)
        tally.accepted += sum(1 for outcome in outcomes if outcome.result is Result.ACCEPTED)
        return trouble is None

    def _prepare(self, claimed: list[Claimed]) -> tuple[list[Envelope], list[Settlement]]:
        materials, recipients, barred = self._look_up(claimed)
        ready: list[Envelope] = []
        ended: list[Settlement] = []
        for message in claimed:
            recipient = recipients.get(message.id)
            if recipient is None:
                ended.append(Settlement(message.id, "suppressed", reason="erased"))
                continue
            reason = _bar(message, barred.get(recipient.address_key, []))
            if reason is not None:
                ended.append(Settlement(message.id, "suppressed", reason=reason))
                continue
            try:
                ready.append(self.mailer.compose(message, materials, recipient))
            except CountersignError as error:
                log.warning("message %d can't be rendered: %s", message.id, type(error).__name__)
                ended.append(Settlement(message.id, "rejected", reason=f"not_rendered: {error}"[:200], phase="render"))
        return ready, ended

    def _look_up(self, claimed: list[Claimed]) -> tuple[Materials, dict[int, Recipient], Barred]:
        def work(tx: Transaction) -> tuple[Materials, dict[int, Recipient], Barred]:
            materials = gather(self.runtime, tx, claimed)
            recipients: dict[int, Recipient] = {}
            for message in claimed:
                with suppress(NoAddressError):
                    recipients[message.id] = self.mailer.recipient(message, materials)
            keys = {recipient.address_key for recipient in recipients.values()}
            return materials, recipients, suppressions.active(tx, sorted(keys))

        return self.runtime.store.transact(work)

    def _begin(self, ended: list[Settlement], message_ids: list[int]) -> set[int]:
        now = self.runtime.clock()

        def work(tx: Transaction) -> set[int]:
            ledger.settle(tx, ended, owner_id=self.owner_id, now=now)
            allowed = ledger.begin_submitting(tx, message_ids, owner_id=self.owner_id)
            left_out = [
                Settlement(message_id, "suppressed", reason="consent_ended")
                for message_id in message_ids
                if message_id not in allowed
            ]
            # Only rows still claimed by us are touched: a lease that was lost meanwhile stays lost.
            ledger.settle(tx, left_out, owner_id=self.owner_id, now=now)
            return allowed

        return self.runtime.store.transact(work)

    def _settle(
        self,
        claimed: dict[int, Claimed],
        outcomes: list[Outcome],
        untouched: list[int],
        trouble: SessionFailedError | None,
    ) -> None:
        now = self.runtime.clock()

        def work(tx: Transaction) -> None:
            settlements = [self._settlement(claimed[outcome.id], outcome, now) for outcome in outcomes]
            ledger.settle(tx, settlements, owner_id=self.owner_id, now=now)
            ledger.give_back(tx, untouched, owner_id=self.owner_id)
            self._note_lane(tx, outcomes, trouble, now)

        self.runtime.store.transact(work)

    def _settlement(self, message: Claimed, outcome: Outcome, now: datetime) -> Settlement:
        state, reason, due_at = str(outcome.result), outcome.text[:200] or None, None
        if outcome.result is Result.TEMPORARY or (
            outcome.result is Result.PERMANENT and outcome.blame in {Blame.US, Blame.SERVER}
        ):
            # What is our fault or the server's is tried again: the person is never blamed for it.
            state, due_at = "planned", now + wait_after(message.attempts, chance=self.runtime.chance())
            if outcome.phase in {"connect", "banner", "ehlo", "starttls", "auth"}:
                due_at = now
            if now - message.planned_at > GIVE_UP:
                state, reason, due_at = "rejected", f"expired: {reason}", None
        elif outcome.result is Result.PERMANENT:
            state = "rejected"
        return Settlement(
            message.id, state, reason=reason, phase=str(outcome.phase), reply_code=outcome.code,
            enhanced=outcome.enhanced, due_at=due_at,
        )  # fmt: skip

    def _note_lane(
        self, tx: Transaction, outcomes: list[Outcome], trouble: SessionFailedError | None, now: datetime
    ) -> None:
        if trouble is not None:
            self._trip(tx, trouble, now)
            return
        if any(outcome.result is Result.ACCEPTED for outcome in outcomes):
            lanes.close_circuit(tx, self.lane, now=now)
        ours = [outcome for outcome in outcomes if outcome.blame is Blame.US and outcome.result is Result.PERMANENT]
        if len(ours) >= min(SAME_REFUSALS, max(len(outcomes), 1)):
            answer = f"{ours[-1].code} {ours[-1].text}"
            lanes.pause(tx, self.lane, by="system", reason=f"the mail server refuses our mail: {answer}", now=now)

    def _trip(self, tx: Transaction, trouble: SessionFailedError, now: datetime) -> None:
        before = lanes.troubles(tx, self.lane)
        wait = min(FIRST_WAIT * 2 ** min(before, 10), LONGEST_WAIT)
        spread = wait * (0.8 + 0.4 * self.runtime.chance())
        lanes.open_circuit(tx, self.lane, not_before=now + spread, answer=str(trouble)[:200], now=now)
        log.warning("lane %s waits %.0f s: %s", self.lane, spread.total_seconds(), trouble)
        if trouble.permanent:
            lanes.pause(tx, self.lane, by="system", reason=str(trouble)[:200], now=now)


def _bar(message: Claimed, found: list[tuple[int | None, str]]) -> str | None:
    bulk = message.kind in {MessageKind.MILESTONE, MessageKind.UPDATE}
    for petition_id, reason in found:
        if petition_id not in {None, message.petition_id}:
            continue
        if bulk or reason not in NEVER_BLOCKED:
            return f"suppressed: {reason}"
    return None


def journal_folder(runtime: Runtime) -> Path:
    """Where the sending processes of this host keep their journals."""
    return runtime.settings.data / "journal"


def recover(runtime: Runtime) -> int:
    """Settle what dead workers left, by their journals on this host and by expired leases. Repeating it is harmless.

    Returns:
        How many messages were settled or planned again.
    """
    now = runtime.clock()
    changed = 0
    for legacy in legacies(journal_folder(runtime)):
        changed += runtime.store.transact(partial(_settle_legacy, legacy=legacy, now=now))
        legacy.path.unlink(missing_ok=True)
    return changed + runtime.store.transact(lambda tx: _expire_leases(tx, now))


def _settle_legacy(tx: Transaction, legacy: Legacy, now: datetime) -> int:
    held = ledger.held_by(tx, legacy.owner_id)
    verdicts = {message_id: legacy.verdict(message_id, state) for message_id, state in held.items()}
    workers.stopped(tx, legacy.owner_id, now=now)
    for lane in Lane:
        tx.nudge(lane)
    return ledger.resolve(tx, verdicts, reason="worker_died", now=now)


def _expire_leases(tx: Transaction, now: datetime) -> int:
    changed = ledger.recover_claimed(tx, now=now)
    # The journal of these is on another host, or lost: nobody here can know whether the server has them.
    lost = ledger.expired_submitting(tx, now=now)
    return changed + ledger.resolve(tx, dict.fromkeys(lost, "uncertain"), reason="worker_lost", now=now)
