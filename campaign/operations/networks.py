"""Networks as admins see them: under the shield or with people who wait, by label, and the lifting of the shield."""

from dataclasses import dataclass

from campaign.accounts import audit
from campaign.accounts.accounts import Account
from campaign.errors import ConflictError, NotFoundError
from campaign.networks.rules import Network
from campaign.networks.shared import NetworksAwayError
from campaign.runtime import Runtime

SHOWN = 12
"""Digits of a label that are shown and kept in the audit log."""


@dataclass(frozen=True)
class NetworkStatus:
    """One network, named by a keyed label of the day, from which no address can be had."""

    label: str
    is_shielded: bool
    answered: int
    """Of the last confirmations that were given time, so many were answered."""
    judged: int
    out: int
    places: int
    waiting: int

    @property
    def name(self) -> str:
        """The first digits of the label."""
        return self.label[:SHOWN]


def listed(runtime: Runtime) -> tuple[NetworkStatus, ...] | None:
    """Networks under the shield or with people who wait, those under the shield first; None if Redis is away."""
    try:
        found = runtime.networks.listed(runtime.clock())
    except NetworksAwayError:
        return None
    rows = [_status(one.label, one.network) for one in found]
    return tuple(sorted(rows, key=lambda row: (not row.is_shielded, -row.waiting)))


def _status(label: bytes, network: Network) -> NetworkStatus:
    answered, judged = network.ratio()
    return NetworkStatus(
        label.hex(), network.is_shielded, answered, judged, network.out, network.capacity, network.waiting
    )


def lift(runtime: Runtime, label: str, *, by: Account) -> None:
    """Take the shield from a network: what it has been sent so far is not judged.

    Raises:
        NotFoundError: this is no label.
        ConflictError: it is not under the shield, or Redis is away.
    """
    try:
        raw = bytes.fromhex(label)
    except ValueError:
        raise NotFoundError("no such network") from None

    def step(network: Network) -> tuple[Network, bool]:
        return (network.lifted(), True) if network.is_shielded else (network, False)

    try:
        was_shielded = runtime.networks.change(raw, runtime.clock(), step)
    except NetworksAwayError:
        was_shielded = False
    if not was_shielded:
        raise ConflictError("this network is not under the shield")
    runtime.store.transact(
        lambda tx: audit.add(
            tx,
            action="network.lift",
            subject="network",
            subject_id=None,
            account_id=by.id,
            detail={"network": label[:SHOWN]},
        )
    )
