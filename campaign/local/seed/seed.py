"""Seeding: invented signers for demonstrations, tests and load."""

import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from campaign.accounts import audit
from campaign.database.connection import Transaction
from campaign.errors import ConflictError
from campaign.local.seed import mail, queries
from campaign.local.seed.fake_people import PeopleGenerator, Person
from campaign.petitions import petitions
from campaign.petitions.petitions import Opened
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey
from campaign.security.tokens import NONCE
from campaign.settings import LANGUAGES
from campaign.signatures.consents import consent_id
from campaign.signatures.queries import place, reserve_ids
from campaign.signatures.signing import person_index
from campaign.states import PetitionState

SLICE = 2_000
"""Signatures per transaction: long enough to be quick, short enough not to hold up anybody."""


@dataclass(frozen=True)
class SeedPlan:
    """What to add."""

    signatures: int
    confirmed: bool = False
    updates: float = 0.5
    """Share of signers who want updates, 0 to 1."""
    span: timedelta = timedelta(hours=12)
    """They signed, or confirmed, within this time before now; more of them lately."""
    public_site_agreed: bool = False
    messages: int = 0
    """Settled messages that they got, of all kinds."""


@dataclass(frozen=True)
class _Ground:
    """What every row of one sowing shares."""

    opened: Opened
    key: DataKey
    consents: Mapping[str, tuple[int, int]]
    """Ids of the two wordings, for signing and for updates, by language."""
    now: datetime


def sow(
    runtime: Runtime,
    slug: str,
    wanted: SeedPlan,
    *,
    progress: Callable[[int], object] = lambda _added: None,
    chance: random.Random | None = None,
) -> int:
    """Add invented signatures to a live petition, and settled mail; returns how many signatures. Nothing is mailed.

    Args:
        runtime: the runtime.
        slug: the petition.
        wanted: what to add.
        progress: called with the number of rows added, signatures and messages, after each slice.
        chance: where names and times come from.

    Raises:
        NotFoundError: no such petition.
        ConflictError: it is not live, this is a public site and that was not confirmed, or so many messages need more
            signers.
    """
    if not runtime.settings.is_local and not wanted.public_site_agreed:
        raise ConflictError(
            f"{runtime.settings.base_url} is a public site: invented signers would be counted and shown there. "
            "Say --yes-on-a-public-site if that is meant."
        )
    opened = petitions.by_slug(runtime, slug, fresh=True)
    if opened.petition.state is not PetitionState.LIVE:
        raise ConflictError(f"the petition is {opened.petition.state}: only a live one can be seeded")
    ground = _Ground(opened, opened.open_key, _consents(runtime), runtime.clock())
    source = chance or random.Random()  # noqa: S311 - invented people are no secret
    mail_plan = mail.MailPlan(opened.petition.id, wanted.messages, source.getrandbits(31), ground.now, wanted.span)
    own, audience = 2 * wanted.signatures, wanted.signatures * wanted.updates if wanted.confirmed else 0
    updates = mail.check(mail_plan, own=own, audience=audience)
    crowd, added = PeopleGenerator(source), 0
    ids: list[int] = []
    while added < wanted.signatures:
        number = min(SLICE, wanted.signatures - added)
        ids += _sow_slice(runtime, ground, wanted, number=number, crowd=crowd, chance=source)
        added += number
        progress(added)
    if wanted.messages:
        mail.add_mail(runtime, mail_plan, ids, blasts=updates, progress=lambda done: progress(added + done))
    runtime.store.transact(lambda tx: _note(tx, opened.petition.id, wanted))
    petitions.forget(runtime, slug)
    return added


def _consents(runtime: Runtime) -> dict[str, tuple[int, int]]:
    return {
        locale: (consent_id(runtime, "sign", locale), consent_id(runtime, "updates", locale)) for locale in LANGUAGES
    }


def _sow_slice(
    runtime: Runtime, ground: _Ground, wanted: SeedPlan, *, number: int, crowd: PeopleGenerator, chance: random.Random
) -> list[int]:
    ids = runtime.store.transact(lambda tx: reserve_ids(tx, number))
    seeds = [_seed(ground, wanted, crowd.person(signature_id), signature_id, chance) for signature_id in ids]
    runtime.store.transact(lambda tx: queries.add_many(tx, ground.opened.petition.id, seeds, now=ground.now))
    return ids


def _seed(
    ground: _Ground, wanted: SeedPlan, person: Person, signature_id: int, chance: random.Random
) -> queries.SeedSignature:
    key = ground.key

    def seal(column: str, text: str) -> bytes:
        return key.seal(text, place=place(column, signature_id))

    # A petition that spreads: the nearer to now, the more sign.
    moment = ground.now - wanted.span * (1 - chance.random() ** 0.5)
    thought = timedelta(seconds=30 + chance.expovariate(1 / 300)) if wanted.confirmed else timedelta()
    sign_id, updates_id = ground.consents[person.locale]
    wants_updates = chance.random() < wanted.updates
    return queries.SeedSignature(
        id=signature_id,
        text_version_id=ground.opened.text_for(person.locale).id,
        consent_id=sign_id,
        updates_consent_id=updates_id if wants_updates else None,
        locale=person.locale,
        country=person.country,
        show_name=person.show_name,
        wants_updates=wants_updates,
        nonce=secrets.token_bytes(NONCE),
        address_index=key.index(person.address),
        person_index=person_index(key, person.address, person.name),
        address=seal("address", person.address),
        name=seal("name", person.name),
        reason=seal("reason", person.reason) if person.reason else None,
        requested_at=moment - thought,
        confirmed_at=moment if wanted.confirmed else None,
    )


def _note(tx: Transaction, petition_id: int, wanted: SeedPlan) -> None:
    audit.add(
        tx,
        action="petition.seed",
        subject="petition",
        subject_id=petition_id,
        actor="cli",
        detail={"signatures": wanted.signatures, "confirmed": wanted.confirmed, "messages": wanted.messages},
    )
