"""Delivery: claim, look once more, submit, settle. The only place that knows when to try again."""

import logging
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from campaign import settling
from campaign.domain.states import Lane, MessageKind
from campaign.errors import CountersignError, SessionFailedError, StoreUnavailableError
from campaign.journal import Journal
from campaign.letters import Materials, gather
from campaign.mail.transport import Envelope, Outcome, Result, Transport
from campaign.mailer import Mailer, NoAddressError, Recipient
from campaign.recovering import journal_folder
from campaign.runtime import Runtime
from campaign.settling import Handed, Round
from campaign.store import ledger, strikes, suppressions, workers
from campaign.store.database import Transaction
from campaign.store.ledger import Claimed, Settlement

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=120)
"""Longer than any batch takes: a batch is cut off by its time box."""

BATCH = {Lane.URGENT: 20, Lane.BULK: 100}

NEVER_BLOCKED = frozenset({"unsubscribe", "erased"})
"""Suppressions that do not stop mail a person just asked for."""


@dataclass
class Tally:
    """What one drain did."""

    accepted: int = 0
    settled: int = 0
    more: bool = False


@dataclass
class _Batch:
    """Claimed messages, sorted into those that can go and those that end here."""

    envelopes: list[Envelope] = field(default_factory=list)
    handed: dict[int, Handed] = field(default_factory=dict)
    ended: list[Settlement] = field(default_factory=list)
    struck: frozenset[bytes] = frozenset()


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
        self._open_round: Round | None = None

    def beat(self) -> None:
        """The heartbeat: this process lives."""
        now = self.runtime.clock()
        self.runtime.store.transact(lambda tx: workers.seen(tx, self.owner_id, now=now))

    def drain(self, *, seconds: float = 3.0) -> Tally:
        """Send what is due until there is nothing, or the time box ends. Running twice is harmless: claims are leased.

        Raises:
            StoreUnavailableError: the database is away. What was sent by then is remembered and recorded first when it
                is back; the rest is settled by the leases.
        """
        tally, deadline = Tally(), time.monotonic() + seconds
        self._settle()
        # Rows that a worker died with go first and one by one: a poisonous one takes no neighbour into quarantine.
        suspects = True
        while not self.stopping:
            if time.monotonic() >= deadline:
                tally.more = True
                break
            claimed = self._claim(suspects=suspects)
            if not claimed and not suspects:
                break
            if claimed and not self._send(claimed, deadline, tally):
                break
            suspects = bool(claimed) and suspects
        return tally

    def close(self) -> None:
        """End politely: connections closed, the worker noted as stopped, and no journal left but for open questions."""
        self.transport.close()
        try:
            self._settle()
            now = self.runtime.clock()
            self.runtime.store.transact(lambda tx: workers.stopped(tx, self.owner_id, now=now))
        except StoreUnavailableError:
            log.warning("the database is away; the journal of worker %d stays for the others", self.owner_id)
        self.journal.close(remove=self._open_round is None)

    def _claim(self, *, suspects: bool) -> list[Claimed]:
        now = self.runtime.clock()
        return self.runtime.store.transact(
            lambda tx: ledger.claim(
                tx, self.lane, owner_id=self.owner_id, limit=1 if suspects else BATCH[self.lane],
                lease_until=now + LEASE, now=now, suspects=suspects,
            )
        )  # fmt: skip

    def _send(self, claimed: list[Claimed], deadline: float, tally: Tally) -> bool:
        batch = self._prepare(claimed)
        allowed = self._begin(batch)
        tally.settled += len(batch.ended)
        handed = {message_id: batch.handed[message_id] for message_id in allowed}
        this = self._open_round = Round(handed, struck=batch.struck)
        try:
            self._submit(this, batch.envelopes, deadline)
        finally:
            # Whatever broke off, even a time limit: what is known by now is recorded.
            self._settle()
        tally.settled += len(this.outcomes)
        tally.accepted += len(this.accepted)
        # What was given back is for the next wake-up: taken again at once, it would go round in circles.
        tally.more = bool(this.untouched) and this.trouble is None
        return this.trouble is None and not this.untouched

    def _submit(self, this: Round, envelopes: list[Envelope], deadline: float) -> None:
        def feed() -> Iterator[Envelope]:
            for envelope in envelopes:
                if self.stopping or time.monotonic() > deadline + 5:
                    return
                if envelope.id in this.handed:
                    yield envelope

        def submitting(message_id: int) -> None:
            self.journal.submit(message_id)
            this.submitted.add(message_id)

        def noted(outcome: Outcome) -> None:
            this.outcomes[outcome.id] = outcome
            if outcome.result is Result.ACCEPTED:
                self.journal.accept(outcome.id)
            elif outcome.result is not Result.UNCERTAIN:
                self.journal.refuse(outcome.id)

        try:
            self.transport.deliver(feed(), on_submit=submitting, on_outcome=noted)
        except SessionFailedError as error:
            this.trouble = error

    def _settle(self) -> None:
        """Record the open round, if there is one; it stays open while the database is away."""
        if self._open_round is None:
            return
        work = partial(settling.record, self.runtime, this=self._open_round, lane=self.lane, owner_id=self.owner_id)
        self.runtime.store.transact(work)
        self._open_round = None
        self.journal.settled()

    def _prepare(self, claimed: list[Claimed]) -> _Batch:
        materials = self.runtime.store.transact(lambda tx: gather(self.runtime, tx, claimed))
        batch = _Batch()
        recipients: dict[int, Recipient] = {}
        for message in claimed:
            found = self._recipient(message, materials)
            if isinstance(found, Recipient):
                recipients[message.id] = found
            else:
                batch.ended.append(found)
        keys = sorted({recipient.address_key for recipient in recipients.values()})
        barred, struck = self.runtime.store.transact(
            lambda tx: (suppressions.active(tx, keys), strikes.known(tx, keys))
        )
        batch.struck = frozenset(struck)
        for message in (message for message in claimed if message.id in recipients):
            recipient = recipients[message.id]
            reason = _bar(message, barred.get(recipient.address_key, []))
            self._sort(batch, message, materials, recipient, reason=reason)
        return batch

    def _recipient(self, message: Claimed, materials: Materials) -> Recipient | Settlement:
        try:
            return self.mailer.recipient(message, materials)
        except NoAddressError:
            return Settlement(message.id, "suppressed", reason="erased")
        except CountersignError as error:
            return _not_rendered(message, error)

    def _sort(
        self, batch: _Batch, message: Claimed, materials: Materials, recipient: Recipient, *, reason: str | None
    ) -> None:
        if reason is not None:
            batch.ended.append(Settlement(message.id, "suppressed", reason=reason))
            return
        try:
            batch.envelopes.append(self.mailer.compose(message, materials, recipient))
        except CountersignError as error:
            batch.ended.append(_not_rendered(message, error))
        else:
            batch.handed[message.id] = Handed(message, recipient.address_key)

    def _begin(self, batch: _Batch) -> set[int]:
        now = self.runtime.clock()
        message_ids = list(batch.handed)

        def work(tx: Transaction) -> set[int]:
            ledger.settle(tx, batch.ended, owner_id=self.owner_id, now=now)
            allowed = ledger.begin_submitting(tx, message_ids, owner_id=self.owner_id)
            # Only rows still claimed by us are touched: a lease that was lost meanwhile stays lost.
            ledger.leave_out(tx, sorted(set(message_ids) - allowed), owner_id=self.owner_id, now=now)
            return allowed

        return self.runtime.store.transact(work)


def _not_rendered(message: Claimed, error: CountersignError) -> Settlement:
    log.warning("message %d can't be rendered: %s", message.id, type(error).__name__)
    return Settlement(message.id, "rejected", reason=f"not_rendered: {error}"[:200], phase="render")


def _bar(message: Claimed, found: list[tuple[int | None, str]]) -> str | None:
    bulk = message.kind in {MessageKind.MILESTONE, MessageKind.UPDATE}
    for petition_id, reason in found:
        if petition_id not in {None, message.petition_id}:
            continue
        if bulk or reason not in NEVER_BLOCKED:
            return f"suppressed: {reason}"
    return None
