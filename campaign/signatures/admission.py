"""Admission: a worker decides on the requests that the web wrote down, a batch in one transaction.

This is the one place where it is decided what a sign-up leads to. Requests are decided in the order in which they were
made, so that two requests of one person in a batch see each other. Docs: ADR 19.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from campaign.accounts import queries as account_queries
from campaign.accounts.sign_in import LINK_LIFE, SIGN_INS_PER_HOUR, SIGN_INS_PER_NETWORK
from campaign.database.connection import Transaction
from campaign.outbox import plan as outbox_plan
from campaign.outbox.allowance import HOUR
from campaign.runtime import Runtime
from campaign.security.tokens import NONCE as ROW_NONCE
from campaign.signatures import admission_queries, code_tries, mine_queries, queries, request_queries
from campaign.signatures.admission_queries import Person, Place, Present
from campaign.signatures.request_queries import BatchFailedError, Decision, Request
from campaign.signatures.request_reading import Again, AllMine, Readable, Reader, SignIn, SignUp
from campaign.signatures.signing import MAILBOX_SEATS
from campaign.states import Lane, MessageKind, SignatureState

log = logging.getLogger(__name__)

BATCH: Final = 500
"""Requests of one transaction: some tenths of a second of work."""

ONCE_A_MONTH: Final = timedelta(days=30)
"""How often the owner of a mailbox is told that it was used to sign again, at most."""

MANY: Final = 20
"""Messages that one worker sends alone; if a batch plans more, the other workers of the lane are woken as well."""

FAILED: Final = "failed"


@dataclass(frozen=True)
class Admitted:
    """What a batch led to: how many requests had each outcome, and whether more requests may be waiting."""

    counts: Mapping[str, int]
    more: bool


def admit(runtime: Runtime, *, limit: int = BATCH) -> Admitted:
    """Decide on the oldest undecided requests, and plan the mails that they lead to, in one transaction.

    A second call finds them decided. Any number of workers may call it: they take turns. If the database refuses the
    batch twice, each of its requests is tried alone, and one that is refused again is recorded as failed.

    Raises:
        StoreUnavailableError: the database does not answer; the requests stay undecided.
    """
    taken: list[int] = []
    for _attempt in range(2):
        try:
            return _admit(runtime, limit=limit, taken=taken)
        except BatchFailedError as error:
            log.warning("a batch of %d requests was refused by the database: %s", len(taken), error)
    counts: Counter[str] = Counter()
    for request_id in taken:
        try:
            counts.update(_admit(runtime, limit=1, only=request_id, taken=taken).counts)
        except BatchFailedError as error:
            log.error("request %d can't be admitted: %s", request_id, error)  # noqa: TRY400 - values stay out of logs
            _refuse(runtime, request_id)
            counts[FAILED] += 1
    return Admitted(counts, more=True)


def admit_all(runtime: Runtime) -> Counter[str]:
    """Decide on requests until none is left, and return how many had each outcome.

    Raises:
        StoreUnavailableError: as :func:`admit`.
    """
    counts: Counter[str] = Counter()
    while True:
        admitted = admit(runtime)
        counts.update(admitted.counts)
        if not admitted.more:
            return counts


def is_waiting(runtime: Runtime) -> bool:
    """True if a request is not decided yet."""
    return runtime.store.transact(request_queries.is_waiting)


def _admit(runtime: Runtime, *, limit: int, taken: list[int], only: int | None = None) -> Admitted:
    def work(tx: Transaction) -> Admitted:
        # First: a transaction that waits for its turn must not hold requests that another could decide.
        outbox_plan.take_turn(tx)
        found = request_queries.take(tx, limit=limit, only=only)
        taken[:] = [request.id for request in found]
        if not found:
            return Admitted({}, more=False)
        batch = _Batch(runtime, tx, found)
        batch.decide()
        batch.store()
        return Admitted(batch.counts, more=len(found) == limit)

    return request_queries.transact(runtime.store, work)


def _refuse(runtime: Runtime, request_id: int) -> None:
    now = runtime.clock()
    runtime.store.transact(lambda tx: request_queries.decide(tx, [Decision(request_id, FAILED)], now=now))


class _Batch:
    """The requests of one transaction, what is known about them, and what is to be written."""

    def __init__(self, runtime: Runtime, tx: Transaction, requests: Sequence[Request]) -> None:
        self.runtime = runtime
        self.tx = tx
        self.now: datetime = runtime.clock()
        self.requests = requests
        self.counts: Counter[str] = Counter()
        self._decisions: list[Decision] = []
        self._messages: list[outbox_plan.Decided] = []
        self._new: dict[int, queries.NewSignature] = {}
        self._renewed: dict[int, queries.NewSignature] = {}
        self._granted: set[Place] = set()

    def _readable(self) -> list[Readable]:
        reader = Reader(self.runtime, self.tx, self.requests, now=self.now)
        found = []
        for request in self.requests:
            readable = reader.read(request)
            if isinstance(readable, str):
                self._refuse(request, readable)
            else:
                found.append(readable)
        return found

    # --- Decide: in the order of the requests, without a statement ---

    def decide(self) -> None:
        """Decide on every request."""
        readable = self._readable()
        self._look_up(readable)
        for one in readable:
            match one:
                case SignUp():
                    outcome = self._sign(one)
                case Again():
                    outcome = self._again(one)
                case SignIn():
                    outcome = self._sign_in(one)
                case AllMine():
                    outcome = self._all_mine(one)
            self.counts[outcome] += 1
            self._decisions.append(Decision(one.request.id))

    def _look_up(self, readable: Sequence[Readable]) -> None:
        sign_ups = [one for one in readable if isinstance(one, SignUp)]
        again = [one for one in readable if isinstance(one, Again)]
        sign_ins = [one for one in readable if isinstance(one, SignIn)]
        people = {one.person for one in sign_ups} | {one.person for one in again if one.person is not None}
        places = {place for one in again for place in one.places}
        self._ids = iter(queries.reserve_ids(self.tx, len(sign_ups)) if sign_ups else ())
        self._people: dict[Person, Present] = {}
        self._confirmed: dict[Place, list[int]] = {}
        self._waiting: dict[Place, list[int]] = {}
        for row in admission_queries.present(self.tx, people) if people else ():
            self._note(row)
        for row in admission_queries.pending(self.tx, places) if places else ():
            self._waiting.setdefault((row.petition_id, row.address_index), []).append(row.id)
        of_mine = {place for one in readable if isinstance(one, AllMine) for place in one.places}
        self._mine: dict[Place, list[int]] = {}
        for mine in mine_queries.at(self.tx, of_mine) if of_mine else ():
            self._mine.setdefault((mine.petition_id, mine.address_index), []).append(mine.id)
        known = {row.id for row in self._people.values()}.union(
            *self._mine.values(), *self._confirmed.values(), *self._waiting.values()
        )
        self._told = outbox_plan.already_told(self.tx, sorted(known), since=self.now - ONCE_A_MONTH) if known else set()
        self._accounts = (
            account_queries.open_for_sign_in(self.tx, [one.address_index for one in sign_ins]) if sign_ins else {}
        )
        origins = [_origin(one.request) for one in readable]
        self._book = outbox_plan.Book.open(self.tx, origins, now=self.now)

    def _note(self, row: Present) -> None:
        place = row.petition_id, row.address_index
        self._people[*place, row.person_index] = row
        if row.state is SignatureState.CONFIRMED:
            self._confirmed.setdefault(place, []).append(row.id)

    def _sign(self, asked: SignUp) -> str:
        same, confirmed = self._people.get(asked.person), self._confirmed.get(asked.place, [])
        if same is not None and same.state is SignatureState.CONFIRMED:
            return self._tell_owner(asked, MessageKind.ALREADY_SIGNED, same.id, confirmed)
        if same is not None:
            self._renew(asked, same.id)
            if (same.id, MessageKind.CONFIRMATION) not in self._told:
                self._confirm(asked.request, same)
            return "renewed"
        if len(confirmed) >= MAILBOX_SEATS:
            return self._tell_owner(asked, MessageKind.MAILBOX_FULL, confirmed[0], confirmed)
        new = self._add(asked)
        self._confirm(asked.request, new)
        return "new"

    def _tell_owner(self, asked: SignUp, kind: MessageKind, recipient: int, confirmed: Sequence[int]) -> str:
        # The owner of a mailbox hears of a repeated sign-up once a month at most.
        if not any((signature_id, kind) in self._told for signature_id in confirmed):
            self._plan(asked.request, kind, recipient, asked.opened.petition.id)
        return str(kind)

    def _again(self, asked: Again) -> str:
        if asked.person is not None:
            same = self._people.get(asked.person)
            found = [] if same is None or same.state is not SignatureState.PENDING else [same]
        else:
            found = [
                Present(id_, *place, b"", SignatureState.PENDING)
                for place in asked.places
                for id_ in self._waiting.get(place, ())
            ]
        for row in found[: admission_queries.RESENT]:
            if (row.id, MessageKind.CONFIRMATION) not in self._told:
                self._confirm(asked.request, row)
        return "resend"

    def _sign_in(self, asked: SignIn) -> str:
        keys = ((asked.request.mailbox, SIGN_INS_PER_HOUR), (asked.request.network, SIGN_INS_PER_NETWORK))
        for key, most in keys:
            if key is None:
                continue
            if sum(slot > self.now - HOUR for slot in self._book.given[key]) >= most:
                return "sign_in_allowance"
            self._book.grant(key, self.now, keep=HOUR)
        account_id = self._accounts.get(asked.address_index)
        if account_id is None:
            return "no_account"
        plan = outbox_plan.Plan(kind=MessageKind.SIGN_IN, lane=Lane.URGENT, due_at=self.now, account_id=account_id)
        self._messages.append(outbox_plan.Decided(plan))
        return "sign_in"

    def _all_mine(self, asked: AllMine) -> str:
        # The newest signature carries the mail, which lists all of them.
        found = [(id_, place[0]) for place in asked.places for id_ in self._mine.get(place, ())]
        if found and not any((id_, MessageKind.MY_SIGNATURES) in self._told for id_, _ in found):
            self._plan(asked.request, MessageKind.MY_SIGNATURES, *max(found))
        return "mine"

    def _confirm(self, request: Request, row: Present) -> None:
        if self._plan(request, MessageKind.CONFIRMATION, row.id, row.petition_id):
            # Tries come with mails, which the allowance limits, and never with mere requests: a code can't be guessed.
            self._granted.add((row.petition_id, row.address_index))

    def _plan(self, request: Request, kind: MessageKind, signature_id: int, petition_id: int) -> bool:
        plan = outbox_plan.Plan(
            kind=kind, lane=Lane.URGENT, due_at=self.now, signature_id=signature_id, petition_id=petition_id
        )
        decided = self._book.allow(_origin(request), plan, now=self.now)
        self._messages.append(decided)
        if decided.held is not None:
            self.counts[decided.held] += 1
            return False
        self._told.add((signature_id, kind))
        return True

    def _refuse(self, request: Request, reason: str) -> None:
        self._decisions.append(Decision(request.id, reason))
        self.counts[reason] += 1

    # --- Rows ---

    def _add(self, asked: SignUp) -> Present:
        signature_id = next(self._ids)
        self._new[signature_id] = _row(asked, signature_id)
        new = Present(signature_id, *asked.person, SignatureState.PENDING)
        self._people[asked.person] = new
        # A later request of this batch may want its mail once more.
        self._waiting.setdefault(asked.place, []).append(signature_id)
        return new

    def _renew(self, asked: SignUp, signature_id: int) -> None:
        row = _row(asked, signature_id)
        if signature_id in self._new:
            self._new[signature_id] = replace(row, nonce=self._new[signature_id].nonce)
        else:
            self._renewed[signature_id] = row

    # --- Write: a fixed number of statements ---

    def store(self) -> None:
        """Write everything that was decided."""
        tx = self.tx
        if self._granted:
            # Before the signatures: checking a code locks its tries first as well.
            code_tries.grant(tx, self._granted)
        if self._new:
            admission_queries.add(tx, list(self._new.values()))
        if self._renewed:
            admission_queries.renew(tx, list(self._renewed.values()))
        if self._messages:
            self._store_messages()
        self._book.close(tx)
        request_queries.decide(tx, self._decisions, now=self.now)

    def _store_messages(self) -> None:
        to_accounts = outbox_plan.add_many(self.tx, self._messages, now=self.now)
        if to_accounts:
            links = [
                account_queries.NewLink(account_id, message_id, secrets.token_bytes(ROW_NONCE))
                for message_id, account_id in to_accounts
            ]
            account_queries.add_links(self.tx, links, expires_at=self.now + LINK_LIFE)
        if len(self._messages) > MANY:
            self.tx.nudge(Lane.URGENT)


def _origin(request: Request) -> outbox_plan.Origin:
    return outbox_plan.Origin(request.mailbox, request.network)


def _row(asked: SignUp, signature_id: int) -> queries.NewSignature:
    key, payload, request = asked.key, asked.payload, asked.request

    def seal(column: str, text: str) -> bytes:
        return key.seal(text, place=queries.place(column, signature_id))

    return queries.NewSignature(
        id=signature_id,
        petition_id=asked.opened.petition.id,
        text_version_id=payload.text_version_id,
        consent_id=payload.consent_id,
        updates_consent_id=payload.updates_consent_id,
        locale=payload.locale,
        country=payload.country,
        show_name=payload.show_name,
        wants_updates=payload.wants_updates,
        nonce=secrets.token_bytes(ROW_NONCE),
        address_index=request.address_index or b"",
        person_index=request.person_index or b"",
        address=seal("address", payload.email),
        name=seal("name", payload.name),
        reason=seal("reason", payload.reason) if payload.reason else None,
        requested_at=request.requested_at,
    )
