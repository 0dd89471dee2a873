"""Petitions: write, publish, close, and show them."""

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from campaign.accounts import audit
from campaign.accounts import queries as account_queries
from campaign.database.connection import DuplicateError, Transaction
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.petitions import queries
from campaign.petitions.markdown import to_html
from campaign.petitions.retention import KEY_PLACE, new_data_key
from campaign.petitions.rules import Draft, Petition, TextVersion, check_draft, check_lines, nearest
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey, DecryptionError, RetiredKeyError, text_hash
from campaign.settings import LANGUAGES
from campaign.states import PETITION_MOVES, PetitionState

log = logging.getLogger(__name__)

"""Characters of an author, an addressee or a summary."""

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,78}[a-z0-9])?")


@dataclass(frozen=True)
class PetitionCard:
    """A petition in a list."""

    slug: str
    title: str
    summary: str
    locale: str
    count: int
    goal: int


@dataclass(frozen=True)
class Count:
    """What /p/<slug>/count.json says."""

    count: int
    goal: int


@dataclass(frozen=True)
class Opened:
    """A petition with its texts and its unwrapped key, for the use cases."""

    petition: Petition
    texts: Mapping[str, TextVersion]
    key: DataKey | None = field(repr=False)

    def text_for(self, locale: str) -> TextVersion:
        """The newest text in a language or the nearest there is."""
        return nearest(dict(self.texts), locale, self.petition.default_locale)

    @property
    def open_key(self) -> DataKey:
        """The data key.

        Raises:
            NotFoundError: the signers of this petition were erased for good.
        """
        if self.key is None:
            raise NotFoundError("the signers of this petition were erased")
        return self.key


def _opened(runtime: Runtime, stored: queries.Stored | None) -> Opened:
    if stored is None:
        raise NotFoundError("there is no such petition")
    try:
        key = None if stored.key is None else runtime.keyring.unwrap(stored.key, KEY_PLACE)
    except RetiredKeyError:
        # A backup from before its retention key was destroyed: the signers are erased.
        key = None
    return Opened(stored.petition, stored.texts, key)


def by_slug(runtime: Runtime, slug: str, *, fresh: bool = False) -> Opened:
    """A petition by the name in its URL, from the cache of the runtime unless it must be ``fresh``.

    Raises:
        NotFoundError: no petition has this name.
    """
    if not _SLUG.fullmatch(slug):
        # A name that no petition can have, such as one with a NUL, is not asked for.
        raise NotFoundError("there is no such petition")
    if fresh:
        forget(runtime, slug)
    return runtime.cache.get(
        ("petition", slug), lambda: _opened(runtime, runtime.store.transact(lambda tx: queries.by_slug(tx, slug)))
    )


def by_id(runtime: Runtime, tx: Transaction, petition_id: int) -> Opened:
    """A petition by its id, read in the caller's transaction.

    Raises:
        NotFoundError: no petition has this id.
    """
    return _opened(runtime, queries.by_id(tx, petition_id))


def by_ids(runtime: Runtime, tx: Transaction, petition_ids: Sequence[int]) -> list[Opened]:
    """Petitions by their ids, read in the caller's transaction; one whose key can't be unwrapped has none."""
    return [_opened_if_possible(runtime, stored) for stored in queries.by_ids(tx, petition_ids)]


def live(runtime: Runtime, tx: Transaction) -> list[Opened]:
    """The petitions that can be signed now; one whose key can't be unwrapped has none."""
    return [_opened_if_possible(runtime, stored) for stored in queries.in_states(tx, [PetitionState.LIVE])]


def published(runtime: Runtime, tx: Transaction) -> list[Opened]:
    """The petitions that are or were open; one whose key is destroyed or can't be unwrapped has none."""
    states = [PetitionState.LIVE, PetitionState.CLOSED]
    return [_opened_if_possible(runtime, stored) for stored in queries.in_states(tx, states)]


def _opened_if_possible(runtime: Runtime, stored: queries.Stored) -> Opened:
    try:
        return _opened(runtime, stored)
    except DecryptionError as error:
        log.error("petition %d can't be opened: %s", stored.petition.id, error)  # noqa: TRY400 - no trace of keys
        return Opened(stored.petition, stored.texts, None)


def reply_address(runtime: Runtime, petition_id: int, sealed: bytes | None) -> str:
    """The email address that replies about a petition go to; empty if none is set."""
    return "" if sealed is None else runtime.accounts.open(sealed, place=reply_place(petition_id))


def reply_place(petition_id: int) -> str:
    """What the sealed address for replies is bound to."""
    return f"petition.reply_to.{petition_id}"


def list_live(runtime: Runtime, locale: str) -> list[PetitionCard]:
    """The petitions that can be signed now, newest first, each in the nearest language."""
    found = runtime.store.transact(lambda tx: queries.in_states(tx, [PetitionState.LIVE]))
    return [_card(stored, locale) for stored in found]


def list_all(runtime: Runtime) -> list[queries.Stored]:
    """Every petition, drafts included, for the command line."""
    return runtime.store.transact(lambda tx: queries.in_states(tx, list(PetitionState)))


def titles(runtime: Runtime, petition_ids: Collection[int], locale: str) -> dict[int, str]:
    """The titles of some petitions by id, each in the nearest language."""
    stored = runtime.store.transact(lambda tx: queries.by_ids(tx, sorted(petition_ids))) if petition_ids else []
    return {one.petition.id: _card(one, locale).title for one in stored}


def _card(stored: queries.Stored, locale: str) -> PetitionCard:
    shown = nearest(stored.texts, locale, stored.petition.default_locale)
    petition = stored.petition
    return PetitionCard(petition.slug, shown.title, shown.summary, shown.locale, petition.count, petition.goal)


def count(runtime: Runtime, slug: str, *, fresh: bool = False) -> Count:
    """The public count and the goal, from the cache of the runtime unless it must be ``fresh``.

    Raises:
        NotFoundError: no such petition, or it is still a draft.
    """
    petition = by_slug(runtime, slug, fresh=fresh).petition
    if petition.state is PetitionState.DRAFT:
        raise NotFoundError("there is no such petition")
    return Count(petition.count, petition.goal)


def _new_text(locale: str, draft: Draft) -> queries.NewText:
    body = draft.body.replace("\r\n", "\n").strip()
    title, addressed_to, summary = draft.title.strip(), draft.addressed_to.strip(), draft.summary.strip()
    return queries.NewText(
        locale=locale,
        title=title,
        summary=summary,
        addressed_to=addressed_to,
        body_markdown=body,
        body_html=to_html(body),
        hash=text_hash(title, addressed_to, body),
        byline=draft.byline.strip(),
    )


@dataclass(frozen=True)
class NewPetition:
    """What an organiser says of a petition besides its texts."""

    slug: str
    author: str
    on_behalf_of: str = ""
    sender_name: str = ""
    default_locale: str = "en"
    fixed_goal: int | None = None


def check_new(new: NewPetition) -> None:
    """Refuse what can't be a petition, its texts aside.

    Raises:
        InvalidInputError: with a code per field.
    """
    problems = {}
    if not _SLUG.fullmatch(new.slug):
        problems["slug"] = "letters_digits_hyphens"
    named = {"author": new.author, "on_behalf_of": new.on_behalf_of, "sender_name": new.sender_name}
    problems |= check_lines(named, needed={"author"})
    if new.fixed_goal is not None and not 0 < new.fixed_goal <= 100_000_000:
        problems["fixed_goal"] = "out_of_range"
    if problems:
        raise InvalidInputError(problems)


def _check_whole(new: NewPetition, drafts: Mapping[str, Draft]) -> None:
    """Look at everything, so that all there is to mend is named at once."""
    problems: dict[str, str] = {}
    if new.default_locale not in drafts:
        problems["default_locale"] = "no_text"
    if not drafts.keys() <= set(LANGUAGES):
        problems["locale"] = "unknown"
    for check in (partial(check_new, new), *(partial(check_draft, draft) for draft in drafts.values())):
        try:
            check()
        except InvalidInputError as error:
            problems |= error.problems
    if problems:
        raise InvalidInputError(problems)


def create(runtime: Runtime, new: NewPetition, drafts: Mapping[str, Draft], *, owner_id: int | None = None) -> int:
    """Create a draft petition with its texts by language; returns its id.

    Args:
        runtime: the runtime.
        new: what it is, besides its texts.
        drafts: texts by language.
        owner_id: the account that organises it; without one only admins reach it in the desk.

    Raises:
        InvalidInputError: a field is missing, too long, or the slug is taken.
    """
    _check_whole(new, drafts)
    sealed = new_data_key(runtime)

    def work(tx: Transaction) -> int:
        petition_id = queries.add(
            tx,
            queries.NewPetition(
                slug=new.slug,
                default_locale=new.default_locale,
                author=new.author.strip(),
                on_behalf_of=new.on_behalf_of.strip(),
                sender_name=new.sender_name.strip(),
                fixed_goal=new.fixed_goal,
                key=sealed,
            ),
        )
        for locale, draft in drafts.items():
            queries.add_text(tx, petition_id, _new_text(locale, draft))
        if owner_id is not None:
            account_queries.add_member(tx, petition_id, owner_id, role="owner")
        audit.add(tx, action="petition.create", subject="petition", subject_id=petition_id, account_id=owner_id)
        return petition_id

    try:
        return runtime.store.transact(work)
    except DuplicateError:
        raise InvalidInputError({"slug": "taken"}) from None


def give(runtime: Runtime, slug: str, account_id: int) -> None:
    """Let an account own a petition, if it has no organiser yet; for the command line and the example.

    Raises:
        NotFoundError: no such petition.
    """
    petition_id = by_slug(runtime, slug, fresh=True).petition.id

    def work(tx: Transaction) -> None:
        if not account_queries.members(tx, petition_id):
            account_queries.add_member(tx, petition_id, account_id, role="owner")

    runtime.store.transact(work)


def edit_text(runtime: Runtime, slug: str, locale: str, draft: Draft, *, by: int | None = None) -> None:
    """Save a text in one language as its next version; an unchanged text makes no version.

    Args:
        runtime: the runtime.
        slug: which petition.
        locale: which language.
        draft: the whole text.
        by: the account that writes, for the audit log.

    Raises:
        NotFoundError: no such petition.
        InvalidInputError: the text can't be published, or ``{"locale": "unknown"}``.
    """
    check_draft(draft)
    if locale not in LANGUAGES:
        raise InvalidInputError({"locale": "unknown"})
    opened = by_slug(runtime, slug, fresh=True)
    new = _new_text(locale, draft)
    present = opened.texts.get(locale)
    if present is not None and (present.hash, present.summary, present.byline) == (new.hash, new.summary, new.byline):
        return

    def work(tx: Transaction) -> None:
        text_id = queries.add_text(tx, opened.petition.id, new)
        audit.add(
            tx,
            action="petition.edit_text",
            subject="petition",
            subject_id=opened.petition.id,
            account_id=by,
            detail={"text_version": text_id, "locale": locale},
        )

    runtime.store.transact(work)
    forget(runtime, slug)


def publish(runtime: Runtime, slug: str, *, by: int | None = None) -> None:
    """Open a draft, or a closed petition, for signing; ``by`` is the account for the audit log.

    Raises:
        NotFoundError: no such petition.
        ConflictError: it is live already, or its signers were erased.
    """
    _move(runtime, slug, PetitionState.LIVE, by=by)


def close(runtime: Runtime, slug: str, *, by: int | None = None) -> None:
    """End the signing; confirmations count for another 24 hours. ``by`` is the account for the audit log.

    Raises:
        NotFoundError: no such petition.
        ConflictError: it is not live.
    """
    _move(runtime, slug, PetitionState.CLOSED, by=by)


def _move(runtime: Runtime, slug: str, to: PetitionState, *, by: int | None) -> None:
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        opened = _opened(runtime, queries.by_slug(tx, slug))
        petition = opened.petition
        if to not in PETITION_MOVES[petition.state]:
            raise ConflictError(f"the petition is {petition.state}: it can't become {to}")
        if opened.key is None:
            raise ConflictError("the signers of this petition were erased; it stays closed")
        queries.move(tx, petition.id, to=to, now=now)
        audit.add(tx, action=f"petition.{to}", subject="petition", subject_id=petition.id, account_id=by)

    runtime.store.transact(work)
    forget(runtime, slug)


def forget(runtime: Runtime, slug: str) -> None:
    """Drop a petition from the cache of this process, so that its own change shows at once."""
    runtime.cache.drop(("petition", slug))
