"""Record what the outcomes of a batch mean for its messages, for the recipients' addresses and for the lane."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from campaign.blasts import health as blast_health
from campaign.blasts import text_failures
from campaign.blasts.text_failures import TextFailure
from campaign.database.connection import Transaction
from campaign.delivery import counting, incidents, pacing, refusals
from campaign.delivery.incidents import Refused
from campaign.delivery.pacing import domain_key, domain_of
from campaign.delivery.refusals import RecipientOutcome
from campaign.errors import SessionFailedError
from campaign.outbox import lanes, ledger, recent_refusals, suppressions
from campaign.outbox.claimed import Claimed
from campaign.outbox.ledger import Settlement
from campaign.runtime import Runtime
from campaign.smtp.replies import ACCEPTED
from campaign.smtp.transport import Blame, Bounce, Outcome, Result
from campaign.states import Lane

LADDER = (
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
)
"""Waits after the 1st, 2nd … temporary failure of one message; RFC 5321 4.5.4.1 asks for retries over 4-5 days."""

GIVE_UP = timedelta(days=4)
"""A message that the server deferred this long, and all the ladder, is rejected: expired."""

JITTER = 0.2


def wait_after(attempts: int, *, chance: float) -> timedelta:
    """How long to wait after so many attempts.

    Args:
        attempts: attempts made so far, 1 or more.
        chance: a random number from 0 to 1; spreads the retries by up to a fifth, so that they do not come in waves.
    """
    step = LADDER[min(max(attempts, 1), len(LADDER)) - 1]
    return step * (1 + JITTER * chance)


def gives_up(attempts: int, *, age: timedelta) -> bool:
    """True if a deferred message is not tried again.

    A message that is old because its lane stood still has had few attempts: it climbs the whole ladder first.

    Args:
        attempts: attempts made so far.
        age: time since the message was planned.
    """
    return age > GIVE_UP and attempts > len(LADDER)


log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=5)
"""The circuit breaker's waits when the mail server gives no session."""


@dataclass(slots=True)  # not frozen: one is made per message
class Sent:
    """A message that the transport was given, and the keyed hash of its recipient's address."""

    message: Claimed
    address_key: bytes = field(repr=False)
    address: str = field(default="", repr=False)

    @property
    def domain(self) -> str:
        """The recipient's domain; empty if the address could not be opened."""
        return domain_of(self.address)


@dataclass(eq=False)
class SentBatch:
    """One batch on its way: what was handed over and what is known of it so far."""

    handed: Mapping[int, Sent]
    """What this worker holds, whether or not it has come to the wire."""
    struck: frozenset[bytes] = frozenset()
    """Addresses that have soft bounces, which an acceptance clears."""
    ended: dict[int, Settlement] = field(default_factory=dict)
    """What ends here without coming to the wire, and why."""
    postponed: dict[int, datetime] = field(default_factory=dict)
    """What waits for its domain, and until when."""
    failed_texts: set[TextFailure] = field(default_factory=set)
    """Texts of which no mail can be made; their messages are among the untouched."""
    submitted: set[int] = field(default_factory=set)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    trouble: SessionFailedError | None = None

    @property
    def accepted(self) -> list[int]:
        """What the server took."""
        return [id_ for id_, outcome in self.outcomes.items() if outcome.verdict.result is Result.ACCEPTED]

    @property
    def judged(self) -> list[Outcome]:
        """The outcomes that are about a message, not about a session that never began."""
        return [
            outcome for outcome in self.outcomes.values() if outcome.verdict is ACCEPTED or not outcome.is_about_session
        ]

    @property
    def untouched(self) -> list[int]:
        """What certainly did not reach the server, through no fault of the message."""
        left = self.handed.keys() - self.ended.keys() - self.postponed.keys() - self.unanswered
        left.difference_update(outcome.id for outcome in self.judged)
        return sorted(left)

    @property
    def unanswered(self) -> set[int]:
        """What may have reached the server although the transport broke off without an outcome."""
        return self.submitted - self.outcomes.keys()


def record(runtime: Runtime, tx: Transaction, this: SentBatch, *, lane: Lane, owner_id: int) -> None:
    """Write down what a round led to. Running it again, e.g. after a lost commit, changes nothing more."""
    now = runtime.clock()
    judged = this.judged
    incident = _look_for_incident(runtime, tx, this, judged, lane)
    if incident.about_us:
        # A copy: the transaction may be repeated.
        this = replace(this, outcomes=_judged_anew(this, incident))
        judged = this.judged
    settlements = [
        settlement(this.handed[outcome.id].message, outcome, now=now, chance=runtime.chance()) for outcome in judged
    ]
    settlements += [Settlement(item, "uncertain", reason="no_outcome", phase="dot") for item in this.unanswered]
    ended = [*settlements, *this.ended.values()]
    changed = ledger.settle(tx, ended, owner_id=owner_id, now=now)
    counting.count(tx, lane, ended, sent=this.handed, outcomes=this.outcomes, changed=changed, now=now)
    if this.failed_texts:
        text_failures.note(tx, this.failed_texts, now=now)
    if untouched := this.untouched:
        ledger.give_back(tx, untouched, owner_id=owner_id)
    if this.postponed:
        ledger.postpone(tx, this.postponed, owner_id=owner_id)
    if signs := _slow_domains(this, judged):
        pacing.slow_down(tx, [domain_key(runtime, domain) for domain in signs], now=now)
    _note_addresses(tx, this, [item for item in settlements if item.message_id in changed], now)
    refused = {item.message_id for item in settlements if item.state == "rejected"} & changed
    blasts = {this.handed[message_id].message.blast_id or 0 for message_id in refused}
    blast_health.look(tx, blasts - {0}, now=now)
    if _note_lane(runtime, tx, this, lane, incident):
        ours = [outcome.id for outcome in judged if outcome.verdict.is_block]
        ledger.refund(tx, [message_id for message_id in ours if message_id in changed])


def _look_for_incident(
    runtime: Runtime, tx: Transaction, this: SentBatch, judged: Sequence[Outcome], lane: Lane
) -> incidents.Incident:
    """Judge anew what was refused with the same words by several receivers."""
    refused = [
        Refused(outcome, this.handed[outcome.id].domain, this.handed[outcome.id].address_key)
        for outcome in judged
        if outcome.result is Result.PERMANENT
    ]
    last = max((n for n, outcome in enumerate(judged, 1) if outcome.result is Result.ACCEPTED), default=0)
    if last:
        recent_refusals.end_row(tx, lane)
    if not refused:
        return incidents.NOTHING
    tail = frozenset(outcome.id for outcome in judged[last:])
    return incidents.look(runtime, tx, lane, refused, tail=tail, now=runtime.clock())


def _judged_anew(this: SentBatch, incident: incidents.Incident) -> dict[int, Outcome]:
    return {
        id_: incidents.as_ours(outcome) if id_ in incident.about_us else outcome
        for id_, outcome in this.outcomes.items()
    }


def settlement(message: Claimed, outcome: Outcome, *, now: datetime, chance: float) -> Settlement:
    """What happens to one message after an outcome."""
    if outcome.result is Result.ACCEPTED:
        return Settlement(
            message.id,
            "accepted",
            reason=outcome.text[:200] or None,
            phase="dot",
            reply_code=outcome.code,
            enhanced=outcome.enhanced,
        )
    state, reason, due_at = str(outcome.result), outcome.text[:200] or None, None
    not_theirs = outcome.result is Result.PERMANENT and outcome.blame is not Blame.RECIPIENT
    not_theirs = not_theirs and not is_about_text(message, outcome)
    if outcome.result is Result.TEMPORARY or not_theirs:
        # What is our fault or the server's is tried again: the recipient is never blamed for it.
        state, due_at = "planned", now + wait_after(message.attempts, chance=chance)
        if gives_up(message.attempts, age=now - message.planned_at):
            state, reason, due_at = "rejected", f"expired: {reason}", None
    elif outcome.result is Result.PERMANENT:
        state = "rejected"
    return Settlement(
        message.id,
        state,
        reason=reason,
        phase=str(outcome.phase),
        reply_code=outcome.code,
        enhanced=outcome.enhanced,
        due_at=due_at,
    )


def is_about_text(message: Claimed, outcome: Outcome) -> bool:
    """True if a blast's own text was refused (F15): waiting does not help, and if it continues the blast pauses.

    A single mail that its recipient asked for is never given up for its text.
    """
    return message.blast_id is not None and outcome.verdict.is_text


def _slow_domains(this: SentBatch, judged: Sequence[Outcome]) -> list[str]:
    """Domains that ask for less: more than one answer in ten, so that greylisting does not slow a domain."""
    asked = [this.handed[item.id].domain for item in judged if item.verdict.throttles]
    if not asked:
        return []
    numbers = Counter(this.handed[item.id].domain for item in judged)
    return [domain for domain, number in Counter(asked).items() if domain and number * 10 > numbers[domain]]


def _note_addresses(tx: Transaction, this: SentBatch, settlements: Iterable[Settlement], now: datetime) -> None:
    if this.struck:
        relieved = {this.handed[message_id].address_key for message_id in this.accepted} & this.struck
        suppressions.clear_refusals(tx, sorted(relieved))
    for item in settlements:
        if item.state == "rejected" and (bounce := this.outcomes[item.message_id].verdict.bounce) is not None:
            _note_bounce(tx, this.handed[item.message_id].address_key, bounce, item.message_id, now)


def _note_bounce(tx: Transaction, address_key: bytes, bounce: Bounce, message_id: int, now: datetime) -> None:
    suppressions.note_bounce(
        tx, address_key, kind=bounce.kind, limit=bounce.limit, day=now.date(), message_id=message_id
    )


def _note_lane(runtime: Runtime, tx: Transaction, this: SentBatch, lane: Lane, incident: incidents.Incident) -> bool:
    """Note what the batch says of the lane; True if it pauses because its mail is refused."""
    now = runtime.clock()
    if this.trouble is not None:
        _trip(runtime, tx, this.trouble, lane)
    elif this.accepted:
        lanes.close_circuit(tx, lane, now=now)
    if any(outcome.blame is Blame.US for outcome in this.outcomes.values()):
        return refusals.look(runtime, tx, lane, list(_heard(this)), before=incident.undone, by=incident.receivers)
    return False


def _heard(this: SentBatch) -> Iterator[RecipientOutcome]:
    for outcome in this.judged:
        held = this.handed[outcome.id]
        if not is_about_text(held.message, outcome):
            yield RecipientOutcome(outcome, held.domain)


def _trip(runtime: Runtime, tx: Transaction, trouble: SessionFailedError, lane: Lane) -> None:
    now = runtime.clock()
    before = lanes.troubles(tx, lane)
    wait = min(FIRST_WAIT * 2 ** min(before, 10), LONGEST_WAIT)
    spread = wait * (0.8 + 0.4 * runtime.chance())
    lanes.open_circuit(
        tx,
        lane,
        not_before=now + spread,
        answer=trouble.reason[:200],
        now=now,
        relay=trouble.relay or None,
        phase=trouble.phase,
    )
    log.warning("lane %s waits %.0f s: %s", lane, spread.total_seconds(), trouble)
    if trouble.permanent:
        lanes.pause(tx, lane, by="system", reason=_reason(trouble)[:200], now=now)


def _reason(trouble: SessionFailedError) -> str:
    """Which relay said what, and in which phase."""
    return f"{trouble.relay or 'mail server'} ({trouble.phase}): {trouble.reason}"
