"""Packs: ask for one, make it in the background, download it, delete it. Each act is in the audit log."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from campaign.accounts import audit
from campaign.accounts.accounts import Account
from campaign.database.connection import Transaction
from campaign.errors import ConflictError, InvalidInputError, NotFoundError
from campaign.handover import queries
from campaign.handover.contents import Archive, Builder
from campaign.handover.queries import Made, Pack, PackState
from campaign.handover.rules import LIFE, MAX_REASON
from campaign.handover.typesetting import TypesettingError
from campaign.petitions import petitions
from campaign.petitions.petitions import Opened
from campaign.runtime import Runtime
from campaign.security.encryption import DecryptionError
from campaign.settings import LANGUAGES
from campaign.site import current as site
from campaign.site.current import SwitchName
from campaign.states import PetitionState

log = logging.getLogger(__name__)

PIECE: Final = 1 << 20
"""Bytes of a pack in one row."""

ABANDONED: Final = timedelta(minutes=5)
"""Time after which a pack that was begun is begun anew: longer than a task may take."""

TRIES: Final = 3
SOON: Final = timedelta(seconds=3)
"""Time until a pack is tried again whose signatures are still being counted."""

PATIENCE: Final = timedelta(minutes=10)
"""How long it waits for that."""


def ask(runtime: Runtime, petition_id: int, *, by: Account, reason: str, locale: str, request_key: str) -> None:
    """Ask for a pack; the same form sent twice asks once.

    Args:
        runtime: the runtime.
        petition_id: from :func:`campaign.petitions.organisers.may_organise`.
        by: who asks.
        reason: for whom or what; kept in the audit log.
        locale: the language of the documents.
        request_key: of the form.

    Raises:
        InvalidInputError: no reason, one that is too long, or a language that is not there.
        ConflictError: the petition is a draft, its signers were erased, or a pack is being made already.
    """
    said = " ".join(reason.split())
    problems = {}
    if not said or len(said) > MAX_REASON:
        problems["reason"] = "too_long" if said else "missing"
    if locale not in LANGUAGES:
        problems["language"] = "missing"
    if problems:
        raise InvalidInputError(problems)
    now = runtime.clock()

    def work(tx: Transaction) -> None:
        opened = petitions.by_id(runtime, tx, petition_id)
        if opened.petition.state is PetitionState.DRAFT or opened.key is None:
            raise ConflictError("this petition has no signatures to hand over")
        if queries.has_key(tx, petition_id, request_key):
            return
        pack_id = queries.ask(
            tx, petition_id, account_id=by.id, locale=locale, reason=said, request_key=request_key, now=now
        )
        if pack_id is None:
            raise ConflictError("a pack is being made already")
        _audit(tx, "petition.pack", petition_id, by, {"reason": said, "locale": locale})

    runtime.store.transact(work)


def of_petition(runtime: Runtime, petition_id: int) -> list[Pack]:
    """The packs of a petition that are there, newest first."""
    now = runtime.clock()
    found = runtime.store.transact(lambda tx: queries.of_petition(tx, petition_id))
    return [pack for pack in found if pack.expires_at is None or pack.expires_at > now]


def download(runtime: Runtime, petition_id: int, pack_id: int, *, by: Account) -> tuple[Pack, Iterator[bytes]]:
    """A pack that is ready, piece by piece.

    Raises:
        NotFoundError: there is none, or its time is over.
    """

    def begin(tx: Transaction) -> tuple[Pack, Opened]:
        found = queries.load(tx, petition_id, pack_id)
        if found is None or found.state is not PackState.READY or not _is_kept(runtime, found):
            raise NotFoundError("there is no such pack")
        # The entry is written before the first byte leaves, whatever becomes of the download.
        _audit(tx, "petition.pack_download", petition_id, by, {"signatures": found.count})
        return found, petitions.by_id(runtime, tx, petition_id)

    pack, opened = runtime.store.transact(begin)
    return pack, _pieces(runtime, pack, opened)


def _is_kept(runtime: Runtime, pack: Pack) -> bool:
    return pack.expires_at is not None and pack.expires_at > runtime.clock()


def _pieces(runtime: Runtime, pack: Pack, opened: Opened) -> Iterator[bytes]:
    for number in range(pack.pieces):
        sealed = runtime.store.transact(lambda tx, wanted=number: queries.piece(tx, pack.id, wanted))  # type: ignore[misc]
        if sealed is None:
            raise NotFoundError("the pack was deleted meanwhile")
        yield opened.open_key.open_bytes(sealed, place=_place(pack.id, number))


def _place(pack_id: int, number: int) -> str:
    return f"pack_piece.sealed.{pack_id}.{number}"


def delete(runtime: Runtime, petition_id: int, pack_id: int, *, by: Account) -> None:
    """Delete a pack, or take back that one was asked for; repeating it is harmless."""

    def work(tx: Transaction) -> None:
        if queries.load(tx, petition_id, pack_id) is not None and queries.delete(tx, pack_id):
            _audit(tx, "petition.pack_delete", petition_id, by, {})

    runtime.store.transact(work)


def make(runtime: Runtime) -> int:
    """The job: make the packs that were asked for, and delete those whose time is over; returns how many were made."""
    now = runtime.clock()
    runtime.store.transact(lambda tx: queries.delete_expired(tx, now=now, failed_before=now - LIFE))
    pack = runtime.store.transact(lambda tx: queries.take(tx, now=now, abandoned=ABANDONED))
    if pack is None:
        return 0
    problem = _make(runtime, pack)
    if problem is None:
        return 1
    if problem == "counting" and now - pack.asked_at < PATIENCE:
        runtime.store.transact(lambda tx: queries.put_back(tx, pack.id, not_before=now + SOON))
    else:
        runtime.store.transact(lambda tx: queries.failed(tx, pack.id, problem=problem, now=runtime.clock()))
    return 0


def _make(runtime: Runtime, pack: Pack) -> str | None:
    """Make one; returns the code of what is in the way."""
    if pack.tries > TRIES:
        return "tries"
    if SwitchName.COUNTING in site.site_of(runtime).switches:
        return "counting_off"

    def note(done: int, total: int) -> None:
        runtime.store.transact(lambda tx: queries.progress(tx, pack.id, done=done, total=total))

    def build(tx: Transaction) -> tuple[Archive, Opened] | None:
        queries.one_snapshot(tx)
        public, listed, still_open = queries.counts(tx, pack.petition_id)
        if still_open or public != listed:
            return None
        opened = petitions.by_id(runtime, tx, pack.petition_id)
        builder = Builder(runtime, opened, locale=pack.locale, made_at=runtime.clock(), on_progress=note)
        return builder.build(tx, listed), opened

    try:
        built = runtime.store.transact(build)
    except (TypesettingError, DecryptionError, NotFoundError) as error:
        log.warning("a pack can't be made: %s", error)
        return "erased" if isinstance(error, NotFoundError) else "not_set"
    if built is None:
        return "counting"
    archive, opened = built
    _keep(runtime, pack, archive, opened)
    return None


def _keep(runtime: Runtime, pack: Pack, archive: Archive, opened: Opened) -> None:
    content = archive.content
    pieces = [
        opened.open_key.seal_bytes(content[begin : begin + PIECE], place=_place(pack.id, begin // PIECE))
        for begin in range(0, len(content), PIECE)
    ]
    made, now = Made(archive.count, len(content), archive.fingerprint, pieces), runtime.clock()
    runtime.store.transact(lambda tx: queries.finish(tx, pack.id, made, now=now, expires_at=now + LIFE))


def _audit(tx: Transaction, action: str, petition_id: int, by: Account, detail: dict[str, object]) -> None:
    audit.add(
        tx, action=action, subject="petition", subject_id=petition_id, petition_id=petition_id, account_id=by.id,
        detail=detail,
    )  # fmt: skip
