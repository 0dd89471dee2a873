"""Sign-ups of one signer at a mailbox: which are the same signer's, and how one replaces another.

Each sign-up is a pending signature of its own, with a link and a code of its own. Confirming one ends the earlier ones
of the same name; a later one takes the place of the form that was confirmed, and the count stays.
"""

from collections.abc import Sequence

from campaign.database.connection import Transaction
from campaign.outbox import plan as outbox_plan
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey
from campaign.signatures import confirming_queries, queries
from campaign.signatures.near_names import is_near
from campaign.signatures.queries import Signature
from campaign.states import SignatureState


def clear(key: DataKey, row: Signature, column: str, blob: bytes | None) -> str:
    """An encrypted field in clear; empty if there is none."""
    return queries.open_field(key, row.id, column, blob) or ""


def others(tx: Transaction, row: Signature) -> list[Signature]:
    """The other pending and confirmed signatures of the same mailbox and petition."""
    found = confirming_queries.at_mailbox(tx, row.petition_id, row.address_index or b"")
    return [other for other in found if other.id != row.id]


def find(key: DataKey, row: Signature, beside: Sequence[Signature]) -> Signature | None:
    """The confirmed signature of this mailbox with the same name, or else with a near one."""
    confirmed = [other for other in beside if other.state is SignatureState.CONFIRMED]
    for other in confirmed:
        if other.person_index == row.person_index:
            return other
    name = clear(key, row, "name", row.name)
    near = (other for other in confirmed if is_near(clear(key, other, "name", other.name), name))
    return next(near, None)


def merge(runtime: Runtime, tx: Transaction, key: DataKey, row: Signature, same: Signature) -> None:
    """Let a confirmed signature take over the form of a later sign-up; an earlier one changes nothing."""
    if row.id > (same.form_id or same.id):
        confirming_queries.set_form(tx, same.id, form_for(key, row, same.id), form_id=row.id)
    confirming_queries.replace(tx, [row.id], by=same.id, now=runtime.clock())
    outbox_plan.cancel_for(tx, [row.id], reason="replaced", now=runtime.clock())


def form_for(key: DataKey, row: Signature, signature_id: int) -> confirming_queries.Form:
    """The form of one sign-up, sealed for the row of another."""

    def sealed(column: str, blob: bytes | None) -> bytes | None:
        text = queries.open_field(key, row.id, column, blob)
        return key.seal(text, place=queries.place(column, signature_id)) if text else None

    return confirming_queries.Form(
        name=sealed("name", row.name) or b"",
        person_index=row.person_index or b"",
        reason=sealed("reason", row.reason),
        country=row.country,
        locale=row.locale,
        show_name=row.show_name,
        wants_updates=row.wants_updates,
        updates_consent_id=row.updates_consent_id,
        forget=row.forget,
    )


def settle_others(
    runtime: Runtime, tx: Transaction, key: DataKey, kept: Signature, *, form_id: int, beside: Sequence[Signature]
) -> None:
    """End the signer's earlier sign-ups; later and near ones stay for their own links, without a reminder."""
    now = runtime.clock()
    pending = [other for other in beside if other.state is SignatureState.PENDING and other.id != form_id]
    person = {kept.person_index, *(other.person_index for other in beside if other.id == form_id)}
    earlier = [other.id for other in pending if other.person_index in person and other.id < form_id]
    if earlier:
        confirming_queries.replace(tx, earlier, by=kept.id, now=now)
        outbox_plan.cancel_for(tx, earlier, reason="replaced", now=now)
    name = clear(key, kept, "name", kept.name)
    near = [
        other.id
        for other in pending
        if other.id not in earlier and is_near(clear(key, other, "name", other.name), name)
    ]
    if near:
        queries.mark_reminded(tx, near, now=now)
