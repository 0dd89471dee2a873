"""The plan of a drill: what happens when. The same order gives the same plan."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

SPACING: Final = 2.5
"""Seconds between two kills on average: a killed worker takes about as long to begin again."""

SHORTEST: Final = 8.0
"""Seconds of a drill without kills."""

PER_KILL: Final = 200
"""Recipients for each kill, by default: so that every kill meets mail on the wire."""

LEAST: Final = 200

CALM: Final = 1.5
"""Seconds at the beginning in which nothing happens, so that the blast is under way."""


class FaultKind(StrEnum):
    """What can happen to the installation."""

    WORKER_PROCESS = "worker_process"
    """SIGKILL one process of a worker, which the worker replaces by itself."""
    WORKER_MASTER = "worker_master"
    """SIGKILL the master of a worker; its processes find out."""
    WORKER_TREE = "worker_tree"
    """SIGKILL a worker with all its processes, as the out-of-memory killer of a container does."""
    REDIS_KILL = "redis_kill"
    REDIS_RESTART = "redis_restart"
    REDIS_FLUSH = "redis_flush"
    POSTGRES_KILL = "postgres_kill"
    POSTGRES_RESTART = "postgres_restart"


ON_WORKERS: Final = frozenset({FaultKind.WORKER_PROCESS, FaultKind.WORKER_MASTER, FaultKind.WORKER_TREE})
KILLS: Final = ON_WORKERS | {FaultKind.REDIS_KILL, FaultKind.POSTGRES_KILL}
RESTARTS: Final = frozenset(
    {FaultKind.REDIS_KILL, FaultKind.REDIS_RESTART, FaultKind.POSTGRES_KILL, FaultKind.POSTGRES_RESTART}
)

_OF_TEN_KILLS: Final = (
    *[FaultKind.WORKER_PROCESS] * 4,
    *[FaultKind.WORKER_TREE] * 3,
    FaultKind.WORKER_MASTER,
    FaultKind.REDIS_KILL,
    FaultKind.POSTGRES_KILL,
)
_BESIDES: Final = (FaultKind.REDIS_RESTART, FaultKind.REDIS_FLUSH, FaultKind.POSTGRES_RESTART)
"""Once each for every ten kills, and at least once."""


class Change(StrEnum):
    """What may change during a blast."""

    UNSUBSCRIBE = "unsubscribe"
    WITHDRAW = "withdraw"
    ERASE = "erase"


@dataclass(frozen=True)
class Order:
    """What was asked for."""

    recipients: int
    kills: int
    seed: int

    @property
    def seconds(self) -> float:
        """How long things happen; what is on its way then settles in peace."""
        return max(SHORTEST, CALM + SPACING * self.kills)

    @property
    def rate(self) -> int:
        """Mails a second that let the blast last as long as things happen."""
        return max(20, round(self.recipients / self.seconds * 1.15) + 2 * SIGN_UPS)


SIGN_UPS: Final = 4
"""Sign-ups a second."""


@dataclass(frozen=True)
class PlannedFault:
    """One fault. ``victim`` and ``rest`` are drawn numbers from 0 to 1: who, and how long until it is started again."""

    at: float
    kind: FaultKind
    victim: float
    rest: float


@dataclass(frozen=True)
class ConsentChange:
    """A recipient of the update changes their mind: recipient number ``recipient`` of the audience."""

    at: float
    change: Change
    recipient: int


@dataclass(frozen=True)
class SignUp:
    """A new signer: what they will do, drawn beforehand."""

    at: float
    number: int
    confirms_after: float | None
    """Seconds from the mail to the press of the button; never, if None."""
    changes: Change | None
    """What they do when the thank-you has come."""


@dataclass(frozen=True)
class Plan:
    """All that will happen. Moments are seconds from the start of the blast."""

    order: Order
    faults: tuple[PlannedFault, ...]
    changes: tuple[ConsentChange, ...]
    sign_ups: tuple[SignUp, ...]


def make_plan(order: Order) -> Plan:
    """Draw the plan of an order."""
    return Plan(order, _faults(order), _changes(order), _sign_ups(order))


def _faults(order: Order) -> tuple[PlannedFault, ...]:
    dice = Random(f"strikes {order.seed}")  # noqa: S311 - a drill's dice
    kills: list[FaultKind] = []
    while len(kills) < order.kills:
        kills += dice.sample(_OF_TEN_KILLS, len(_OF_TEN_KILLS))
    kinds = kills[: order.kills] + list(_BESIDES) * max(1, order.kills // 10)
    moments = sorted(dice.uniform(CALM, order.seconds) for _ in kinds)
    dice.shuffle(kinds)
    return tuple(
        PlannedFault(moment, kind, dice.random(), dice.random()) for moment, kind in zip(moments, kinds, strict=True)
    )


def _changes(order: Order) -> tuple[ConsentChange, ...]:
    dice = Random(f"changes {order.seed}")  # noqa: S311 - a drill's dice
    number = min(order.recipients // 3, max(3, int(2 * order.seconds)))
    who = dice.sample(range(order.recipients), number)
    moments = sorted(dice.uniform(0.5, order.seconds * 0.9) for _ in who)
    kinds = list(Change)
    return tuple(
        ConsentChange(moment, dice.choice(kinds), recipient) for moment, recipient in zip(moments, who, strict=True)
    )


def _sign_ups(order: Order) -> tuple[SignUp, ...]:
    dice = Random(f"sign-ups {order.seed}")  # noqa: S311 - a drill's dice
    number = int(order.seconds * SIGN_UPS)
    moments = sorted(dice.uniform(0, order.seconds) for _ in range(number))
    return tuple(
        SignUp(
            at=moment,
            number=index,
            confirms_after=dice.uniform(0.1, 3) if dice.random() < CONFIRM else None,
            changes=dice.choice(list(Change)) if dice.random() < REPENT else None,
        )
        for index, moment in enumerate(moments)
    )


CONFIRM, REPENT = 0.8, 0.3
"""Shares of those who signed who confirm, and of those who are thanked who change something."""
