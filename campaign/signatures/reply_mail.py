"""What waits to be mailed because of a reply: sealed until the mail server has taken it, then gone."""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.outbox import plan as outbox_plan
from campaign.petitions.petitions import Opened
from campaign.runtime import Runtime
from campaign.states import Lane, MessageKind

KEPT: Final = timedelta(days=7)
"""How long a letter waits whose message ended otherwise than taken: an admin may send that again."""


@dataclass(frozen=True)
class Letter:
    """What a message says, or where it goes, besides what the database knows."""

    writer: str = field(default="", repr=False)
    """The address that the reply came from."""
    written: str = field(default="", repr=False)
    """What the person wrote, as text."""
    address: str = field(default="", repr=False)
    """Where the last email to an erased signer goes."""
    locale: str = ""
    """Its language."""
    is_recipient: bool = False
    """True if the reply came from the mailbox that our message went to."""
    is_cut: bool = False
    """True if only the beginning is kept."""
    has_attachments: bool = False


def plan(
    runtime: Runtime, tx: Transaction, opened: Opened, kind: MessageKind, *, signature_id: int, letter: Letter
) -> None:
    """Plan a message that carries a letter.

    Args:
        runtime: the runtime.
        tx: the caller's transaction.
        opened: the petition, under whose key the letter is sealed.
        kind: of the message.
        signature_id: of the message that was replied to.
        letter: what it says.

    Raises:
        NotFoundError: the petition's key is destroyed.
    """
    letter_id = int(tx.execute(text("select nextval(pg_get_serial_sequence('reply_mail', 'id'))")).scalar_one())
    sealed = opened.open_key.seal(json.dumps(asdict(letter)), place=_place(letter_id))
    now = runtime.clock()
    mail_id = outbox_plan.add(
        tx,
        outbox_plan.Plan(
            kind=kind,
            lane=Lane.URGENT,
            due_at=now,
            signature_id=signature_id,
            petition_id=opened.petition.id,
            about_id=letter_id,
        ),
    )
    tx.execute(
        text("""
        insert into reply_mail (id, signature_id, mail_id, sealed, received_at)
        overriding system value values (:id, :signature_id, :mail_id, :sealed, :now)"""),
        id=letter_id,
        signature_id=signature_id,
        mail_id=mail_id,
        sealed=sealed,
        now=now,
    )


def _place(letter_id: int) -> str:
    return f"reply_mail.sealed.{letter_id}"


def find(tx: Transaction, opened: Opened, letter_id: int) -> Letter | None:
    """A letter; None if it was sent, or its signer or petition was erased meanwhile."""
    sealed = tx.execute(text("select sealed from reply_mail where id = :id"), id=letter_id).scalar_one_or_none()
    if sealed is None or opened.key is None:
        return None
    return Letter(**json.loads(opened.key.open(bytes(sealed), place=_place(letter_id))))


def planned_since(tx: Transaction, signature_id: int, kind: MessageKind, *, since: datetime | None) -> int:
    """How many messages of a kind a signature caused since a moment, or ever."""
    return int(
        tx.execute(
            text("""
            select count(*) from message
            where signature_id = :id and kind = :kind and blast_id is null
                and (cast(:since as timestamptz) is null or planned_at > :since)"""),
            id=signature_id,
            kind=str(kind),
            since=since,
        ).scalar_one()
    )


def delete_of(tx: Transaction, signature_ids: list[int]) -> None:
    """Delete what waits because of replies to messages of some signatures; their messages are cancelled elsewhere."""
    tx.execute(text("delete from reply_mail where signature_id = any(:ids)"), ids=signature_ids)


def purge(tx: Transaction, *, now: datetime) -> int:
    """Delete letters whose message was taken by the mail server, or has ended; returns how many."""
    return tx.execute(
        text("""
        delete from reply_mail r using message m
        where m.id = r.mail_id and (m.state in ('accepted', 'suppressed', 'cancelled')
            or (m.state in ('rejected', 'uncertain') and m.settled_at < :before))"""),
        before=now - KEPT,
    ).rowcount
