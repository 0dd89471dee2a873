"""Reading requests: opening what was sealed, and refusing what can't be read or is out of time.

Each request is read alone, so that one with a lost key or of another release is refused alone.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

from campaign.database.connection import Transaction
from campaign.petitions import petitions
from campaign.petitions.petitions import Opened
from campaign.runtime import Runtime
from campaign.security.encryption import DataKey, DecryptionError
from campaign.signatures.admission_queries import Person, Place
from campaign.signatures.mine import places
from campaign.signatures.request_queries import Request
from campaign.signatures.requests import (
    AddressPayload,
    PayloadError,
    SignaturePayload,
    as_bytes,
    open_address,
    open_signature,
)
from campaign.states import RequestKind

log = logging.getLogger(__name__)

UNREADABLE: Final = "unreadable"
CLOSED: Final = "petition_closed"


@dataclass(frozen=True)
class SignUp:
    """A readable request for a signature."""

    request: Request
    opened: Opened
    key: DataKey
    payload: SignaturePayload

    @property
    def place(self) -> Place:
        """The petition and the mailbox there."""
        return self.opened.petition.id, self.request.address_index or b""

    @property
    def person(self) -> Person:
        """The petition, the mailbox there, and the name with it."""
        return *self.place, self.request.person_index or b""


@dataclass(frozen=True)
class Again:
    """A readable request for another confirmation of one sign-up."""

    request: Request
    ref: bytes = field(repr=False)


@dataclass(frozen=True)
class SignIn:
    """A readable request for a sign-in link."""

    request: Request
    address_index: bytes = field(repr=False)


@dataclass(frozen=True)
class AllMine:
    """A readable request for links to all signatures of a mailbox."""

    request: Request
    places: tuple[Place, ...]
    email: str = field(repr=False)
    """The canonical address."""


Readable = SignUp | Again | SignIn | AllMine


class Reader:
    """Opens the requests of one batch; reads their petitions in one statement."""

    def __init__(self, runtime: Runtime, tx: Transaction, requests: Sequence[Request], *, now: datetime) -> None:
        self.runtime = runtime
        self.tx = tx
        self.requests = requests
        self.now = now

    @cached_property
    def _petitions(self) -> dict[int, Opened]:
        ids = {request.petition_id for request in self.requests if request.petition_id is not None}
        found = petitions.by_ids(self.runtime, self.tx, sorted(ids)) if ids else []
        return {opened.petition.id: opened for opened in found}

    @cached_property
    def _published(self) -> list[Opened]:
        return petitions.published(self.runtime, self.tx)

    def read(self, request: Request) -> Readable | str:
        """What a request says, or the reason why it is refused."""
        try:
            match request.kind:
                case RequestKind.SIGNATURE:
                    return self._read_sign_up(request)
                case RequestKind.RESEND:
                    return self._read_again(request, self._open_address(request))
                case RequestKind.SIGN_IN:
                    email = self._open_address(request).email
                    return SignIn(request, self.runtime.accounts.index(email))
                case RequestKind.MINE:
                    email = self._open_address(request).email
                    return AllMine(request, tuple(places(self._published, email)), email)
        except (DecryptionError, PayloadError):
            log.error("request %d can't be read", request.id)  # noqa: TRY400 - the reason is in the name of the error
            return UNREADABLE

    def _open_address(self, request: Request) -> AddressPayload:
        return open_address(self.runtime.secrets.requests, request)

    def _read_sign_up(self, request: Request) -> SignUp | str:
        opened = self._petitions.get(request.petition_id or 0)
        if opened is None or opened.key is None:
            return UNREADABLE
        payload = open_signature(opened.key, request)
        if not opened.petition.accepts_confirmations(self.now):
            return CLOSED
        return SignUp(request, opened, opened.key, payload)

    def _read_again(self, request: Request, payload: AddressPayload) -> Again | AllMine | str:
        if request.petition_id is not None:
            opened = self._petitions.get(request.petition_id)
            if opened is None or not opened.petition.accepts_confirmations(self.now):
                return CLOSED
            # A release before this one named no sign-up.
            return Again(request, as_bytes(payload.ref) if payload.ref else b"")
        # A release before this one mailed only what waits for its confirmation.
        return AllMine(request, tuple(places(self._published, payload.email)), payload.email)
