"""A petition with signers, and its packs."""

import io
import zipfile
from pathlib import Path

from campaign.accounts import accounts
from campaign.accounts.accounts import Account, Role
from campaign.blasts import milestones
from campaign.handover import packs
from campaign.petitions import petitions
from tests.kit.worlds import World

SLUG = "a-petition"


def organiser(world: World) -> Account:
    accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    found = accounts.find(world.runtime, "olga@example.org")
    assert found is not None
    return found


def petition_id(world: World, slug: str = SLUG) -> int:
    return petitions.by_slug(world.runtime, slug).petition.id


def signed(world: World, number: int = 5) -> None:
    """A petition that some have signed, every third without a name; all counted."""
    world.petition(SLUG, locales=("en", "fa"))
    for n in range(number):
        world.signature(
            SLUG, f"signer{n}@example.org", confirmed=True, name=f"زہرا Ahmadi {n}", show_name=n % 3 != 0,
            country=("DE", "PK")[n % 2], reason="=1+1 Water" if n == 1 else "",
        )  # fmt: skip
    milestones.count_signatures(world.runtime)


def ask(world: World, by: Account, *, key: str = "k", locale: str = "en", reason: str = "For the committee") -> None:
    packs.ask(world.runtime, petition_id(world), by=by, reason=reason, locale=locale, request_key=key)


def content(world: World, by: Account) -> bytes:
    """The newest pack, downloaded."""
    newest = packs.of_petition(world.runtime, petition_id(world))[0]
    _, pieces = packs.download(world.runtime, petition_id(world), newest.id, by=by)
    return b"".join(pieces)


def save(folder: Path, raw: bytes) -> Path:
    path = folder / "pack.zip"
    path.write_bytes(raw)
    return path


def unpacked(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as pack:
        return {name: pack.read(name) for name in pack.namelist()}


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, raw in files.items():
            pack.writestr(name, raw)
    return buffer.getvalue()
