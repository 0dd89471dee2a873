"""Admission: a worker decides on the requests that the web wrote down, a batch in one transaction.

This is the one place where it is decided what a sign-up leads to. Requests are decided in the order in which they were
made, so that two requests of one person in a batch see each other. Docs: ADR 19.
"""

import logging
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from campaign.accounts import queries as account_queries
from campaign.accounts.mail_providers import provider_of
from campaign.accounts.sign_in import LINK_LIFE, SIGN_INS_PER_HOUR, SIGN_INS_PER_NETWORK
from campaign.database.connection import Transaction
from campaign.outbox import plan as outbox_plan
from campaign.outbox.allowance import HOUR
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey
from campaign.security.tokens import NONCE as ROW_NONCE
from campaign.signatures import admission_queries, queries, request_queries
from campaign.signatures.admission_mine import MineRequests
from campaign.signatures.admission_queries import FORM, Person, Place, Present
from campaign.signatures.near_names import is_near
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

HELD: Final = frozenset({"mailbox_allowance"})
"""Outcomes of a sign-up that the allowance did not permit an email for. Its page may ask for it again."""

HELD_SIGN_IN: Final = "sign_in_allowance"

SEALED: Final = frozenset({"address", "name", "reason"})
"""The encrypted columns of a form."""


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
    """True if a request is due and not decided yet."""
    now = runtime.clock()
    return runtime.store.transact(lambda tx: request_queries.is_waiting(tx, now=now))


def _admit(runtime: Runtime, *, limit: int, taken: list[int], only: int | None = None) -> Admitted:
    def work(tx: Transaction) -> Admitted:
        # First: a transaction that waits for its turn must not hold requests that another could decide.
        outbox_plan.take_turn(tx)
        found = request_queries.take(tx, limit=limit, now=runtime.clock(), only=only)
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
        self._reader = Reader(runtime, tx, requests, now=self.now)

    def _readable(self) -> list[Readable]:
        found = []
        for request in self.requests:
            readable = self._reader.read(request)
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
                    self._decide(one.request, *self._sign(one))
                case Again():
                    self._decide(one.request, self._again(one))
                case SignIn():
                    self._decide(one.request, self._sign_in(one))
                case AllMine():
                    self._decide(one.request, self._all_mine(one))

    def _decide(self, request: Request, outcome: str, signature_id: int | None = None) -> None:
        self.counts[outcome] += 1
        self._signatures[request.ref] = signature_id
        reason = outcome if outcome in HELD else None
        self._decisions.append(Decision(request.id, reason, signature_id, outcome))

    def _look_up(self, readable: Sequence[Readable]) -> None:
        sign_ups = [one for one in readable if isinstance(one, SignUp)]
        again = [one for one in readable if isinstance(one, Again)]
        sign_ins = [one for one in readable if isinstance(one, SignIn)]
        self._originals = self._read_originals(again)
        sign_ups += [one for one in self._originals.values() if isinstance(one, SignUp)]
        people = {one.person for one in sign_ups}
        self._ids = iter(queries.reserve_ids(self.tx, len(sign_ups)) if sign_ups else ())
        self._people: dict[Person, Present] = {}
        self._confirmed: dict[Place, list[int]] = {}
        self._confirmed_rows: dict[Place, list[Present]] = {}
        self._pending: dict[int, Present] = {}
        # The signature that each sign-up of this batch led to, by its reference.
        self._signatures: dict[bytes, int | None] = {}
        for row in admission_queries.present(self.tx, people) if people else ():
            self._note(row)
        wanted = {one for one in self._originals.values() if isinstance(one, int)}
        for row in admission_queries.pending_by_id(self.tx, wanted) if wanted else ():
            self._pending[row.id] = row
        self._mine = MineRequests(self.tx, [one for one in readable if isinstance(one, AllMine)])
        known = {row.id for row in self._people.values()} | self._pending.keys() | self._mine.ids
        known.update(*self._confirmed.values())
        self._told = outbox_plan.already_told(self.tx, sorted(known), since=self.now - ONCE_A_MONTH) if known else set()
        self._accounts = (
            account_queries.open_for_sign_in(self.tx, [one.address_index for one in sign_ins]) if sign_ins else {}
        )
        mailboxes = [one.request.mailbox for one in readable]
        networks = [one.request.network for one in sign_ins if one.request.network is not None]
        self._book = outbox_plan.Book.open(self.tx, mailboxes, networks=networks, now=self.now)

    def _read_originals(self, again: Sequence[Again]) -> dict[bytes, SignUp | int]:
        """The sign-ups whose confirmation is wanted once more: the signature, or the form if none came of it."""
        refs = [one.ref for one in again if one.ref]
        found: dict[bytes, SignUp | int] = {}
        for ref, row in request_queries.by_refs(self.tx, refs).items() if refs else ():
            if row.signature_id is not None:
                found[ref] = row.signature_id
            elif row.reason in HELD:
                readable = self._reader.read(row)
                if isinstance(readable, SignUp):
                    found[ref] = readable
        return found

    def _note(self, row: Present) -> None:
        place = row.petition_id, row.address_index
        if row.state is SignatureState.CONFIRMED:
            self._confirmed.setdefault(place, []).append(row.id)
            self._confirmed_rows.setdefault(place, []).append(row)
        self._people[*place, row.person_index] = row

    def _sign(self, asked: SignUp) -> tuple[str, int | None]:
        """Decide on a sign-up; returns the outcome, and the signature whose confirmation was mailed for it."""
        same, confirmed = self._people.get(asked.person), self._confirmed.get(asked.place, [])
        reachable = [row.id for row in self._confirmed_rows.get(asked.place, ()) if row.form["address"] is not None]
        if same is not None and same.id in confirmed and same.id not in reachable:
            # Forgotten, so no email can say that they have signed: the new sign-up takes its place when confirmed.
            return self._add(asked)
        if same is not None and same.id in confirmed:
            return self._tell_owner(asked, MessageKind.ALREADY_SIGNED, same.id, confirmed), None
        if same is not None and self._is_equal(same, asked):
            # Sent twice: one link is enough.
            if (same.id, MessageKind.CONFIRMATION) not in self._told:
                self._plan(asked.request, MessageKind.CONFIRMATION, same.id, same.petition_id)
            return "repeated", same.id
        if len(confirmed) >= MAILBOX_SEATS and reachable and not self._is_correction(asked):
            return self._tell_owner(asked, MessageKind.MAILBOX_FULL, reachable[0], confirmed), None
        return self._add(asked)

    def _is_equal(self, row: Present, asked: SignUp) -> bool:
        """True if a pending signature holds just what was typed: nothing would change by a second one."""
        payload = asked.payload
        typed = {name: getattr(payload, name) for name in FORM if name not in SEALED}
        if any(row.form[name] != value for name, value in typed.items()):
            return False
        texts = {"address": payload.email, "name": payload.name, "reason": payload.reason}
        return all((_clear(asked.key, row, name) or "") == text for name, text in texts.items())

    def _is_correction(self, asked: SignUp) -> bool:
        """True if one who has signed with this mailbox may have typed the name once more, in another spelling."""
        names = (_clear(asked.key, row, "name") for row in self._confirmed_rows.get(asked.place, ()))
        return any(is_near(name, asked.payload.name) for name in names if name)

    def _tell_owner(self, asked: SignUp, kind: MessageKind, recipient: int, confirmed: Sequence[int]) -> str:
        # The owner of a mailbox hears of a repeated sign-up once a month at most.
        if not any((signature_id, kind) in self._told for signature_id in confirmed):
            self._plan(asked.request, kind, recipient, asked.opened.petition.id)
        return str(kind)

    def _again(self, asked: Again) -> str:
        original = self._originals.get(asked.ref)
        if isinstance(original, SignUp):
            # The allowance did not permit its email then.
            outcome, admitted = self._sign(original)
            if admitted is not None:
                self._decisions.append(Decision(original.request.id, None, admitted, outcome))
                self._originals[asked.ref] = admitted
            return outcome
        signature_id = original or self._signatures.get(asked.ref) or 0
        if signature_id in self._pending or signature_id in self._new:
            self._remail(asked.request, signature_id, asked.request.petition_id or 0)
        return "resend"

    def _remail(self, request: Request, signature_id: int, petition_id: int) -> None:
        if (signature_id, MessageKind.CONFIRMATION) not in self._told:
            self._plan(request, MessageKind.CONFIRMATION, signature_id, petition_id)

    def _sign_in(self, asked: SignIn) -> str:
        keys = ((asked.request.mailbox, SIGN_INS_PER_HOUR), (asked.request.network, SIGN_INS_PER_NETWORK))
        for key, most in keys:
            if key is None:
                continue
            if sum(slot > self.now - HOUR for slot in self._book.given[key]) >= most:
                log.warning("a sign-in link is held back: too many were asked for in an hour by request %d and others",
                            asked.request.id)  # fmt: skip
                return HELD_SIGN_IN
        for key, slot in ((asked.request.mailbox, self.now), (asked.request.network, _minute(self.now))):
            if key is not None:
                self._book.grant(key, slot, keep=HOUR)
        account_id = self._accounts.get(asked.address_index)
        if account_id is None:
            return "no_account"
        plan = outbox_plan.Plan(kind=MessageKind.SIGN_IN, lane=Lane.URGENT, due_at=self.now, account_id=account_id)
        self._messages.append(outbox_plan.Decided(plan))
        return "sign_in"

    def _all_mine(self, asked: AllMine) -> str:
        carrier = self._mine.carrier(asked, self._told)
        if carrier is not None:
            self._plan(asked.request, MessageKind.MY_SIGNATURES, *carrier)
            self._mine.lend_address(self.runtime, self.tx, asked, carrier)
        return "mine"

    def _plan(self, request: Request, kind: MessageKind, signature_id: int, petition_id: int) -> None:
        decided = self._allow(request, kind, signature_id, petition_id)
        self._messages.append(decided)
        if decided.held is not None:
            self.counts[decided.held] += 1
        else:
            self._told.add((signature_id, kind))

    def _allow(self, request: Request, kind: MessageKind, signature_id: int, petition_id: int) -> outbox_plan.Decided:
        plan = outbox_plan.Plan(
            kind=kind, lane=Lane.URGENT, due_at=self.now, signature_id=signature_id, petition_id=petition_id
        )
        return self._book.allow(request.mailbox, plan, now=self.now)

    def _refuse(self, request: Request, reason: str) -> None:
        self._decisions.append(Decision(request.id, reason))
        self.counts[reason] += 1

    # --- Rows ---

    def _add(self, asked: SignUp) -> tuple[str, int | None]:
        """Add a pending signature and its confirmation, unless the allowance forbids the email that it needs."""
        signature_id = next(self._ids)
        decided = self._allow(asked.request, MessageKind.CONFIRMATION, signature_id, asked.opened.petition.id)
        if decided.held is not None:
            return decided.held, None
        row = _row(asked, signature_id)
        self._new[signature_id] = row
        self._messages.append(decided)
        self._told.add((signature_id, MessageKind.CONFIRMATION))
        form = {name: getattr(row, name) for name in FORM}
        self._people[asked.person] = Present(signature_id, *asked.person, SignatureState.PENDING, form)
        return "new", signature_id

    def store(self) -> None:
        """Write everything that was decided: a fixed number of statements."""
        tx = self.tx
        if self._new:
            admission_queries.add(tx, list(self._new.values()))
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


def _clear(key: DataKey, row: Present, column: str) -> str | None:
    blob = row.form[column]
    return queries.open_field(key, row.id, column, blob if isinstance(blob, bytes) else None)


def _minute(moment: datetime) -> datetime:
    """To the minute, so that no time of a network equals that of a message."""
    return moment.replace(second=0, microsecond=0)


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
        mail_provider=provider_of(payload.email),
        forget=payload.forget,
    )
