"""The message table: to send a mail, add a row. Planning and ending of messages; claiming is in ledger.py."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.outbox import allowance, counted
from campaign.outbox.allowance import HOUR, MONTH, mailbox_key, mailbox_slot
from campaign.outbox.counted import MessageOutcome
from campaign.runtime import Runtime
from campaign.states import Lane, MessageKind


@dataclass(frozen=True)
class Plan:
    """A message to be."""

    kind: MessageKind
    lane: Lane
    due_at: datetime
    signature_id: int | None = None
    petition_id: int | None = None
    account_id: int | None = None
    planned_at: datetime | None = None
    """By the clock of the caller; ``due_at`` if not given."""
    about_id: int | None = None


_INSERT = """insert into message (kind, lane, due_at, planned_at, signature_id, petition_id, account_id, about_id)
    values (:kind, :lane, :due_at, :planned_at, :signature_id, :petition_id, :account_id, :about_id)
    on conflict (signature_id, kind) where kind in ('thank_you', 'reminder') do nothing
    returning id"""


def add(tx: Transaction, plan: Plan) -> int | None:
    """Plan a message and wake its lane after the commit.

    Returns:
        The message's id; None if the signature has its one thank-you or reminder already.
    """
    message_id: int | None = tx.execute(
        text(_INSERT),
        kind=str(plan.kind),
        lane=str(plan.lane),
        due_at=plan.due_at,
        signature_id=plan.signature_id,
        petition_id=plan.petition_id,
        account_id=plan.account_id,
        about_id=plan.about_id,
        planned_at=plan.planned_at or plan.due_at,
    ).scalar_one_or_none()
    if message_id is not None:
        tx.nudge(plan.lane)
    return message_id


@dataclass(frozen=True)
class Decided:
    """A message to be, decided by the rules of the allowance; one that is held back has a reason."""

    plan: Plan
    held: str | None = None


def add_many(tx: Transaction, decided: Sequence[Decided], *, now: datetime) -> list[tuple[int, int]]:
    """Plan messages, and record those that are held back, in one statement; wakes nothing.

    Returns:
        Message and account of each message to an account.
    """
    rows = tx.execute(
        text("""
        insert into message (kind, lane, state, due_at, planned_at, settled_at, signature_id, petition_id, account_id,
            reason)
        select kind, lane, case when reason is null then cast('planned' as message_state) else 'suppressed' end, due_at,
            :now, case when reason is not null then due_at end, signature_id, petition_id, account_id, reason
        from unnest(cast(:kinds as message_kind[]), cast(:lanes as lane_name[]), cast(:due as timestamptz[]),
            cast(:signatures as bigint[]), cast(:petitions as int[]), cast(:accounts as int[]),
            cast(:reasons as text[]))
            as m(kind, lane, due_at, signature_id, petition_id, account_id, reason)
        on conflict (signature_id, kind) where kind in ('thank_you', 'reminder') do nothing
        returning id, account_id, kind, lane, cast(state as text) as state"""),
        now=now,
        kinds=[str(one.plan.kind) for one in decided],
        lanes=[str(one.plan.lane) for one in decided],
        due=[one.plan.due_at for one in decided],
        signatures=[one.plan.signature_id for one in decided],
        petitions=[one.plan.petition_id for one in decided],
        accounts=[one.plan.account_id for one in decided],
        reasons=[one.held for one in decided],
    ).all()
    counted.count_rows(tx, [row for row in rows if row.state == "suppressed"], MessageOutcome.SUPPRESSED)
    return [(row.id, row.account_id) for row in rows if row.account_id is not None]


def already_told(tx: Transaction, signature_ids: Sequence[int], *, since: datetime) -> set[tuple[int, MessageKind]]:
    """Signatures that need no other mail of a kind.

    For a confirmation, or the list of signatures: one is still on its way. For what the owner of a mailbox is told
    about repeated sign-ups: one was planned since a moment, and not held back.
    """
    rows = tx.execute(
        text("""
        select distinct m.signature_id, m.kind from message m
        where m.signature_id = any(:ids) and m.blast_id is null
            and ((m.kind in ('confirmation', 'my_signatures') and m.state in ('planned', 'claimed', 'submitting'))
                or (m.kind in ('already_signed', 'mailbox_full') and m.planned_at > :since
                    and m.state <> 'suppressed'))"""),
        ids=list(signature_ids),
        since=since,
    )
    return {(row.signature_id, MessageKind(row.kind)) for row in rows}


def cancel_for(tx: Transaction, signature_ids: list[int], *, reason: str, now: datetime) -> int:
    """Cancel what is planned for signatures that ended or were erased; the rows say why."""
    rows = tx.execute(
        text("""
        update message set state = 'cancelled', settled_at = :now, reason = :reason
        where state = 'planned' and id in (
            select m.id from message m where m.signature_id = any(:ids) and m.blast_id is null
            union all
            select m.id from message m
            where m.signature_id = any(:ids) and m.blast_id = any(array(
                select b.id from blast b
                where b.started_at is not null and b.cancelled_at is null
                    and b.petition_id in (select s.petition_id from signature s where s.id = any(:ids)))))
        returning kind, lane"""),
        ids=signature_ids,
        reason=reason,
        now=now,
    )
    return counted.count_rows(tx, rows, MessageOutcome.CANCELLED)


def round_times(tx: Transaction, signature_ids: list[int]) -> None:
    """Keep only the day (UTC) of the settled mail that some signers caused: its times would tell when they signed."""
    tx.execute(
        text("""
        with rounded as (
            update message set planned_at = date_trunc('day', planned_at, 'UTC'),
                due_at = date_trunc('day', due_at, 'UTC'), settled_at = date_trunc('day', settled_at, 'UTC')
            where signature_id = any(:ids) and blast_id is null and settled_at is not null
            returning id)
        update attempt set at = date_trunc('day', at, 'UTC') where message_id in (select id from rounded)"""),
        ids=signature_ids,
    )


def mailbox_of(runtime: Runtime, canonical: str) -> bytes:
    """The keyed hash of the mailbox whose allowance a canonical address uses."""
    return runtime.secrets.address_key(mailbox_key(canonical))


def take_turn(tx: Transaction) -> None:
    """Wait until no other transaction decides what the allowance permits; none does until this one ends."""
    allowance.lock_keys(tx)


@dataclass
class Book:
    """The slots given to some mailboxes and networks, with those that are given now."""

    given: dict[bytes, list[datetime]]
    grants: list[allowance.Grant] = field(default_factory=list)

    @classmethod
    def open(
        cls, tx: Transaction, mailboxes: Iterable[bytes], *, networks: Iterable[bytes] = (), now: datetime
    ) -> Self:
        """Read the slots of some keys, for this transaction alone to decide on."""
        since = dict.fromkeys(mailboxes, now - MONTH) | dict.fromkeys(networks, now - HOUR)
        allowance.lock_keys(tx)
        return cls(allowance.slots(tx, since))

    def grant(self, key: bytes, slot_at: datetime, *, keep: timedelta) -> None:
        """Give a slot."""
        self.given[key].append(slot_at)
        self.grants.append(allowance.Grant(key, slot_at, keep))

    def allow(self, mailbox: bytes, plan: Plan, *, now: datetime) -> Decided:
        """Decide when a mail that a stranger's form caused may go.

        Over the limit the message is to be recorded as held back, with the reason; no page shows it.
        """
        due = mailbox_slot(self.given[mailbox], now)
        if due is None:
            return Decided(plan, held="mailbox_allowance")
        self.grant(mailbox, due, keep=MONTH)
        return Decided(replace(plan, due_at=due))

    def close(self, tx: Transaction) -> None:
        """Store the slots that were given."""
        if self.grants:
            allowance.add_grants(tx, self.grants)


def plan(tx: Transaction, mailbox: bytes, wanted: Plan, *, now: datetime) -> bool:
    """Plan one mail to a mailbox at the time that the allowance permits, or record it as held back.

    Returns:
        True if the mail will go.
    """
    book = Book.open(tx, [mailbox], now=now)
    decided = book.allow(mailbox, wanted, now=now)
    add_many(tx, [decided], now=now)
    book.close(tx)
    if decided.held is None:
        tx.nudge(wanted.lane)
    return decided.held is None
