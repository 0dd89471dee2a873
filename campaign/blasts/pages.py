"""Updates as everybody reads them: on the petition's page and in the browser, without anybody's name in them."""

from dataclasses import dataclass
from datetime import datetime

from campaign.blasts import queries
from campaign.blasts.merge_tags import merged_html, merged_line, shared_values
from campaign.blasts.rules import Blast, BlastKind
from campaign.database.connection import Transaction
from campaign.errors import NotFoundError
from campaign.i18n import translations
from campaign.petitions import petitions
from campaign.petitions.petitions import Opened
from campaign.runtime import Runtime
from campaign.security.tokens import Purpose
from campaign.states import PetitionState


@dataclass(frozen=True)
class PublishedUpdate:
    """An update that went out, in one language."""

    id: int
    published_at: datetime
    locale: str
    subject: str
    body_html: str
    slug: str
    petition_title: str
    author: str
    byline: str = ""
    """Who asks, in the reader's language; empty: the author."""


def published(runtime: Runtime, slug: str, locale: str, *, limit: int = 20) -> list[PublishedUpdate]:
    """The updates of a petition whose sending has begun, newest first, each in the nearest language.

    Raises:
        NotFoundError: no such petition, or it is still a draft.
    """
    opened = _public(runtime, slug)

    def work(tx: Transaction) -> list[PublishedUpdate]:
        found = queries.published(tx, opened.petition.id, limit=limit)
        return [_read(runtime, opened, blast, queries.texts(tx, blast.id), locale) for blast in found]

    return runtime.store.transact(work)


def read(runtime: Runtime, slug: str, update_id: int, locale: str) -> PublishedUpdate:
    """One published update in the nearest language.

    Raises:
        NotFoundError: no such petition or update, or it has not gone out.
    """
    opened = _public(runtime, slug)

    def work(tx: Transaction) -> PublishedUpdate:
        blast = queries.by_id(tx, update_id) if update_id < 2**31 else None
        if blast is None or blast.petition_id != opened.petition.id or not blast.is_published:
            raise NotFoundError("there is no such update")
        return _read(runtime, opened, blast, queries.texts(tx, blast.id), locale)

    return runtime.store.transact(work)


def behind(runtime: Runtime, token: str) -> tuple[str, int | None]:
    """The slug, and the id of the update if it has a page, that a token in a discreet email leads to.

    Raises:
        TokenRefusedError: the token is none of ours.
        NotFoundError: the update is gone.
    """
    claim = runtime.tokens.read(Purpose.NEWS, token)

    def work(tx: Transaction) -> tuple[str, int | None]:
        blast = queries.by_id(tx, claim.row_id)
        if blast is None:
            raise NotFoundError("there is no such update")
        slug = petitions.by_id(runtime, tx, blast.petition_id).petition.slug
        return slug, blast.id if blast.is_published and blast.kind is BlastKind.UPDATE else None

    return runtime.store.transact(work)


def _public(runtime: Runtime, slug: str) -> Opened:
    opened = petitions.by_slug(runtime, slug)
    if opened.petition.state is PetitionState.DRAFT:
        raise NotFoundError("there is no such petition")
    return opened


def _read(
    runtime: Runtime, opened: Opened, blast: Blast, texts: dict[str, tuple[str, str, str]], locale: str
) -> PublishedUpdate:
    default = opened.petition.default_locale
    shown = next((code for code in (locale, default, *texts) if code in texts), default)
    subject, markdown, _ = texts.get(shown, ("", "", ""))
    name = translations(shown).gettext("supporter")
    values = shared_values(runtime, opened, blast, shown, name=name)
    return PublishedUpdate(
        id=blast.id,
        published_at=blast.started_at or blast.created_at,
        locale=shown,
        subject=merged_line(subject, values),
        body_html=merged_html(markdown, values),
        slug=opened.petition.slug,
        petition_title=opened.text_for(locale).title,
        author=opened.petition.author,
        byline=opened.text_for(locale).byline,
    )
