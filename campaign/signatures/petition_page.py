"""What the public page of a petition shows: its text, count and public signers."""

from dataclasses import dataclass
from datetime import datetime

from campaign.errors import NotFoundError
from campaign.petitions.petitions import Opened, by_slug
from campaign.runtime import Runtime
from campaign.signatures import queries
from campaign.site.current import SwitchName, site_of
from campaign.states import PetitionState


@dataclass(frozen=True)
class PublicSigner:
    """A signer who agreed to be shown."""

    name: str
    country: str
    reason: str
    confirmed_at: datetime


@dataclass(frozen=True)
class PetitionPage:
    """All that the public page of a petition shows."""

    slug: str
    state: PetitionState
    locale: str
    locales: tuple[str, ...]
    title: str
    summary: str
    body_html: str
    addressed_to: str
    author: str
    on_behalf_of: str
    published_at: datetime | None
    closed_at: datetime | None
    count: int
    goal: int
    text_version_id: int
    byline: str = ""
    signers: tuple[PublicSigner, ...] = ()
    discreet: bool = False
    """No names are shown or offered to be shown."""
    names_hidden: bool = False
    """An admin has hidden the names on all petitions."""
    counted_until: datetime | None = None
    """Since when the count is not moved, for an admin has paused counting."""
    signing_paused: bool = False
    """An admin has paused signing on all petitions."""


def show(runtime: Runtime, slug: str, locale: str, *, signers: int = 10) -> PetitionPage:
    """What the public page shows, in the nearest language; read now, because the page itself is cached for a second.

    Raises:
        NotFoundError: no such petition, or it is still a draft.
    """
    opened = by_slug(runtime, slug, fresh=True)
    petition = opened.petition
    if petition.state is PetitionState.DRAFT:
        raise NotFoundError("there is no such petition")
    shown = opened.text_for(locale)
    switches = site_of(runtime).switches
    hidden, frozen = SwitchName.NAMES in switches, switches.get(SwitchName.COUNTING)
    return PetitionPage(
        slug=slug,
        state=petition.state,
        locale=shown.locale,
        locales=tuple(sorted(opened.texts)),
        title=shown.title,
        summary=shown.summary,
        body_html=shown.body_html,
        addressed_to=shown.addressed_to,
        author=petition.author,
        on_behalf_of=petition.on_behalf_of,
        published_at=petition.published_at,
        closed_at=petition.closed_at,
        count=petition.count,
        goal=petition.goal,
        text_version_id=shown.id,
        byline=shown.byline,
        signers=() if petition.discreet or hidden else _public_signers(runtime, opened, signers),
        discreet=petition.discreet,
        names_hidden=hidden,
        counted_until=None if frozen is None else frozen.since,
        signing_paused=SwitchName.SIGNING in switches,
    )


def _public_signers(runtime: Runtime, opened: Opened, limit: int) -> tuple[PublicSigner, ...]:
    if opened.key is None:
        return ()
    key = opened.key
    found = runtime.store.transact(lambda tx: queries.recent_public(tx, opened.petition.id, limit=limit))
    return tuple(
        PublicSigner(
            name=queries.open_field(key, row.id, "name", row.name) or "",
            country=row.country,
            reason=queries.open_field(key, row.id, "reason", row.reason) or "",
            confirmed_at=row.confirmed_at,
        )
        for row in found
        if row.confirmed_at is not None
    )
