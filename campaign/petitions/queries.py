"""Petitions, their text versions and the consent texts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Row, text

from campaign.database.connection import Transaction
from campaign.petitions.rules import Petition, TextVersion
from campaign.security.encryption import Sealed
from campaign.states import PetitionState

_COLUMNS = """p.id, p.slug, p.state, p.default_locale, p.author, p.on_behalf_of, p.sender_name, p.fixed_goal,
    p.count as signatures, p.published_at, p.closed_at, p.discreet, p.reply_to, p.data_key_id, p.data_key"""


@dataclass(frozen=True)
class Stored:
    """A petition as stored: with its newest texts by language and its wrapped data key (None once erased)."""

    petition: Petition
    texts: dict[str, TextVersion]
    key: Sealed | None = field(repr=False)


def _petition(row: Row[tuple[object, ...]]) -> Petition:
    return Petition(
        id=row.id,
        slug=row.slug,
        state=PetitionState(row.state),
        default_locale=row.default_locale,
        author=row.author,
        on_behalf_of=row.on_behalf_of,
        sender_name=row.sender_name,
        fixed_goal=row.fixed_goal,
        count=row.signatures,
        published_at=row.published_at,
        closed_at=row.closed_at,
        discreet=row.discreet,
        reply_to=None if row.reply_to is None else bytes(row.reply_to),
    )


def _sealed(row: Row[tuple[object, ...]]) -> Sealed | None:
    return None if row.data_key is None else Sealed(row.data_key_id, row.data_key)


_TEXT = "id, locale, version, title, summary, addressed_to, byline, body_markdown, body_html, hash, created_at"


def _text(row: Row[tuple[object, ...]]) -> TextVersion:
    return TextVersion(
        id=row.id,
        locale=row.locale,
        version=row.version,
        title=row.title,
        summary=row.summary,
        addressed_to=row.addressed_to,
        body_markdown=row.body_markdown,
        body_html=row.body_html,
        hash=row.hash,
        created_at=row.created_at,
        byline=row.byline,
    )


def by_slug(tx: Transaction, slug: str) -> Stored | None:
    """A petition by the name in its URL."""
    return _one(tx, "p.slug = :wanted", slug)


def by_id(tx: Transaction, petition_id: int) -> Stored | None:
    """A petition by its id."""
    return _one(tx, "p.id = :wanted", petition_id)


def by_ids(tx: Transaction, petition_ids: Sequence[int]) -> list[Stored]:
    """Petitions by their ids."""
    return _many(tx, "p.id = any(:wanted)", list(petition_ids))


def _one(tx: Transaction, condition: str, wanted: object) -> Stored | None:
    row = tx.execute(text(f"select {_COLUMNS} from petition p where {condition}"), wanted=wanted).one_or_none()
    if row is None:
        return None
    return Stored(_petition(row), newest_texts(tx, [row.id]).get(row.id, {}), _sealed(row))


def in_states(tx: Transaction, states: Iterable[PetitionState]) -> list[Stored]:
    """All petitions in some states, the most recently published first."""
    return _many(tx, "p.state = any(cast(:wanted as petition_state[]))", [str(state) for state in states])


def _many(tx: Transaction, condition: str, wanted: list[int] | list[str]) -> list[Stored]:
    rows = tx.execute(
        text(f"""
        select {_COLUMNS} from petition p where {condition} order by p.published_at desc nulls first, p.id desc"""),
        wanted=wanted,
    ).all()
    texts = newest_texts(tx, [row.id for row in rows])
    return [Stored(_petition(row), texts.get(row.id, {}), _sealed(row)) for row in rows]


def newest_texts(tx: Transaction, petition_ids: list[int]) -> dict[int, dict[str, TextVersion]]:
    """The newest text version per petition and language."""
    rows = tx.execute(
        text(f"""
        select distinct on (petition_id, locale) petition_id, {_TEXT} from text_version
        where petition_id = any(:ids) order by petition_id, locale, version desc"""),
        ids=petition_ids,
    )
    found: dict[int, dict[str, TextVersion]] = {}
    for row in rows:
        found.setdefault(row.petition_id, {})[row.locale] = _text(row)
    return found


def text_by_id(tx: Transaction, text_version_id: int) -> TextVersion | None:
    """One text version, whichever it is: what a signature is bound to."""
    row = tx.execute(text(f"select {_TEXT} from text_version where id = :id"), id=text_version_id).one_or_none()
    return None if row is None else _text(row)


@dataclass(frozen=True)
class NewPetition:
    """What creating a petition needs besides its texts."""

    slug: str
    default_locale: str
    author: str
    on_behalf_of: str
    sender_name: str
    fixed_goal: int | None
    key: Sealed = field(repr=False)


def add(tx: Transaction, new: NewPetition) -> int:
    """Add a draft; returns its id.

    Raises:
        DuplicateError: the slug is taken.
    """
    petition_id: int = tx.execute(
        text("""
        insert into petition (slug, state, default_locale, author, on_behalf_of, sender_name, fixed_goal,
            data_key_id, data_key)
        values (:slug, 'draft', :default_locale, :author, :on_behalf_of, :sender_name, :fixed_goal, :key_id, :key)
        returning id"""),
        slug=new.slug,
        default_locale=new.default_locale,
        author=new.author,
        on_behalf_of=new.on_behalf_of,
        sender_name=new.sender_name,
        fixed_goal=new.fixed_goal,
        key_id=new.key.key_id,
        key=new.key.blob,
    ).scalar_one()
    return petition_id


@dataclass(frozen=True)
class NewText:
    """A text version to be."""

    locale: str
    title: str
    summary: str
    addressed_to: str
    body_markdown: str
    body_html: str
    hash: bytes
    byline: str = ""


def add_text(tx: Transaction, petition_id: int, new: NewText) -> int:
    """Add the next version of a text in its language; returns the version's id.

    Raises:
        DuplicateError: another editor added the same version number meanwhile.
    """
    text_id: int = tx.execute(
        text("""
        insert into text_version (petition_id, locale, version, title, summary, addressed_to, byline, body_markdown,
            body_html, hash)
        select :petition_id, cast(:locale as varchar), coalesce(max(version), 0) + 1, :title, :summary, :addressed_to,
            :byline, :body_markdown, :body_html, :hash
        from text_version where petition_id = :petition_id and locale = cast(:locale as varchar)
        returning id"""),
        petition_id=petition_id,
        locale=new.locale,
        title=new.title,
        summary=new.summary,
        addressed_to=new.addressed_to,
        byline=new.byline,
        body_markdown=new.body_markdown,
        body_html=new.body_html,
        hash=new.hash,
    ).scalar_one()
    return text_id


def move(tx: Transaction, petition_id: int, *, to: PetitionState, now: datetime) -> None:
    """Set the state of a petition, with the moment of publishing or closing."""
    tx.execute(
        text("""
        update petition set state = cast(:state as petition_state),
            published_at = case when :state = 'live' then coalesce(published_at, :now) else published_at end,
            closed_at = case when :state = 'closed' then cast(:now as timestamptz) end
        where id = :id"""),
        id=petition_id,
        state=str(to),
        now=now,
    )


def consent_id(tx: Transaction, *, purpose: str, locale: str, wording: str, digest: bytes) -> int:
    """The id of the exact wording of a consent; stored once, when the first signer meets it."""
    found = tx.execute(text("select id from consent_text where hash = :hash"), hash=digest).scalar_one_or_none()
    if found is not None:
        return int(found)
    tx.execute(
        text("""
        insert into consent_text (purpose, locale, text, hash) values (:purpose, :locale, :text, :hash)
        on conflict (hash) do nothing"""),
        purpose=purpose,
        locale=locale,
        text=wording,
        hash=digest,
    )
    return int(tx.execute(text("select id from consent_text where hash = :hash"), hash=digest).scalar_one())


def wrapped_otherwise(tx: Transaction, *, key_id: str, after: int, limit: int) -> list[tuple[int, Sealed]]:
    """Petitions, in the order of their ids, whose data key is under another instance key; locked."""
    rows = tx.execute(
        text("""
        select id, data_key_id, data_key from petition
        where data_key is not null and data_key_id <> :key_id and position('.' in data_key_id) = 0 and id > :after
        order by id limit :limit for update"""),
        key_id=key_id,
        after=after,
        limit=limit,
    )
    return [(row.id, Sealed(row.data_key_id, bytes(row.data_key))) for row in rows]


def rewrap(tx: Transaction, petition_id: int, key: Sealed) -> None:
    """Store a petition's data key under another instance key."""
    tx.execute(
        text("update petition set data_key_id = :key_id, data_key = :key where id = :id and data_key is not null"),
        id=petition_id,
        key_id=key.key_id,
        key=key.blob,
    )


def under_instance_keys(tx: Transaction, *, after: int, limit: int) -> list[tuple[int, datetime, Sealed]]:
    """Petitions, in the order of their ids, whose data key no retention key wraps yet, with their creation; locked."""
    rows = tx.execute(
        text("""
        select id, created_at, data_key_id, data_key from petition
        where data_key is not null and position('.' in data_key_id) = 0 and id > :after
        order by id limit :limit for update"""),
        after=after,
        limit=limit,
    )
    return [(row.id, row.created_at, Sealed(row.data_key_id, bytes(row.data_key))) for row in rows]


def opened_by(tx: Transaction) -> dict[str, dict[PetitionState, int]]:
    """How many petitions in each state the keys open, by the name of the key that wraps theirs."""
    found: dict[str, dict[PetitionState, int]] = {}
    for row in tx.execute(
        text("""
        select data_key_id, state, count(*) as n from petition where data_key is not null group by 1, 2""")
    ):
        found.setdefault(row.data_key_id, {})[PetitionState(row.state)] = row.n
    return found


def destroy_under(tx: Transaction, key_id: str, *, now: datetime) -> list[int]:
    """Destroy the data keys that a key wraps, and close their petitions; returns which."""
    found = tx.execute(
        text("""
        update petition set data_key = null, data_key_id = null, erased_at = :now,
            state = case when state = 'live' then cast('closed' as petition_state) else state end,
            closed_at = case when state = 'live' then cast(:now as timestamptz) else closed_at end
        where data_key_id = :key_id returning id"""),
        key_id=key_id,
        now=now,
    )
    return list(found.scalars())
