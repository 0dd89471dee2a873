"""Organisers hide a name, or take a signature out with a reason, and bring it back. Each press is in the audit log."""

from campaign.accounts import audit
from campaign.accounts.accounts import Account
from campaign.database.connection import DuplicateError, Transaction
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.outbox import plan as outbox_plan
from campaign.runtime import Runtime
from campaign.signatures import confirming_queries, lists, queries
from campaign.signatures.queries import Signature
from campaign.signatures.signing import MAILBOX_SEATS
from campaign.states import SIGNATURE_MOVES, SignatureState


class NotRestoredError(ConflictError):
    """Raised when a removed signature can't be brought back; ``reason`` is a code of campaign/signatures/many.py."""

    def __init__(self, reason: str, words: str) -> None:
        self.reason = reason
        super().__init__(words)


REASONS = ("duplicate", "invented", "automated", "asked", "other")
"""Why a signature was taken out: a fixed list, for a free text would say who. The page words them."""


def _locked(tx: Transaction, signature_id: int, petition_id: int) -> Signature:
    row = queries.by_id(tx, signature_id, lock=True)
    if row is None or row.petition_id != petition_id:
        raise NotFoundError("there is no such signature")
    return row


def _audit(tx: Transaction, action: str, row: Signature, *, by: Account, reason: str | None = None) -> None:
    audit.add(
        tx,
        action=action,
        subject="signature",
        subject_id=row.id,
        petition_id=row.petition_id,
        account_id=by.id,
        detail={} if reason is None else {"reason": reason},
    )


def hide_name(runtime: Runtime, petition_id: int, signature_id: int, *, by: Account) -> None:
    """Take a name and its reason off the public page; the signature still counts. It can be shown again.

    Raises:
        NotFoundError: it is not a signature of this petition.
    """

    def work(tx: Transaction) -> None:
        row = _locked(tx, signature_id, petition_id)
        if row.show_name:
            queries.hide_names(tx, [row.id], now=runtime.clock())
            _audit(tx, "signature.hide_name", row, by=by)

    runtime.store.transact(work)


def remove(runtime: Runtime, petition_id: int, signature_id: int, *, reason: str, by: Account) -> None:
    """Take a confirmed signature out: it no longer counts, and nothing more is mailed to its signer.

    Raises:
        NotFoundError: it is not a signature of this petition.
        InvalidInputError: ``{"reason": …}``: not one of :data:`REASONS`.
        ConflictError: it is not confirmed.
    """
    if reason not in REASONS:
        raise InvalidInputError({"reason": "unknown" if reason else "missing"})
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        row = _locked(tx, signature_id, petition_id)
        if row.state is SignatureState.REMOVED:
            return
        if SignatureState.REMOVED not in SIGNATURE_MOVES[row.state]:
            raise ConflictError("only a confirmed signature can be removed")
        lists.remove(tx, row.id, petition_id, reason=reason, now=now)
        outbox_plan.cancel_for(tx, [row.id], reason="removed", now=now)
        _audit(tx, "signature.remove", row, by=by, reason=reason)

    runtime.store.transact(work)


def restore(runtime: Runtime, petition_id: int, signature_id: int, *, by: Account) -> None:
    """Undo a removal: the signature counts again, with the choices it had. No milestone is announced a second time.

    Raises:
        NotFoundError: it is not a signature of this petition.
        ConflictError: the person signed again meanwhile, or two others hold the mailbox.
    """

    def work(tx: Transaction) -> None:
        row = _locked(tx, signature_id, petition_id)
        if row.state is SignatureState.CONFIRMED:
            return
        if row.state is not SignatureState.REMOVED:
            raise ConflictError("only a removed signature can be brought back")
        lists.restore(tx, row.id, petition_id, slot=free_seat(tx, row))
        _audit(tx, "signature.restore", row, by=by)

    try:
        runtime.store.transact(work)
    except DuplicateError:
        raise ConflictError("this person has signed again meanwhile") from None


def free_seat(tx: Transaction, row: Signature) -> int | None:
    """The place at its mailbox that a removed signature would get; None if it is erased and its mark keeps its place.

    Raises:
        NotRestoredError: two others hold the mailbox, or the data are erased and the signer may have signed again.
    """
    if row.address_index is None:
        if row.person_mark is None:
            raise NotRestoredError("erased", "the data of this signer were erased, and they may have signed again")
        return None
    used = confirming_queries.used_slots(tx, row.petition_id, row.address_index)
    free = [seat for seat in range(1, MAILBOX_SEATS + 1) if seat not in used]
    if not free:
        raise NotRestoredError("mailbox_full", "two others have signed with this mailbox meanwhile")
    return free[0]
