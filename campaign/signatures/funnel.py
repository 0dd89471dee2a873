"""The confirmation funnel by mail provider: asked, accepted, delivered, opened, confirmed, and how long it took.

A job measures the sign-ups of today and yesterday every few minutes, but for the last hour's, and keeps their numbers
by day, petition and provider; what is erased later stays counted. Each provider is compared with its own four weeks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import text

from campaign.accounts.mail_providers import PROVIDERS
from campaign.database.connection import Transaction
from campaign.runtime import Runtime
from campaign.signatures.page_opens import PageOpens

ALL: Final = 0
"""In the place of a petition: all of them."""

BASELINE: Final = timedelta(days=28)
KEPT: Final = timedelta(days=62)

SETTLE: Final = timedelta(hours=1)
"""Sign-ups younger than this may still be confirmed: they are not measured yet."""

LEAST: Final = 20
"""Sign-ups of a provider below which a low share is chance."""
LEAST_BEFORE: Final = 100
"""The same for its past."""

FALL: Final = 0.6
"""A provider is under its baseline if its share is less than this part of it, and chance is no explanation."""
SIGMAS: Final = 3.0


@dataclass(frozen=True)
class Step:
    """One provider over some time."""

    mail_provider: str
    asked: int
    """Sign-ups whose confirmation was asked for."""
    accepted: int
    """Of these, emails that our mail server took."""
    delivered: int
    """Of these, as far as their provider tells."""
    opened: int | None
    """Confirm pages that were opened, by a reader or a mail scanner; about. None: not known."""
    confirmed: int
    median_minutes: float | None
    """From the form to the confirmation."""

    @property
    def share(self) -> float | None:
        """Confirmed of asked; None without any."""
        return self.confirmed / self.asked if self.asked else None


@dataclass(frozen=True)
class ProviderFunnel:
    """One provider: the last days, and the four weeks before them."""

    now: Step
    before: Step
    is_low: bool = False
    """True if fewer have confirmed since yesterday than usual with this provider, by more than chance."""


def is_low(now: Step, before: Step) -> bool:
    """True if the share of those who confirm has fallen under the provider's own baseline.

    Both must rest on enough sign-ups, and the fall must be larger than chance makes it (a binomial proportion).
    """
    if now.asked < LEAST or before.asked < LEAST_BEFORE:
        return False
    usual, share = before.confirmed / before.asked, now.confirmed / now.asked
    chance = math.sqrt(usual * (1 - usual) / now.asked)
    return share < FALL * usual and usual - share > SIGMAS * chance


_STEPS = """
    count(*) as asked, count(*) filter (where m.accepted) as accepted,
    count(*) filter (where m.delivered) as delivered, count(*) filter (where s.confirmed_at is not null) as confirmed,
    percentile_cont(0.5) within group (order by extract(epoch from s.confirmed_at - s.requested_at) / 60.0)
        filter (where s.confirmed_at is not null) as median_minutes"""

_OF_SIGN_UPS = """
    from signature s left join lateral (
        select bool_or(m.state = 'accepted') as accepted, bool_or(m.came_back = 'delivered') as delivered
        from message m where m.signature_id = s.id and m.kind = 'confirmation' and m.blast_id is null) m on true
    where s.requested_at >= :since and s.requested_at < :until and s.mail_provider is not null"""


def measure(runtime: Runtime) -> int:
    """The job: measure today and yesterday; returns how many rows were written. It may run twice."""
    now = runtime.clock()
    today = now.astimezone(UTC).date()
    yesterday = today - timedelta(days=1)
    petitions = runtime.store.transact(lambda tx: _petitions(tx, since=_midnight(yesterday)))
    places = [
        (day, petition_id, provider)
        for day in (yesterday, today)
        for petition_id in (ALL, *petitions)
        for provider in PROVIDERS
    ]
    opens = PageOpens.of(runtime.settings)
    opened = opens.numbers(places)
    opens.close()

    def work(tx: Transaction) -> int:
        tx.execute(text("delete from confirmation_funnel where day < :before"), before=today - KEPT)
        written = tx.execute(
            text(f"""
            insert into confirmation_funnel as f (day, petition_id, mail_provider, asked, accepted, delivered,
                confirmed, median_minutes)
            select (s.requested_at at time zone 'UTC')::date as day, coalesce(s.petition_id, 0), s.mail_provider,
                {_STEPS}
            {_OF_SIGN_UPS}
            group by grouping sets ((1, s.mail_provider), (1, s.mail_provider, s.petition_id))
            on conflict (day, petition_id, mail_provider) do update set asked = greatest(f.asked, excluded.asked),
                accepted = greatest(f.accepted, excluded.accepted),
                delivered = greatest(f.delivered, excluded.delivered),
                confirmed = greatest(f.confirmed, excluded.confirmed), median_minutes = excluded.median_minutes"""),
            since=_midnight(yesterday),
            until=now - SETTLE,
        ).rowcount
        if opened is not None:
            _keep_opened(tx, {place: number for place, number in opened.items() if number})
        return written

    return runtime.store.transact(work)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _petitions(tx: Transaction, *, since: datetime) -> list[int]:
    rows = tx.execute(
        text("select distinct petition_id from signature where requested_at >= :since order by 1"), since=since
    )
    return list(rows.scalars())


def _keep_opened(tx: Transaction, opened: Mapping[tuple[date, int, str], int]) -> None:
    tx.execute(
        text("""
        update confirmation_funnel f set opened = o.number
        from unnest(cast(:days as date[]), cast(:petitions as int[]), cast(:providers as text[]),
            cast(:numbers as int[])) as o(day, petition_id, mail_provider, number)
        where f.day = o.day and f.petition_id = o.petition_id and f.mail_provider = o.mail_provider"""),
        days=[day for day, _, _ in opened],
        petitions=[petition_id for _, petition_id, _ in opened],
        providers=[provider for _, _, provider in opened],
        numbers=list(opened.values()),
    )


def by_provider(runtime: Runtime, petition_id: int = ALL, *, days: int = 7) -> tuple[ProviderFunnel, ...]:
    """Providers with sign-ups in the last days, those with the most first, each with its four weeks before.

    Args:
        runtime: the runtime.
        petition_id: of one petition; :data:`ALL` by default.
        days: how many days, today included.
    """
    today = runtime.clock().astimezone(UTC).date()
    first = today - timedelta(days=days - 1)

    def work(tx: Transaction) -> tuple[ProviderFunnel, ...]:
        now = _sums(tx, petition_id, since=first, until=today)
        before = _sums(tx, petition_id, since=first - BASELINE, until=first - timedelta(days=1))
        low = {found.now.mail_provider for found in alarms(tx, now=runtime.clock())} if petition_id == ALL else set()
        return tuple(
            ProviderFunnel(step, before.get(name, _nothing(name)), is_low=name in low)
            for name, step in sorted(now.items(), key=lambda pair: -pair[1].asked)
        )

    return runtime.store.transact(work)


def alarms(tx: Transaction, *, now: datetime) -> list[ProviderFunnel]:
    """Providers with which fewer have confirmed since yesterday than usual, over all petitions."""
    today = now.astimezone(UTC).date()
    before = _sums(tx, ALL, since=today - BASELINE, until=today - timedelta(days=2))
    return [
        ProviderFunnel(step, before[step.mail_provider], is_low=True)
        for step in last_days(tx, now=now)
        if step.mail_provider in before and is_low(step, before[step.mail_provider])
    ]


def last_days(tx: Transaction, *, now: datetime) -> tuple[Step, ...]:
    """The sign-ups of today and yesterday by provider, over all petitions."""
    today = now.astimezone(UTC).date()
    return tuple(_sums(tx, ALL, since=today - timedelta(days=1), until=today).values())


def _nothing(name: str) -> Step:
    return Step(name, asked=0, accepted=0, delivered=0, opened=None, confirmed=0, median_minutes=None)


def _sums(tx: Transaction, petition_id: int, *, since: date, until: date) -> dict[str, Step]:
    rows = tx.execute(
        text("""
        select mail_provider, cast(sum(asked) as int) as asked, cast(sum(accepted) as int) as accepted,
            cast(sum(delivered) as int) as delivered, cast(sum(opened) as int) as opened,
            cast(sum(confirmed) as int) as confirmed,
            sum(median_minutes * confirmed) / nullif(sum(confirmed) filter (where median_minutes is not null), 0)
                as median_minutes
        from confirmation_funnel
        where petition_id = :petition_id and day between :since and :until group by mail_provider"""),
        petition_id=petition_id,
        since=since,
        until=until,
    )
    return {row.mail_provider: Step(**row._asdict()) for row in rows}
