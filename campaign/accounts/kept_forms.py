"""Forms that were sent after their session had ended: kept for the account that typed them, until it signs in again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from campaign.accounts import queries
from campaign.database.connection import Transaction
from campaign.errors import TokenRefusedError
from campaign.runtime import Runtime
from campaign.security.tokens import Purpose

LIFE = timedelta(days=7)

MOST = 5
"""Forms kept of one account; the oldest give way."""


@dataclass(frozen=True)
class KeptForm:
    """A form as it was typed."""

    id: int
    path: str
    """Where it was sent to."""
    fields: Sequence[tuple[str, str]] = field(repr=False)
    kept_at: datetime


def mark(runtime: Runtime, account_id: int) -> str:
    """What the forms of an account carry, so that what is typed in them is hers even when her session has ended."""
    return runtime.tokens.issue(Purpose.FORM, account_id)


def writer(runtime: Runtime, form_mark: str) -> int | None:
    """The account that a form was made for; None if the mark is none of ours."""
    try:
        return runtime.tokens.read(Purpose.FORM, form_mark).row_id
    except TokenRefusedError:
        return None


def keep(runtime: Runtime, account_id: int, path: str, fields: Sequence[tuple[str, str]]) -> bool:
    """Keep a form for an account, encrypted; False if there is no such account, or it is disabled."""
    now = runtime.clock()
    sealed = runtime.accounts.seal(json.dumps(list(fields)), place=_place(account_id))

    def work(tx: Transaction) -> bool:
        stored = queries.by_id(tx, account_id)
        if stored is None or stored.disabled_at is not None:
            return False
        queries.keep_form(tx, account_id, path=path, fields=sealed, now=now)
        queries.drop_forms_but(tx, account_id, newest=MOST)
        return True

    return runtime.store.transact(work)


def newest(runtime: Runtime, account_id: int) -> KeptForm | None:
    """The form of an account that was kept last."""
    since = runtime.clock() - LIFE
    row = runtime.store.transact(lambda tx: queries.newest_form(tx, account_id, since=since))
    if row is None:
        return None
    fields = json.loads(runtime.accounts.open(row.fields, place=_place(account_id)))
    return KeptForm(row.id, row.path, tuple((name, value) for name, value in fields), row.kept_at)


def discard(runtime: Runtime, account_id: int, form_id: int) -> None:
    """Forget a kept form of an account; doing it again is harmless."""
    runtime.store.transact(lambda tx: queries.drop_form(tx, account_id, form_id))


def _place(account_id: int) -> str:
    return f"kept_form.fields.{account_id}"
