"""Places of networks: a form takes one before it is stored, so that its page can say when the email arrives.

Where Redis is away, networks have the places of the start each hour, counted in the database by label and minute. So
they always have for emails with private links, which nobody can answer.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from campaign.database.connection import Transaction
from campaign.errors import NetworkBusyError, NetworkShieldedError
from campaign.networks.labels import is_in, label_of
from campaign.networks.rules import Booking, Network, moment_of
from campaign.networks.shared import NetworksAwayError
from campaign.outbox import allowance
from campaign.runtime import Runtime
from campaign.security.encryption import keyed_hash
from campaign.signatures import request_queries
from campaign.site.current import site_of

log = logging.getLogger(__name__)


class Effort(Enum):
    """What a form of a network under the shield offers for its place."""

    NONE = "none"
    PROVEN = "proven"
    """It solved a challenge (proofs.py)."""
    WAITS = "waits"
    """Its email may come later."""


ASIDE: Final = -1
"""The ticket of a request that chose to wait, under the shield: it is in no line, and nothing brings it forward."""


@dataclass(frozen=True)
class Place:
    """When a request is due, and its number in the line of its network if that is later."""

    due_at: datetime
    network: bytes | None = field(default=None, repr=False)
    ticket: int | None = None


def take(runtime: Runtime, network: str | None, ref: bytes, effort: Effort = Effort.WAITS) -> Place:
    """Take a place for the email that a form wants.

    Args:
        runtime: the runtime.
        network: the IP address that the form came from; None if it came from no network.
        ref: of the sign-up whose confirmation frees the place.
        effort: what the form offers if its network is under the shield.

    Raises:
        NetworkShieldedError: it must offer something.
        NetworkBusyError: all that can go in the next hours is promised.
        StoreUnavailableError: neither Redis nor the database answers.
    """
    now = runtime.clock()
    if network is None or is_in(network, runtime.settings.open_networks):
        return Place(now)
    label = label_of(network, runtime.settings.keys, now)
    try:
        return _book(runtime, label, ref, effort)
    except NetworksAwayError:
        return _by_the_hour(runtime, label, now)


def take_for_links(runtime: Runtime, network: str | None) -> Place:
    """Take a place for an email with private links.

    Nothing tells whether it is answered, so it has an allowance of its own, by the hour: it takes no place from those
    who sign, and puts no network under the shield.

    Args:
        runtime: the runtime.
        network: as for :func:`take`.

    Raises:
        NetworkBusyError, StoreUnavailableError: as :func:`take`.
    """
    now = runtime.clock()
    if network is None or is_in(network, runtime.settings.open_networks):
        return Place(now)
    return _by_the_hour(runtime, keyed_hash(label_of(network, runtime.settings.keys, now), "mine"), now)


def _by_the_hour(runtime: Runtime, label: bytes, now: datetime) -> Place:
    places = site_of(runtime).settings.network_places
    slot = runtime.store.transact(lambda tx: allowance.book_network(tx, label, places=places, now=now))
    if slot is None:
        raise NetworkBusyError("all of the next hours is promised")
    return Place(max(now, slot))


def _book(runtime: Runtime, label: bytes, ref: bytes, effort: Effort) -> Place:
    now = runtime.clock()

    def step(network: Network) -> tuple[Network, tuple[Booking | None, int]]:
        if network.is_shielded and effort is Effort.NONE:
            raise NetworkShieldedError("few of this network answer")
        moved = network.moved()
        after, booking = moved.book(proven=effort is Effort.PROVEN)
        return after, (booking, after.released if moved.released > network.released else 0)

    booking, released = runtime.networks.change(label, now, step, tie=_tie(runtime, ref))
    if released:
        _release(runtime, label, released, now)
    if booking is None:
        raise NetworkBusyError("too many of this network sign now")
    due_at = max(now, moment_of(booking.minute))
    if booking.ticket is None:
        return Place(due_at, ticket=ASIDE if due_at > now else None)
    return Place(due_at, label, booking.ticket)


def settle(runtime: Runtime, place: Place) -> None:
    """After a request is stored: if its turn came meanwhile, say so."""
    if place.network is None or place.ticket is None:
        return
    label, now = place.network, runtime.clock()
    try:
        released = runtime.networks.look(label, now).released
    except NetworksAwayError:
        return
    if place.ticket < released:
        _release(runtime, label, released, now)


def answered(runtime: Runtime, refs: Sequence[bytes]) -> None:
    """Some sign-ups were confirmed: free their places, and let the next of the line go."""
    now = runtime.clock()

    def step(network: Network) -> tuple[Network, int]:
        after = network.answered(runtime.networks.limits)
        return after, after.released if after.released > network.released else 0

    try:
        for ref in refs:
            for label in runtime.networks.untie(_tie(runtime, ref)):
                if released := runtime.networks.change(label, now, step):
                    _release(runtime, label, released, now)
    except NetworksAwayError:
        log.info("a confirmation was answered while redis was away: its place is free after an hour")


def _release(runtime: Runtime, label: bytes, released: int, now: datetime) -> None:
    def work(tx: Transaction) -> None:
        request_queries.release(tx, label, before=released, now=now)

    runtime.store.transact(work)


def _tie(runtime: Runtime, ref: bytes) -> bytes:
    return keyed_hash(runtime.secrets.address, f"place {ref.hex()}")
