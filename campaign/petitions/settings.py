"""What an organiser sets on a petition besides its texts, and the petitions of an account."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.petitions.rules import PetitionSettings


def find(tx: Transaction, petition_id: int) -> PetitionSettings | None:
    """The settings of one petition."""
    row = tx.execute(
        text("""
        select default_locale, author, on_behalf_of, sender_name, fixed_goal, milestones, milestone_policy,
            discreet
        from petition where id = :id"""),
        id=petition_id,
    ).one_or_none()
    if row is None:
        return None
    ladder = None if row.milestones is None else tuple(row.milestones)
    return PetitionSettings(**(row._asdict() | {"milestones": ladder}))


def reply_to(tx: Transaction, petition_id: int) -> bytes | None:
    """Where replies about a petition go, sealed."""
    found = tx.execute(text("select reply_to from petition where id = :id"), id=petition_id).scalar_one_or_none()
    return None if found is None else bytes(found)


def save(tx: Transaction, petition_id: int, new: PetitionSettings, *, reply_to: bytes | None) -> None:
    """Store the settings of one petition; where replies go is handed over sealed."""
    tx.execute(
        text("""
        update petition set default_locale = :default_locale, author = :author, on_behalf_of = :on_behalf_of,
            sender_name = :sender_name, fixed_goal = :fixed_goal, milestones = :milestones,
            milestone_policy = :milestone_policy, discreet = :discreet, reply_to = :reply_to
        where id = :id"""),
        **(
            vars(new)
            | {
                "id": petition_id,
                "milestones": None if new.milestones is None else list(new.milestones),
                "reply_to": reply_to,
            }
        ),
    )


def text_locales(tx: Transaction, petition_id: int) -> set[str]:
    """The languages a petition has a text in."""
    found = tx.execute(text("select distinct locale from text_version where petition_id = :id"), id=petition_id)
    return set(found.scalars())


@dataclass(frozen=True)
class Upcoming:
    """What lies before a petition: its next update, and announcements that wait for a yes."""

    next_at: datetime | None
    waiting: int


def ahead(tx: Transaction, petition_ids: list[int]) -> dict[int, Upcoming]:
    """The next scheduled blast and the waiting milestones, by petition."""
    rows = tx.execute(
        text("""
        select p.id,
            (select min(b.send_at) from blast b where b.petition_id = p.id and b.started_at is null
                and b.cancelled_at is null and b.paused_at is null) as next_at,
            (select count(*) from milestone m where m.petition_id = p.id and m.decision = 'waiting') as waiting
        from petition p where p.id = any(:ids)"""),
        ids=petition_ids,
    )
    return {row.id: Upcoming(row.next_at, row.waiting) for row in rows}
