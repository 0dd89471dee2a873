"""The verdict on a drill: the promises P1 to P8, each checked against the evidence alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import ceil, inf
from typing import Final

from campaign.local.drill.evidence import Announced, Equation, Evidence, MessageRow
from campaign.local.drill.plan import KILLS, Change, FaultKind

GRACE: Final = 5.0
"""Seconds after a change of mind within which mail that was on its way to the wire may still go (P4, F30)."""

P95, P99 = 10.0, 60.0
"""Seconds from a sign-up to the hand-over of its confirmation (P3): undisturbed, and whatever happens."""

STATES: Final = ("accepted", "rejected", "suppressed", "cancelled", "uncertain", "planned", "claimed", "submitting")
OPEN: Final = frozenset({"planned", "claimed", "submitting"})
LISTS: Final = frozenset({"update", "milestone"})
"""Kinds that an unsubscription stops; withdrawal and erasure stop every kind."""

PROMISES: Final = {
    "P1": "no sign-up that was accepted is lost, nor its confirmation",
    "P2": "each mail is accepted once; an unknown outcome is uncertain, and not sent again",
    "P3": "confirmations are handed over within 10 s (95 % of the undisturbed) and 60 s (99 % of all)",
    "P4": "unsubscribing, withdrawing and erasing act on all that is not handed over",
    "P5": "no address and no name leaves the database",
    "P6": "planned = accepted + rejected + suppressed + cancelled + uncertain + open",
    "P7": "the public count is the number of confirmed signatures",
    "P8": "a milestone is announced once",
}


@dataclass(frozen=True)
class Finding:
    """One thing that went wrong, or is uncertain: ``what`` names rows by their ids only."""

    what: str
    why: str


@dataclass(frozen=True)
class DrillResult:
    """What the evidence says."""

    recipients: int
    accepted: int
    """Of the recipients of the blast, those whose mail the server took."""
    all_accepted: int
    """Acceptances of all mail: the blast, confirmations, thanks, milestones."""
    lost: tuple[Finding, ...]
    repeated: tuple[Finding, ...]
    uncertain: tuple[Finding, ...]
    uncertain_limit: int
    scripted: int
    """Uncertain messages that the script itself made so; part of the limit."""
    kills: int
    restarts: int
    recovered_s_max: float
    broken: Mapping[str, tuple[Finding, ...]]
    """What speaks against each promise; nothing, if it was kept."""

    @property
    def kept(self) -> bool:
        """True if every promise was kept."""
        return not any(self.broken.values())

    def as_json(self) -> dict[str, object]:
        """The object that ``--json`` prints."""
        return {
            "recipients": self.recipients,
            "accepted": self.accepted,
            "lost": len(self.lost),
            "repeated": len(self.repeated),
            "uncertain": len(self.uncertain),
            "uncertain_limit": self.uncertain_limit,
            "kills": self.kills,
            "restarts": self.restarts,
            "recovered_s_max": round(self.recovered_s_max, 1),
            "promises": {name: not findings for name, findings in self.broken.items()},
        }


def judge(evidence: Evidence) -> DrillResult:
    """Judge a drill."""
    case = _Case(evidence)
    lost = (*case.lost_messages(), *case.lost_requests(), *case.lost_sign_ups())
    uncertain = case.uncertain()
    faults = evidence.faults
    recovered = [fault.recovered for fault in faults if fault.recovered is not None]
    return DrillResult(
        recipients=evidence.recipients,
        accepted=sum(evidence.messages[key].blast_id == evidence.blast_id for key in case.times if key in case.ledger),
        all_accepted=sum(case.times.values()),
        lost=lost,
        repeated=case.repeated(),
        uncertain=uncertain,
        uncertain_limit=case.limit,
        scripted=len(case.scripted),
        kills=sum(FaultKind(fault.kind) in KILLS for fault in faults),
        restarts=evidence.restarts,
        recovered_s_max=max(recovered, default=0.0),
        broken={
            "P1": lost,
            "P2": (*case.repeated(), *case.unknown_acceptances(), *case.wrongly_uncertain(), *case.unread_returns()),
            "P3": case.late(),
            "P4": case.against_wishes(),
            "P5": tuple(Finding(found, "found in clear") for found in evidence.search.found) + case.unsearched(),
            "P6": case.unbalanced(),
            "P7": case.miscounted(),
            "P8": case.misannounced(),
        },
    )


def _named(row: MessageRow) -> str:
    return f"message {row.id} ({row.kind})"


class _Case:
    """The evidence, arranged for the questions."""

    def __init__(self, evidence: Evidence) -> None:
        self.all = evidence
        self.ledger = evidence.messages
        self.times: Counter[int] = Counter(message_id for _, message_id, _ in evidence.taken if message_id is not None)
        self.scripted = {message_id: silence for message_id, silence in evidence.silences if message_id is not None}
        self.open_connections = sum(fault.connections for fault in evidence.faults)
        self.limit = self.open_connections + len(self.scripted)

    @cached_property
    def by_signature(self) -> Mapping[int, list[MessageRow]]:
        """The messages of each signature."""
        found = defaultdict(list)
        for row in self.ledger.values():
            if row.signature_id is not None:
                found[row.signature_id].append(row)
        return found

    @cached_property
    def asked(self) -> Mapping[int, set[Change]]:
        """Whose mind changed, whether or not the answer arrived."""
        found = defaultdict(set)
        for changed in self.all.changes:
            found[changed.signature_id].add(changed.change)
        return found

    @cached_property
    def proven(self) -> set[int]:
        """Messages without an answer of which something came back later: they were accepted after all."""
        heard = {row.id for row in self.ledger.values() if row.came_back is not None and row.state == "accepted"}
        return self.scripted.keys() & heard

    # --- Lost and repeated ---

    def lost_messages(self) -> Iterable[Finding]:
        """Messages that should have been sent and are not accounted for."""
        for row in self.ledger.values():
            if (why := self._why_lost(row)) is not None:
                yield Finding(_named(row), why)

    def _why_lost(self, row: MessageRow) -> str | None:
        if row.state == "accepted" and not self.times[row.id]:
            return "the ledger says accepted, but the server never took it"
        if row.state in OPEN:
            return f"still {row.state} when the drill ended" + (f": {row.reason}" if row.reason else "")
        if row.state == "rejected" and row.id not in self.all.refused:
            return f"rejected although the server never refused it: {row.reason}"
        if row.state in {"suppressed", "cancelled"} and not self._may_stop(row):
            return f"{row.state} although that was not requested: {row.reason}"
        return None

    def _may_stop(self, row: MessageRow) -> bool:
        """True if the signer changed their mind, or an earlier mail to them was refused for good."""
        if row.signature_id is None:
            return False
        changes = self.asked.get(row.signature_id, set())
        wanted = changes if row.kind in LISTS else changes - {Change.UNSUBSCRIBE}
        lost = self.all.refused | self.all.returned
        refused = any(other.id in lost for other in self.by_signature[row.signature_id])
        return bool(wanted) or refused

    def lost_requests(self) -> Iterable[Finding]:
        """Requests that no worker decided on, or that were refused although nothing was wrong with them."""
        for request in self.all.requests:
            if request.state == "asked":
                yield Finding(f"request {request.id} ({request.kind})", "still undecided when the drill ended")
            elif request.state == "refused":
                yield Finding(f"request {request.id} ({request.kind})", f"refused: {request.reason}")

    def lost_sign_ups(self) -> Iterable[Finding]:
        """Accepted sign-ups that are not there, or never had their mail."""
        for signed in self.all.sign_ups:
            what = f"sign-up {signed.number}"
            row = None if signed.signature_id is None else self.all.signatures.get(signed.signature_id)
            if row is None:
                yield Finding(what, "it was accepted, but there is no such signature")
            elif not any(message.kind == "confirmation" for message in self.by_signature.get(row.id, ())):
                yield Finding(what, "no confirmation was ever planned")
            elif signed.confirmed and row.state == "pending":
                yield Finding(what, "it was confirmed with thanks, but still waits")
        rows = sum(row.blast_id == self.all.blast_id for row in self.ledger.values())
        for missing in range(self.all.recipients - rows):
            yield Finding(f"recipient {missing + 1}", "not in the audience of the blast, or the row is gone")

    def repeated(self) -> tuple[Finding, ...]:
        """The same mail, or a second copy of what the same person was to get once, taken more than once."""
        found = [
            Finding(f"message {message_id}", f"taken {times} times")
            for message_id, times in self.times.items()
            if times > 1
        ]
        copies: dict[tuple[object, ...], set[int]] = defaultdict(set)
        for row in self.ledger.values():
            if self.times[row.id] and row.kind in LISTS | {"thank_you"}:
                copies[row.kind, row.blast_id, row.signature_id].add(row.id)
        found += [
            Finding(f"{kind} of blast {blast} to signature {signature}", f"went as messages {sorted(ids)}")
            for (kind, blast, signature), ids in copies.items()
            if len(ids) > 1
        ]
        return tuple(found)

    # --- P2: what is uncertain ---

    def uncertain(self) -> tuple[Finding, ...]:
        """Every uncertain message with its reason."""
        return tuple(Finding(_named(row), self._doubt(row)) for row in self.ledger.values() if row.state == "uncertain")

    def _doubt(self, row: MessageRow) -> str:
        silence = self.scripted.get(row.id)
        if silence is None:
            return f"its worker was killed on the wire ({row.reason})"
        taken = "had" if silence.taken else "had not"
        return f"scripted: the server {taken} taken it, then {silence.how} instead of an answer"

    def wrongly_uncertain(self) -> Iterable[Finding]:
        """Too many uncertain messages, or not those that the script made so."""
        uncertain = {row.id for row in self.ledger.values() if row.state == "uncertain"}
        for message_id in sorted(self.scripted.keys() - uncertain - self.proven):
            state = self.ledger[message_id].state if message_id in self.ledger else "not in the ledger"
            yield Finding(f"message {message_id}", f"left without an answer after the dot, but {state}")
        unscripted = len(uncertain - self.scripted.keys())
        if unscripted > self.open_connections:
            why = f"but only {self.open_connections} connections were open at kills"
            yield Finding(f"{unscripted} uncertain messages that no script explains", why)

    def unread_returns(self) -> Iterable[Finding]:
        """What bounced later, and is not known to have come back, or is still uncertain."""
        for message_id in sorted(self.all.returned):
            row = self.ledger.get(message_id)
            if row is None or row.came_back != "bounced" or row.state == "uncertain":
                known = "not in the ledger" if row is None else f"{row.state}, came back: {row.came_back}"
                yield Finding(f"message {message_id}", f"it bounced after it was accepted, but {known}")

    def unknown_acceptances(self) -> Iterable[Finding]:
        """What the server took and the ledger does not own up to."""
        for message_id in self.times:
            row = self.ledger.get(message_id)
            if row is None or row.state not in {"accepted", "uncertain"}:
                state = "not in the ledger" if row is None else row.state
                yield Finding(f"message {message_id}", f"taken by the server, but {state}")
        strangers = sum(message_id is None for _, message_id, _ in self.all.taken)
        if strangers:
            yield Finding(f"{strangers} mails", "taken with a return address that is not ours")
        recipients = defaultdict(set)
        for _, of_message, recipient in self.all.taken:
            recipients[of_message].add(recipient)
        for of_message, found in recipients.items():
            if of_message is not None and len(found) > 1:
                yield Finding(f"message {of_message}", f"taken for {len(found)} different recipients")

    # --- The other promises ---

    @cached_property
    def first_offers(self) -> Mapping[int, float]:
        """When each message was handed over first."""
        found: dict[int, float] = {}
        for at, message_id in self.all.offers:
            if message_id is not None:
                found.setdefault(message_id, at)
        return found

    def waits(self) -> tuple[list[float], list[float]]:
        """Seconds from each sign-up to the hand-over of its confirmation; endless, if it never was. Both are sorted.

        Returns:
            All of them; and those alone without a fault in the urgent lane meanwhile.
        """
        found, undisturbed = [], []
        for signed in self.all.sign_ups:
            rows = [row for row in self.by_signature.get(signed.signature_id or 0, ()) if row.kind == "confirmation"]
            offers = [self.first_offers[row.id] for row in rows if row.id in self.first_offers]
            if not offers and any(row.state in {"suppressed", "cancelled"} for row in rows):
                continue
            offered = min(offers, default=inf)
            found.append(max(0.0, offered - signed.at))
            if not self._is_disturbed(signed.at, offered):
                undisturbed.append(found[-1])
        return sorted(found), sorted(undisturbed)

    def _is_disturbed(self, begin: float, end: float) -> bool:
        return any(
            fault.at < end and begin < fault.at + (inf if fault.recovered is None else fault.recovered)
            for fault in self.all.faults
            if fault.urgent
        )

    def late(self) -> tuple[Finding, ...]:
        """P3: it promises no 10 seconds while what sends has just been killed, and a minute even then."""
        every, undisturbed = self.waits()
        wanted = ((undisturbed, 0.95, P95, "undisturbed "), (every, 0.99, P99, ""))
        return tuple(
            Finding(f"{share:.0%} of the {which}confirmations", f"took up to {wait:.1f} s; {limit:.0f} s are promised")
            for waits, share, limit, which in wanted
            if waits and (wait := percentile(waits, share)) >= limit
        )

    def against_wishes(self) -> tuple[Finding, ...]:
        """P4."""
        offers = defaultdict(list)
        for at, message_id in self.all.offers:
            if message_id is not None and (row := self.ledger.get(message_id)) is not None:
                offers[row.signature_id].append((at, row))
        return tuple(
            Finding(_named(row), f"offered {at - changed.at:.1f} s after {changed.change}")
            for changed in self.all.changes
            if changed.at is not None
            for at, row in offers.get(changed.signature_id, ())
            if at > changed.at + GRACE and (row.kind in LISTS or changed.change is not Change.UNSUBSCRIBE)
        )

    def unsearched(self) -> tuple[Finding, ...]:
        """P5: a place in which nothing was looked at proves nothing."""
        return tuple(
            Finding(place, "there was nothing to search") for place, size in self.all.search.places.items() if not size
        )

    def unbalanced(self) -> tuple[Finding, ...]:
        """P6: each look adds up, and a frozen audience neither grows nor shrinks."""
        found = [
            Finding(f"blast {look.blast_id}", f"{look.rows} rows, but {sum(look.by_state.values())} in known states")
            for look in self.all.equations
            if look.rows != sum(look.by_state.get(state, 0) for state in STATES)
        ]
        frozen: dict[int, list[Equation]] = defaultdict(list)
        for look in self.all.equations:
            if look.frozen:
                frozen[look.blast_id].append(look)
        for blast_id, looks in frozen.items():
            changed = [(before.rows, after.rows) for before, after in pairwise(looks) if before.rows != after.rows]
            found += [Finding(f"blast {blast_id}", f"{a} planned messages became {b}") for a, b in changed]
            final = Counter(row.state for row in self.ledger.values() if row.blast_id == blast_id)
            if looks[-1].rows != final.total():
                found.append(Finding(f"blast {blast_id}", f"{looks[-1].rows} planned, {final.total()} at the end"))
        if self.all.blast_id not in frozen:
            found.append(Finding(f"blast {self.all.blast_id}", "its audience was never seen frozen"))
        return tuple(found)

    def miscounted(self) -> tuple[Finding, ...]:
        """P7."""
        return tuple(
            Finding(f"petition {count.petition_id}", f"shows {count.shown}, has {count.confirmed}, drift {count.drift}")
            for count in self.all.counts
            if count.shown != count.confirmed or count.drift
        )

    def misannounced(self) -> tuple[Finding, ...]:
        """P8: each threshold reached has one entry and, unless merged into a larger one, one announcement."""
        reached = {(stone.petition_id, stone.threshold): stone for stone in self.all.milestones}
        found = [Finding(_stone(stone), f"recorded {n} times") for stone, n in self._twice() if n > 1]
        for stone in self.all.milestones:
            wanted = 1 if stone.decision == "announced" else 0
            if stone.blasts != wanted:
                found.append(Finding(_stone(stone), f"{stone.decision}, with {stone.blasts} announcements"))
        confirmed = {count.petition_id: count.confirmed for count in self.all.counts}
        for petition_id, ladder in self.all.ladder.items():
            steps = [step for step in ladder if step <= confirmed.get(petition_id, 0)]
            missing = [step for step in steps if (petition_id, step) not in reached]
            found += [Finding(f"milestone {step} of petition {petition_id}", "reached, not noted") for step in missing]
        return tuple(found)

    def _twice(self) -> list[tuple[Announced, int]]:
        numbers = Counter((stone.petition_id, stone.threshold) for stone in self.all.milestones)
        return [(stone, numbers[stone.petition_id, stone.threshold]) for stone in self.all.milestones]


def _stone(stone: Announced) -> str:
    return f"milestone {stone.threshold} of petition {stone.petition_id}"


def percentile(sorted_values: list[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed; the values are sorted and not empty."""
    return sorted_values[max(0, ceil(share * len(sorted_values)) - 1)]
