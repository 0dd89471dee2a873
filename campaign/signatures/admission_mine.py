"""Admission of requests for links to all signatures of a mailbox: which signature carries the mail, if any."""

from collections.abc import Collection, Sequence

from campaign.database.connection import Transaction
from campaign.petitions import petitions
from campaign.runtime import Runtime
from campaign.signatures import mine_queries, queries
from campaign.signatures.admission_queries import Place
from campaign.signatures.request_reading import AllMine
from campaign.states import MessageKind


class MineRequests:
    """The signatures that the requests of one batch are about; read in one statement."""

    def __init__(self, tx: Transaction, asked: Sequence[AllMine]) -> None:
        places = {place for one in asked for place in one.places}
        self._at: dict[Place, list[int]] = {}
        self._without_address: set[int] = set()
        for mine in mine_queries.at(tx, places) if places else ():
            self._at.setdefault((mine.petition_id, mine.address_index), []).append(mine.id)
            if not mine.has_address:
                self._without_address.add(mine.id)

    @property
    def ids(self) -> set[int]:
        """All of these signatures."""
        return {signature_id for found in self._at.values() for signature_id in found}

    def carrier(self, asked: AllMine, told: Collection[tuple[int, MessageKind]]) -> tuple[int, int] | None:
        """The signature whose mail lists all of its mailbox, the newest, with its petition.

        None if nothing was signed with the mailbox, or if such a mail is on its way already.
        """
        found = [(id_, place[0]) for place in asked.places for id_ in self._at.get(place, ())]
        if not found or any((id_, MessageKind.MY_SIGNATURES) in told for id_, _ in found):
            return None
        return max(found, key=lambda one: (one[0] not in self._without_address, one))

    def lend_address(self, runtime: Runtime, tx: Transaction, asked: AllMine, carrier: tuple[int, int]) -> None:
        """Let a forgotten signature carry the mail to the address that was typed; the next look forgets it again."""
        signature_id, petition_id = carrier
        key = petitions.by_id(runtime, tx, petition_id).key if signature_id in self._without_address else None
        if key is not None:
            sealed = key.seal(asked.email, place=queries.place("address", signature_id))
            mine_queries.lend_address(tx, signature_id, sealed)
