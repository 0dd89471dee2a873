"""Counters that only grow, over all processes and restarts: for /metrics, which must not count the ledger.

What is counted is added in the transaction that records it, by one statement just before its commit, so that it is
counted once or not at all, and a row is locked no longer than a commit takes. The sums are spread over
:data:`SLOTS` rows, by thread, so that two transactions seldom need the same one. Docs: ADR 28.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

SLOTS: Final = 8
"""Rows that one sum is spread over."""

SUM: Final = "sum"
"""In the place of a bound: the sum of all that was observed, in seconds."""

BEYOND: Final = "+Inf"
"""In the place of a bound: what is above all of them."""

_BETWEEN = "\t"

Key = tuple[str, str]
"""Name, and the values of the labels with tabs between them; of a histogram the bound, or :data:`SUM`, comes last."""


@dataclass(frozen=True)
class Counted:
    """Something that is counted, or, if it has ``bounds``, a time in seconds whose distribution is."""

    name: str
    """Its name in /metrics, after ``countersign_``."""
    about: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, each inclusive, in ascending order."""


MESSAGES: Final = Counted(
    "messages_total", "Outcomes of messages, when they were recorded.", ("kind", "lane", "outcome")
)
"""Each outcome is a :class:`campaign.outbox.counted.MessageOutcome`."""

SIGN_UPS: Final = Counted(
    "sign_ups_total",
    "Forms to sign: requested, then admitted or refused by a worker, then confirmed.",
    ("outcome", "reason"),
)

CONFIRMATION_LATENCY: Final = Counted(
    "confirmation_latency_seconds",
    "From the form sent until the mail server took the first confirmation email.",
    (),
    (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 21600.0),
)

CONFIRMED_LATENCY: Final = Counted(
    "confirmed_latency_seconds",
    "From the form sent until the signature was confirmed.",
    (),
    (15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0, 259200.0, 604800.0),
)

HTTP_REQUESTS: Final = Counted(
    "http_requests_total", "Requests answered by the web processes.", ("route", "method", "status")
)

HTTP_DURATION: Final = Counted(
    "http_request_duration_seconds",
    "From the whole request received until the answer began.",
    ("route",),
    (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)

ALL: Final = (MESSAGES, SIGN_UPS, CONFIRMATION_LATENCY, CONFIRMED_LATENCY, HTTP_REQUESTS, HTTP_DURATION)
"""Everything that is counted."""


class Sums(dict[Key, float]):
    """What is to be added."""

    def count(self, what: Counted, *labels: str, number: float = 1) -> None:
        """Count something, with the values of its labels in their order."""
        key = what.name, _BETWEEN.join(labels)
        self[key] = self.get(key, 0) + number

    def observe(self, what: Counted, seconds: float, *labels: str) -> None:
        """Count a time in its bucket; one below zero, for clocks differ, is taken as zero."""
        seconds = max(seconds, 0.0)
        place = bisect_left(what.bounds, seconds)
        self.count(what, *labels, str(what.bounds[place]) if place < len(what.bounds) else BEYOND)
        self.count(what, *labels, SUM, number=seconds)

    def observe_many(self, what: Counted, buckets: Sequence[int], seconds: float, *labels: str) -> None:
        """Count times that are sorted into buckets already: one number for each bound, and one for what is beyond."""
        for bound, number in zip([*map(str, what.bounds), BEYOND], buckets, strict=True):
            if number:
                self.count(what, *labels, bound, number=number)
        self.count(what, *labels, SUM, number=seconds)

    def add(self, others: Mapping[Key, float]) -> None:
        """Add other sums to these."""
        for key, number in others.items():
            self[key] = self.get(key, 0) + number


_ADD: Final = text("""
    insert into counter (name, labels, slot, value)
    select c.name, c.labels, :slot, c.value
    from unnest(cast(:names as text[]), cast(:labels as text[]), cast(:numbers as float8[])) as c(name, labels, value)
    order by c.name, c.labels
    on conflict (name, labels, slot) do update set value = counter.value + excluded.value""")
"""In the order of the key, so that two transactions that do share a slot wait for each other in one order."""


def write(connection: Connection, sums: Mapping[Key, float]) -> None:
    """Add sums to the table, in one statement; the rows are locked until the transaction ends."""
    connection.execute(
        _ADD,
        {
            "slot": threading.get_native_id() % SLOTS,
            "names": [name for name, _labels in sums],
            "labels": [labels for _name, labels in sums],
            "numbers": [float(number) for number in sums.values()],
        },
    )


def read(connection: Connection) -> dict[str, dict[tuple[str, ...], float]]:
    """All sums: by name, then by the values of the labels as in :data:`Key`."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for name, labels, value in connection.execute(
        text("select name, labels, sum(value) from counter group by name, labels order by name, labels")
    ):
        found.setdefault(name, {})[_split(labels)] = value
    return found


def _split(labels: str) -> tuple[str, ...]:
    return tuple(labels.split(_BETWEEN)) if labels else ()


@dataclass(frozen=True)
class Histogram:
    """The distribution of a time for some labels."""

    labels: tuple[str, ...]
    buckets: tuple[tuple[str, float], ...]
    """Upper bounds, the last of them ``+Inf``, each with the number of times up to it."""
    seconds: float
    """The sum of all times."""


def histograms(what: Counted, sums: Mapping[tuple[str, ...], float]) -> Iterable[Histogram]:
    """The histograms in what :func:`read` gave for a name; bounds of another release are kept."""
    by_labels: dict[tuple[str, ...], dict[str, float]] = {}
    for (*labels, bound), value in sums.items():
        by_labels.setdefault(tuple(labels), {})[bound] = value
    for one, numbers in by_labels.items():
        seconds = numbers.pop(SUM, 0.0)
        bounds = sorted({*map(str, what.bounds), *numbers, BEYOND}, key=float)
        reached, buckets = 0.0, []
        for bound in bounds:
            reached += numbers.get(bound, 0.0)
            buckets.append((bound, reached))
        yield Histogram(one, tuple(buckets), seconds)
