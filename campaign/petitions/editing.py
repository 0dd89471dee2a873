"""Organisers set up their petitions: who asks, the goal, the milestones, the name in mail."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from campaign.accounts import addresses, audit
from campaign.accounts import queries as account_queries
from campaign.accounts.accounts import Account
from campaign.accounts.addresses import RuleError
from campaign.accounts.reachable import check_reachable
from campaign.database.connection import Transaction
from campaign.errors import InvalidInputError, NotFoundError
from campaign.petitions import petitions, queries
from campaign.petitions import settings as petition_settings
from campaign.petitions.rules import (
    LADDER,
    Petition,
    PetitionSettings,
    TextVersion,
    check_lines,
    check_thresholds,
    nearest,
)
from campaign.runtime import Runtime
from campaign.states import PetitionState

POLICIES = ("announce", "approve", "record")
"""What happens when a milestone is reached: a mail at once, a mail after an organiser's yes, or a note only."""

MAX_GOAL = 100_000_000
MAX_MILESTONES = 50
DEFAULT_LADDER: Sequence[int] = LADDER


@dataclass(frozen=True)
class DeskPetition:
    """A petition in the list of its organisers."""

    slug: str
    state: PetitionState
    title: str
    locale: str
    count: int
    goal: int
    next_at: datetime | None
    waiting: int


def list_of(runtime: Runtime, account: Account, locale: str) -> list[DeskPetition]:
    """The petitions that an account may work on, each in the nearest language; for an admin every one."""

    def work(tx: Transaction) -> list[DeskPetition]:
        stored = queries.in_states(tx, list(PetitionState))
        if not account.is_admin:
            own = set(account_queries.petition_ids(tx, account.id))
            stored = [one for one in stored if one.petition.id in own]
        ahead = petition_settings.ahead(tx, [one.petition.id for one in stored])
        return [_listed(one.petition, one.texts, ahead[one.petition.id], locale) for one in stored]

    return runtime.store.transact(work)


def _listed(
    petition: Petition, texts: dict[str, TextVersion], ahead: petition_settings.Upcoming, locale: str
) -> DeskPetition:
    shown = nearest(texts, locale, petition.default_locale)
    return DeskPetition(
        slug=petition.slug,
        state=petition.state,
        title=shown.title,
        locale=shown.locale,
        count=petition.count,
        goal=petition.goal,
        next_at=ahead.next_at,
        waiting=ahead.waiting,
    )


def settings(runtime: Runtime, petition_id: int) -> PetitionSettings:
    """What is set on a petition.

    Raises:
        NotFoundError: no such petition.
    """

    def work(tx: Transaction) -> PetitionSettings:
        found = petition_settings.find(tx, petition_id)
        if found is None:
            raise NotFoundError("there is no such petition")
        sealed = petition_settings.reply_to(tx, petition_id)
        return replace(found, reply_to=petitions.reply_address(runtime, petition_id, sealed))

    return runtime.store.transact(work)


def save_settings(runtime: Runtime, slug: str, petition_id: int, new: PetitionSettings, *, by: Account) -> None:
    """Store what an organiser set. Milestones that were reached stay as they are; new ones count from now on.

    Raises:
        InvalidInputError: a code per field.
    """
    reply_to = _check(runtime, new)
    clean = PetitionSettings(
        default_locale=new.default_locale,
        author=new.author.strip(),
        on_behalf_of=new.on_behalf_of.strip(),
        sender_name=new.sender_name.strip(),
        fixed_goal=new.fixed_goal,
        milestones=new.milestones,
        milestone_policy=new.milestone_policy,
        discreet=new.discreet,
        reply_to=reply_to,
    )
    place = petitions.reply_place(petition_id)

    def work(tx: Transaction) -> None:
        if new.default_locale not in petition_settings.text_locales(tx, petition_id):
            raise InvalidInputError({"default_locale": "no_text"})
        before = petition_settings.find(tx, petition_id)
        replies = petitions.reply_address(runtime, petition_id, petition_settings.reply_to(tx, petition_id))
        sealed = runtime.accounts.seal(reply_to, place=place) if reply_to else None
        petition_settings.save(tx, petition_id, clean, reply_to=sealed)
        audit.add(tx, action="petition.set", subject="petition", subject_id=petition_id, account_id=by.id)
        if replies != reply_to:
            _note(tx, "petition.set_reply_to", petition_id, {"set": bool(reply_to)}, by=by)
        if before is not None and before.discreet != clean.discreet:
            _note(tx, "petition.set_discreet", petition_id, {"discreet": clean.discreet}, by=by)

    runtime.store.transact(work)
    petitions.forget(runtime, slug)


def _note(tx: Transaction, action: str, petition_id: int, detail: dict[str, object], *, by: Account) -> None:
    audit.add(tx, action=action, subject="petition", subject_id=petition_id, account_id=by.id, detail=detail)


def _check(runtime: Runtime, new: PetitionSettings) -> str:
    """Refuse what can't be set; returns the email address for replies as it is stored."""
    lines = {"author": new.author, "on_behalf_of": new.on_behalf_of, "sender_name": new.sender_name}
    problems = check_lines(lines, needed={"author"})
    if new.fixed_goal is not None and not 0 < new.fixed_goal <= MAX_GOAL:
        problems["fixed_goal"] = "out_of_range"
    if new.milestone_policy not in POLICIES:
        problems["milestone_policy"] = "unknown"
    ladder = list(new.milestones or ())
    if new.milestones is not None and (len(ladder) > MAX_MILESTONES or not ladder):
        problems["milestones"] = "too_many" if ladder else "missing"
    elif not check_thresholds(ladder) or any(step > MAX_GOAL for step in ladder):
        problems["milestones"] = "not_growing"
    reply_to = new.reply_to.strip()
    try:
        reply_to = reply_to and check_reachable(runtime, addresses.parse(reply_to)).typed
    except RuleError as broken:
        problems["reply_to"] = broken.code
    if problems:
        raise InvalidInputError(problems)
    return reply_to
