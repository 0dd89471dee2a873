"""Lanes: pause and resume the mail of one lane. The flag is in the database; workers look at it when they claim."""

from campaign.accounts import audit
from campaign.accounts.accounts import Account
from campaign.database.connection import Transaction
from campaign.errors import ConflictError, InvalidInputError
from campaign.outbox import lanes
from campaign.runtime import Runtime
from campaign.states import Lane

MAX_REASON = 200

SYSTEM, CLI = "system", "cli"
"""Who paused a lane, if it was no account: Countersign itself, or the command line."""


def pause(runtime: Runtime, lane: Lane, *, reason: str, by: Account | None) -> None:
    """Stop claiming in a lane; what is on the wire goes out, what waits stays.

    Args:
        runtime: the runtime.
        lane: which lane.
        reason: a sentence, shown on the monitor.
        by: who; None for the command line.

    Raises:
        InvalidInputError: no reason, or one that is too long.
        ConflictError: it is paused already; the first reason stays.
    """
    said = " ".join(reason.split())
    if not said or len(said) > MAX_REASON:
        raise InvalidInputError({"why": "too_long" if said else "missing"})
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        if not lanes.pause(tx, lane, by=_name(by), reason=said, now=now):
            raise ConflictError(f"the {lane} lane is paused already")
        _audit(tx, "lane.pause", lane, by, {"reason": said})

    runtime.store.transact(work)


def resume(runtime: Runtime, lane: Lane, *, by: Account | None) -> None:
    """Let a lane flow again at once, whatever paused it.

    Raises:
        ConflictError: nothing holds it.
    """

    def work(tx: Transaction) -> None:
        if not lanes.resume(tx, lane):
            raise ConflictError(f"nothing holds the {lane} lane")
        _audit(tx, "lane.resume", lane, by, {})

    runtime.store.transact(work)


def _name(by: Account | None) -> str:
    # An id and not a name: what the lane says is shown by the monitor and in metrics.
    return CLI if by is None else f"account {by.id}"


def _audit(tx: Transaction, action: str, lane: Lane, by: Account | None, detail: dict[str, object]) -> None:
    audit.add(
        tx,
        action=action,
        subject="lane",
        subject_id=None,
        account_id=by.id if by else None,
        actor="cli",
        detail={"lane": str(lane)} | detail,
    )
