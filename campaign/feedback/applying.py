"""Apply events: what is known of a message, who is not mailed again, and which updates pause.

Each effect may be made twice, and in any order: what is known of a message only gets stronger, a soft bounce counts
once a day, and a suppression is made once.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from campaign.accounts.mail_providers import provider_of
from campaign.blasts import health as blast_health
from campaign.database.connection import Transaction
from campaign.delivery.materials import gather
from campaign.delivery.recipients import Recipient, recipient_of
from campaign.errors import CountersignError
from campaign.feedback import queries, replies
from campaign.feedback.queries import Applied, OpenEvent
from campaign.feedback.rules import ABOUT_US, CAME_BACK, HANDED_OVER, UNSPECIFIC
from campaign.outbox import claimed, suppressions
from campaign.outbox.claimed import Claimed
from campaign.runtime import Runtime
from campaign.security.encryption import DecryptionError
from campaign.signatures import queries as signature_queries
from campaign.smtp.replies import judge
from campaign.smtp.transport import Blame, Bounce, Phase
from campaign.states import LOST_KINDS, CameBack, EventKind

log = logging.getLogger(__name__)

SLICE: Final = 200
"""Events of one transaction."""

SLICES: Final = 50
"""Slices of one run, so that a run ends well before its time limit; the next one follows within seconds."""


LATER: Final = timedelta(minutes=10)
"""Until an event is tried again whose recipient's key did not open."""

PATIENCE: Final = timedelta(days=30)
"""For which such an event is tried again; then it is applied as if the address were erased."""

NEEDS_ADDRESS: Final = LOST_KINDS | {EventKind.DELIVERED}
"""Events that do something to an address."""


def apply(runtime: Runtime) -> int:
    """Apply the events that came in; returns how many. Any number of workers may, and a second run finds none."""
    total = 0
    for _ in range(SLICES):
        done = runtime.store.transact(lambda tx: _slice(runtime, tx))
        total += done
        if done < SLICE:
            break
    total += replies.act(runtime)
    now = runtime.clock()
    runtime.store.transact(
        lambda tx: queries.settle_uncertain(tx, queries.uncertain_with_evidence(tx, limit=SLICE), now=now)
    )
    return total


@dataclass
class _Effects:
    """What the events of one slice lead to."""

    came_back: dict[int, CameBack] = field(default_factory=dict)
    handed_over: set[int] = field(default_factory=set)
    applied: dict[int, Applied] = field(default_factory=dict)
    blasts: set[int] = field(default_factory=set)

    def note(self, event: OpenEvent) -> None:
        """Note what the kind of an event says by itself."""
        if event.kind in HANDED_OVER:
            self.handed_over.add(event.message_id)
        known = CAME_BACK.get(event.kind)
        before = self.came_back.get(event.message_id)
        if known is not None and (before is None or _strength(known) > _strength(before)):
            self.came_back[event.message_id] = known
        if event.blast_id is not None and event.kind in LOST_KINDS:
            self.blasts.add(event.blast_id)


def _strength(known: CameBack) -> int:
    return list(CameBack).index(known)


def _slice(runtime: Runtime, tx: Transaction) -> int:
    now = runtime.clock()
    events = queries.take_open(tx, now=now, limit=SLICE)
    if not events:
        return 0
    messages = {message.id: message for message in claimed.by_ids(tx, [event.message_id for event in events])}
    recipients, unopened = _recipients(runtime, tx, messages)
    effects = _Effects()
    later = []
    for event in events:
        effects.note(event)
        if event.message_id in unopened and event.kind in NEEDS_ADDRESS and event.received_at > now - PATIENCE:
            later.append(event.id)
            continue
        recipient = recipients.get(event.message_id)
        cause = _apply(tx, event, messages[event.message_id], recipient, now=now)
        provider = None if recipient is None else provider_of(recipient.wire.address)
        effects.applied[event.id] = Applied(cause, provider)
    queries.raise_came_back(tx, effects.came_back)
    queries.settle_uncertain(tx, sorted(effects.handed_over), now=now)
    queries.applied(tx, effects.applied, now=now)
    if later:
        log.warning("%d events wait for the key of their recipient's address", len(later))
        queries.postpone(tx, later, until=now + LATER)
    blast_health.look(tx, effects.blasts, now=now)
    return len(events)


def _recipients(
    runtime: Runtime, tx: Transaction, messages: Mapping[int, Claimed]
) -> tuple[dict[int, Recipient], set[int]]:
    """Where each message went, and the messages of which no key opens it, though one may later.

    A message is in neither if its address is erased, or its signature has another address since.
    """
    moved = queries.moved_since(tx, list(messages))
    asked = [message for message in messages.values() if message.id not in moved]
    materials = gather(runtime, tx, asked)
    found, unopened = {}, set(materials.closed)
    for message in asked:
        if message.id in unopened:
            continue
        try:
            found[message.id] = recipient_of(runtime, message, materials)
        except DecryptionError:
            unopened.add(message.id)
        except CountersignError:
            # Erased, or no address by today's rules: nothing could be done about it.
            continue
    return found, unopened


def _apply(
    tx: Transaction, event: OpenEvent, message: Claimed, recipient: Recipient | None, *, now: datetime
) -> str | None:
    """Do what an event leads to for its recipient; returns what kind of bounce it is, if it is one."""
    if event.kind in {EventKind.BOUNCED, EventKind.REJECTED, EventKind.FAILED}:
        cause, bounce = judged(event)
        if bounce is not None and recipient is not None:
            suppressions.note_bounce(
                tx,
                recipient.address_key,
                kind=bounce.kind,
                limit=bounce.limit,
                day=now.date(),
                message_id=message.id,
                came_back=True,
            )
        return cause
    if event.kind is EventKind.UNSUBSCRIBED and message.signature_id is not None:
        signature_queries.set_updates(tx, message.signature_id, wants_updates=False, consent_id=None, now=now)
    elif event.kind is EventKind.DELIVERED and recipient is not None:
        suppressions.clear_soft_bounces(tx, [recipient.address_key], until=event.happened_at.date())
    elif event.kind is EventKind.COMPLAINED and recipient is not None:
        suppressions.add(tx, recipient.address_key, reason="complaint", petition_id=None, message_id=message.id)
    return None


OURS, OTHER = "ours", "other"
"""Causes of bounces that are no kind of :class:`~campaign.smtp.transport.Bounce`."""


def judged(event: OpenEvent) -> tuple[str, Bounce | None]:
    """What a bounce is, and what of it counts against the address; the table of replies decides, as at a refusal.

    What is about us, our text or our standing never counts against the recipient. What could not be delivered in
    time counts like a full mailbox, if the mailbox was full or its server could not be reached.
    """
    if event.kind is EventKind.FAILED:
        return OURS, None
    if event.kind is EventKind.REJECTED and event.status is None and event.code is None:
        # The provider's own list: it may know of a bounce that we don't, and it may be wrong.
        return OTHER, judge(Phase.RCPT, 550).bounce
    status, code = event.status, event.code
    if status is not None and (code is None or str(code)[0] != status[0]):
        code = int(status[0]) * 100 + 50
    if code is None:
        code = 550
    if code < 500 and f"{status}.".startswith("4.2.2."):
        status, code = "5.2.2", 552
    if status in UNSPECIFIC and ABOUT_US.search(event.text):
        return OURS, None
    verdict = judge(Phase.RCPT, code, status, event.text)
    if verdict.blame is Blame.US:
        return OURS, None
    return (verdict.bounce.kind if verdict.bounce else OTHER), verdict.bounce
