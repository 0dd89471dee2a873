"""Delivery: claim, look once more, submit, settle. The only place that knows when to try again."""

import gc
import logging
import os
import platform
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta

from campaign.blasts.rules import SAME_REFUSALS
from campaign.database import write_checks
from campaign.database.connection import Transaction
from campaign.delivery import outcomes as delivery_outcomes
from campaign.delivery.batch import prepare
from campaign.delivery.composer import Composer
from campaign.delivery.journal import FolderProblem, Journal, journal_folder
from campaign.delivery.outcomes import Sent, SentBatch
from campaign.delivery.pacing import Pace
from campaign.delivery.relay_limits import SharedLimits
from campaign.delivery.token_bucket import Buckets, open_buckets
from campaign.errors import JournalFailedError, SessionFailedError, StoreUnavailableError
from campaign.outbox import ledger, relays, workers
from campaign.outbox.claimed import Claimed
from campaign.outbox.relays import Offers
from campaign.runtime import Runtime
from campaign.smtp.limits import LimitedTransport
from campaign.smtp.transport import Blame, Envelope, Outcome, Result, Transport
from campaign.states import Lane

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=120)
"""Longer than any batch takes: a batch is cut off by its time box."""

URGENT_BATCH = 20

FIRST_BATCH, SMALLEST_BATCH, LARGEST_BATCH = 100, 20, 1000
"""A bulk batch is what goes in about a second, so that a pause, or a changed mind, acts within seconds.

The largest bounds what is uncertain when a machine loses its power: two batches of each process.
"""

FRESH = 4.0
"""Seconds after its claim for which a batch may be fed to the wire; the rest is looked at anew."""


def calm_collector() -> None:
    """Let Python's cyclic collector look less often: batches make and drop thousands of objects without cycles.

    For a process that sends, once everything is loaded; it saves a twentieth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@dataclass
class DeliveryCounts:
    """What one drain did."""

    accepted: int = 0
    settled: int = 0
    more: bool = False


@dataclass
class _Batch:
    """Claimed messages with the round that notes what becomes of them. Bulk mail is composed as the wire takes it."""

    round: SentBatch
    claimed: list[Claimed]
    limit: int
    taken_at: float
    at_once: bool
    """True if what was claimed may go to the wire; False: a last look comes first."""
    envelopes: Iterator[Envelope] = field(default_factory=lambda: iter(()))


class Deliverer:
    """Sends the messages of one lane; belongs to one thread of one process.

    Bulk mail has a second thread: while this one opens, composes and sends a batch, it records the batch before and
    claims the next, in one transaction. It does nothing but wait for the database, so that the two do not compete for
    the interpreter.
    """

    def __init__(
        self,
        runtime: Runtime,
        lane: Lane,
        *,
        composer: Composer,
        transport: Transport,
        buckets: Buckets | None = None,
        offers: Offers | None = None,
    ) -> None:
        """Wire a deliverer; ``offers`` is where its transport tells what the mail servers offer."""
        self.runtime = runtime
        self.lane = lane
        self.composer = composer
        self.transport = transport
        self.offers = offers or Offers()
        self._buckets = open_buckets(runtime.settings) if buckets is None else buckets
        self.pace = Pace(runtime, lane, buckets=self._buckets)
        if isinstance(transport, LimitedTransport):
            transport.share_limits(SharedLimits(runtime, lane, self._buckets))
        self.owner_id = runtime.store.transact(
            lambda tx: workers.add(tx, host=platform.node(), pid=os.getpid(), lane=lane)
        )
        self.journal = Journal(journal_folder(runtime), self.owner_id)
        self.stopping = False
        self._waits = False
        self._told_folder: FolderProblem | None = None
        self._limit = URGENT_BATCH if lane is Lane.URGENT else FIRST_BATCH
        # Claimed and not ended yet; ended and not recorded yet.
        self._held: list[SentBatch] = []
        self._ended: list[SentBatch] = []
        self._ahead = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") if lane is Lane.BULK else None

    def beat(self) -> None:
        """The heartbeat: this process lives, the database takes writes, and the data folder can be used or not."""
        now = self.runtime.clock()
        # Not while a batch may be under way in another thread: its journal says what fails.
        problem = self.journal.problem() if self._held else self.journal.look()

        def work(tx: Transaction) -> None:
            workers.seen(
                tx,
                self.owner_id,
                now=now,
                folder=None if problem is None else str(self.runtime.settings.data),
                folder_problem=problem,
            )
            write_checks.use_disk(tx)

        self.runtime.store.transact(work)
        self._tell_folder(problem)

    def _tell_folder(self, problem: FolderProblem | None) -> None:
        """Log that the data folder has become unusable or usable, once."""
        if problem == self._told_folder:
            return
        self._told_folder = problem
        folder = self.runtime.settings.data
        if problem is None:
            log.info("the data folder %s can be written again; sending continues", folder)
        elif problem is FolderProblem.FULL:
            log.error("the disk of the data folder %s is full; nothing is claimed until there is space", folder)
        else:
            log.error("the data folder %s can't be written; nothing is claimed until it can", folder)

    def drain(self, *, seconds: float = 5.0) -> DeliveryCounts:
        """Send what is due until there is nothing, or the time box ends. Running twice is harmless: claims are leased.

        Raises:
            StoreUnavailableError: the database is away. What was sent by then is remembered and recorded first when it
                is back; the rest is settled by the leases.
        """
        tally, deadline = DeliveryCounts(), time.monotonic() + seconds
        self._settle()
        try:
            # Rows that a worker died with go first and one by one: a poisonous one takes no neighbour into quarantine.
            if self._flow(tally, deadline, suspects=True):
                self._flow(tally, deadline, suspects=False)
        finally:
            # Whatever broke off, even a time limit: what is known by now is recorded, and the rest given back.
            self._ended += self._held
            self._held.clear()
            if not tally.more:
                self.rest()
            self._settle()
        return tally

    def settle(self) -> None:
        """Record what ended while the database was away, so that it need not wait for the next mail.

        For any thread, as long as no drain is under way.

        Raises:
            StoreUnavailableError: the database is still away.
        """
        if self._ended:
            self._settle()

    def rest(self) -> None:
        """Give back a kept connection that other processes wait for; to be called now and then while nothing is sent.

        For any thread, as long as no drain is under way.
        """
        if isinstance(self.transport, LimitedTransport):
            self.transport.rest()

    def close(self) -> None:
        """End politely: connections closed, the worker noted as stopped, and no journal left but for open questions."""
        self.transport.close()
        self._buckets.close()
        if self._ahead is not None:
            self._ahead.shutdown()
        try:
            self._settle()
            now = self.runtime.clock()
            self.runtime.store.transact(lambda tx: workers.stopped(tx, self.owner_id, now=now))
        except StoreUnavailableError:
            log.warning("the database is away; the journal of worker %d stays for the others", self.owner_id)
        self.journal.close(remove=not self._ended)

    def _flow(self, tally: DeliveryCounts, deadline: float, *, suspects: bool) -> bool:
        """Batch after batch; False if the drain is to end."""
        batch = self._take(deadline, suspects=suspects)
        while batch is not None:
            self._prepare(batch)
            ahead = self._look_ahead(batch, deadline, suspects=suspects)
            try:
                going = self._send(batch, deadline, tally)
            finally:
                if ahead is not None:
                    wait([ahead])
            upcoming = None if ahead is None else ahead.result()
            if self.stopping or not going:
                return False
            if time.monotonic() >= deadline:
                tally.more = True
                return False
            batch = upcoming if ahead is not None else self._take(deadline, suspects=suspects)
        tally.more = self._waits
        return not self.stopping

    def _look_ahead(self, batch: _Batch, deadline: float, *, suspects: bool) -> "Future[_Batch | None] | None":
        """Take the next batch while this one is on the wire, if there will be one."""
        likely = len(batch.claimed) >= 0.9 * batch.limit and time.monotonic() + 0.5 < deadline
        if self._ahead is None or suspects or self.stopping or not likely:
            return None
        return self._ahead.submit(self._take, deadline, suspects=False)

    def _take(self, until: float, *, suspects: bool) -> _Batch | None:
        """Record what has ended and claim the next batch; None if nothing is due, or nothing may go."""
        ended = list(self._ended)
        if (problem := self.journal.problem()) is not None:
            # Without a journal a death would leave no evidence: nothing is claimed, so that nothing becomes uncertain.
            self._waits = False
            self._tell_folder(problem)
            return None
        limit = self.pace.allow(1 if suspects else self._limit, until=until, stopping=lambda: self.stopping)
        self._waits = limit == 0 and not self.stopping
        if self._waits:
            return None
        taken_at = time.monotonic()
        at_once = self.lane is Lane.BULK and not suspects

        def work(tx: Transaction) -> list[Claimed]:
            self._record(tx, ended)
            return self._claim(tx, self.pace.left_today(tx, limit), suspects=suspects, at_once=at_once)

        claimed = self.runtime.store.transact(work)
        self._forget(ended)
        self.pace.refund(limit - len(claimed))
        if not claimed:
            return None
        this = SentBatch(dict.fromkeys([message.id for message in claimed], Sent(claimed[0], b"")))
        # From here on it is given back whatever breaks.
        self._held.append(this)
        return _Batch(this, claimed, limit, taken_at, at_once)

    def _prepare(self, batch: _Batch) -> None:
        """Open the addresses of a batch and look at suppressions and limits; bulk mail is composed while it is sent."""
        this = batch.round
        self.journal.at_work(message.id for message in batch.claimed)
        prepared = prepare(self.runtime, self.composer, batch.claimed)
        this.handed, this.struck, this.ended = prepared.handed, prepared.struck, prepared.ended
        this.failed_texts = prepared.failed_texts
        if self.pace.minds_domains:
            this.postponed = self.pace.postponed(
                {id_: recipient.wire.address for id_, (_, recipient) in prepared.letters.items()}
            )
            prepared.keep(prepared.letters.keys() - this.postponed.keys())
        envelopes = prepared.envelopes(on_work=self.journal.at_work)
        if not batch.at_once:
            # Composed before the last look, so that nothing but the wire comes after it.
            composed = list(envelopes)
            allowed = self._begin(this)
            envelopes = iter([envelope for envelope in composed if envelope.id in allowed])
        batch.envelopes = envelopes

    def _claim(self, tx: Transaction, limit: int, *, suspects: bool, at_once: bool) -> list[Claimed]:
        now = self.runtime.clock()
        claimed = ledger.claim(
            tx,
            self.lane,
            owner_id=self.owner_id,
            limit=limit,
            lease_until=now + LEASE,
            now=now,
            suspects=suspects,
            at_once=at_once,
        )
        if not at_once:
            return claimed
        unwanted = [message.id for message in claimed if not message.is_ready]
        if unwanted:
            ledger.leave_out(tx, unwanted, owner_id=self.owner_id, now=now)
        return [message for message in claimed if message.is_ready]

    def _begin(self, this: SentBatch) -> set[int]:
        """The last look at a batch that was only claimed; what may not go ends here."""
        now = self.runtime.clock()
        waiting = sorted(this.handed.keys() - this.ended.keys())

        def work(tx: Transaction) -> set[int]:
            allowed = ledger.begin_submitting(tx, waiting, owner_id=self.owner_id)
            # Only rows still claimed by us are touched: a lease that was lost meanwhile stays lost.
            ledger.leave_out(tx, sorted(set(waiting) - allowed), owner_id=self.owner_id, now=now)
            return allowed

        allowed = self.runtime.store.transact(work)
        this.handed = {id_: held for id_, held in this.handed.items() if id_ in allowed or id_ in this.ended}
        return allowed

    def _send(self, batch: _Batch, deadline: float, tally: DeliveryCounts) -> bool:
        this, begin = batch.round, time.monotonic()
        try:
            self._submit(batch, min(deadline + 5, batch.taken_at + FRESH))
        finally:
            self._held.remove(this)
            self._ended.append(this)
        tally.settled += len(this.outcomes) + len(this.ended)
        tally.accepted += len(this.accepted)
        # What was given back is for the next wake-up: taken again at once, it would go round in circles.
        is_left = bool(this.untouched)
        tally.more = is_left and this.trouble is None
        self._learn(len(this.outcomes), time.monotonic() - begin)
        return this.trouble is None and not is_left

    def _learn(self, number: int, seconds: float) -> None:
        if self.lane is Lane.BULK and number:
            in_a_second = int(number / max(seconds, 0.001))
            self._limit = max(SMALLEST_BATCH, min(in_a_second, 2 * self._limit, LARGEST_BATCH))

    def _submit(self, batch: _Batch, until: float) -> None:
        this = batch.round
        journal, outcomes, submitted = self.journal, this.outcomes, this.submitted
        refused = 0

        def feed() -> Iterator[Envelope]:
            for envelope in batch.envelopes:
                # After several refusals that are our fault, record them and look before the rest is refused too.
                if self.stopping or time.monotonic() > until or refused >= SAME_REFUSALS:
                    return
                yield envelope

        def submitting(message_id: int) -> None:
            journal.submit(message_id)
            submitted.add(message_id)

        def noted(outcome: Outcome) -> None:
            nonlocal refused
            outcomes[outcome.id] = outcome
            if outcome.result is Result.ACCEPTED:
                journal.accept(outcome.id)
                refused = 0
            elif outcome.result is not Result.UNCERTAIN:
                journal.refuse(outcome.id)
                refused += outcome.result is Result.PERMANENT and outcome.blame is Blame.US

        try:
            self.transport.deliver(feed(), on_submit=submitting, on_outcome=noted)
        except SessionFailedError as error:
            this.trouble = error
        except JournalFailedError:
            # What was not noted did not reach the wire, and goes back; the next claim looks at the folder.
            log.exception("the batch is broken off")

    def _record(self, tx: Transaction, rounds: list[SentBatch]) -> None:
        for this in rounds:
            delivery_outcomes.record(self.runtime, tx, this, lane=self.lane, owner_id=self.owner_id)

    def _note_offers(self) -> None:
        """What the mail servers offered; a statement of its own, and rare: what changed, or once an hour."""
        now = self.runtime.clock()
        if heard := self.offers.unwritten(now):
            self.runtime.store.transact(lambda tx: relays.note(tx, heard, now=now))
            self.offers.written(heard, now)

    def _forget(self, recorded: list[SentBatch]) -> None:
        self._ended = [this for this in self._ended if this not in recorded]

    def _settle(self) -> None:
        """Record the rounds that ended, if there are any; they stay while the database is away."""
        if self._ended:
            ended = list(self._ended)
            self.runtime.store.transact(lambda tx: self._record(tx, ended))
            self._forget(ended)
        self.journal.settled()
        self._note_offers()
