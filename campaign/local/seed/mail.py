"""Seeding of mail: what a petition of some age has in its ledger, all of it settled, so that nothing is ever sent."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from campaign.errors import ConflictError
from campaign.local.seed import queries
from campaign.runtime import Runtime

SLICE: Final = 50_000
"""Signatures whose messages are inserted in one transaction."""

MOST_BLASTS: Final = 1_000
"""Updates of one seeding."""

SPREAD: Final = timedelta(hours=2)
"""Within this time after an update starts, its messages are settled; sooner if updates follow sooner."""

CANCELLED_EVERY: Final = 8
"""Every so many updates, one was cancelled after two fifths of its mail."""


@dataclass(frozen=True)
class MailPlan:
    """The mail of one seeding. ``salt`` chooses the outcomes."""

    petition_id: int
    messages: int
    salt: int
    now: datetime
    span: timedelta

    @property
    def own_spread(self) -> timedelta:
        """Time from a sign-up to the end of its mail."""
        return min(timedelta(seconds=20), self.span / 100)


def check(plan: MailPlan, *, own: int, audience: float) -> int:
    """How many updates are needed.

    Args:
        plan: the mail.
        own: mail that the signers cause themselves.
        audience: signers who want updates, as many as are expected.

    Raises:
        ConflictError: the audience is too small for so much mail.
    """
    left = max(0, plan.messages - own)
    if not left:
        return 0
    # Signatures grow with the square of the time: an update reaches a third of the final audience on average.
    number = ceil(3 * left / audience) if audience >= 1 else MOST_BLASTS + 1
    if number > MOST_BLASTS:
        raise ConflictError(
            f"{plan.messages:,} messages are too many for these signatures: {left:,} would be updates to about "
            f"{audience:,.0f} signers. Add more --signatures, with --confirmed and a larger --updates, or take fewer "
            "--messages."
        )
    return number


def add_mail(
    runtime: Runtime, plan: MailPlan, ids: Sequence[int], *, blasts: int, progress: Callable[[int], object]
) -> int:
    """Add mail for the signatures with these ids; returns how many messages.

    Own mail comes first, then updates, until there are as many messages as planned.
    """
    added = 0
    for part in _slices(ids):
        limit = plan.messages - added
        if limit <= 0:
            break
        added += runtime.store.transact(
            lambda tx, part=part, limit=limit: queries.add_own_mail(  # type: ignore[misc]
                tx, plan.petition_id, part, now=plan.now, limit=limit, salt=plan.salt, spread=plan.own_spread
            )
        )
        progress(added)
    number = 0
    while added < plan.messages and number < 2 * MOST_BLASTS and blasts:
        added = _add_blast(runtime, plan, ids, number=number, of=blasts, added=added, progress=progress)
        number += 1
    runtime.store.transact(queries.refresh_statistics)
    return added


def _slices(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[first : first + SLICE] for first in range(0, len(ids), SLICE))


def _add_blast(
    runtime: Runtime,
    plan: MailPlan,
    ids: Sequence[int],
    *,
    number: int,
    of: int,
    added: int,
    progress: Callable[[int], object],
) -> int:
    """One update; returns how many messages there are then."""
    step = plan.span / of
    spread = min(SPREAD, step / 2)
    # Those that are needed beyond the estimate are as recent as the last one.
    at = plan.now - spread - step * max(0, of - 1 - number)
    is_cancelled = number % CANCELLED_EVERY == CANCELLED_EVERY - 1
    key = f"seed.{plan.petition_id}.{plan.salt}.{ids[0]}.{number}"
    blast_id = runtime.store.transact(
        lambda tx: queries.add_sent_blast(
            tx, plan.petition_id, at=at, request_key=key, limit=ids[-1], is_cancelled=is_cancelled
        )
    )
    for part in _slices(ids):
        limit = plan.messages - added
        if limit <= 0:
            break
        added += runtime.store.transact(
            lambda tx, part=part, limit=limit: queries.add_blast_mail(  # type: ignore[misc]
                tx,
                plan.petition_id,
                blast_id,
                part,
                at=at,
                now=plan.now,
                limit=limit,
                salt=plan.salt + 10 + number,
                spread=spread,
                cancelled=0.6 if is_cancelled else 0,
            )
        )
        progress(added)
    return added
