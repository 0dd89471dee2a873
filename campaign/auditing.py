"""The audit log as admins read it."""

from dataclasses import dataclass

from campaign.database.connection import Transaction
from campaign.runtime import Runtime
from campaign.store import audit_log
from campaign.store.audit_log import Entry

PAGE = 50


@dataclass(frozen=True)
class Log:
    """A page of the log, the newest entry first, with the actions that can be asked for."""

    entries: tuple[Entry, ...]
    following: int | None
    """``before`` of the next page; None on the last."""
    actions: tuple[str, ...]


def read(
    runtime: Runtime, *, action: str | None = None, account_id: int | None = None, before: int | None = None,
    limit: int = PAGE,
) -> Log:  # fmt: skip
    """One page of the log.

    Args:
        runtime: the runtime.
        action: only this action, ``noun.verb``.
        account_id: only what this account did.
        before: only entries older than the one with this id.
        limit: entries on a page.
    """

    def work(tx: Transaction) -> Log:
        found = audit_log.page(tx, action=action, account_id=account_id, before=before, limit=limit + 1)
        shown = tuple(found[:limit])
        return Log(shown, shown[-1].id if len(found) > limit else None, tuple(audit_log.actions(tx)))

    return runtime.store.transact(work)
