"""Lanes: paused by people or by trouble, and what the mail server last said."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from campaign.database.connection import Transaction
from campaign.states import Lane

RESTORED = "A backup was restored: look at what waits before you resume."
"""Reason of a pause after a restore; sign-in links that are asked for meanwhile pass it, or no admin could resume."""


@dataclass(frozen=True)
class LaneState:
    """Whether and why a lane is paused."""

    lane: Lane
    paused_at: datetime | None
    paused_by: str | None
    paused_reason: str | None
    not_before: datetime | None
    troubles: int
    last_answer: str | None
    last_answer_at: datetime | None
    troubled_at: datetime | None = None
    """When the present row of failures of the mail server began."""
    refused_at: datetime | None = None
    """When a domain last blocked our mail for our reputation, and was held."""
    refused_answer: str | None = None
    last_relay: str | None = None
    """The relay that was in trouble last, host:port."""
    last_phase: str | None = None
    """The SMTP phase of that trouble."""


def all_lanes(tx: Transaction) -> list[LaneState]:
    """Both lanes."""
    rows = tx.execute(
        text("""
        select name, paused_at, paused_by, paused_reason, not_before, troubles, last_answer, last_answer_at,
            troubled_at, refused_at, refused_answer, last_relay, last_phase
        from lane order by name""")
    )
    return [LaneState(Lane(row[0]), *tuple(row)[1:]) for row in rows]


def pause(tx: Transaction, lane: Lane, *, by: str, reason: str, now: datetime) -> bool:
    """Stop claiming in a lane; False if it was paused already (the first reason stays)."""
    return (
        tx.execute(
            text("""
            update lane set paused_at = :now, paused_by = :by, paused_reason = :reason
            where name = :lane and paused_at is null"""),
            lane=str(lane),
            by=by,
            reason=reason,
            now=now,
        ).rowcount
        == 1
    )


def resume(tx: Transaction, lane: Lane) -> bool:
    """Let a lane flow again, at once; False if nothing held it."""
    tx.nudge(lane)
    return (
        tx.execute(
            text("""
            update lane set paused_at = null, paused_by = null, paused_reason = null, not_before = null, troubles = 0,
                troubled_at = null, refusals = 0, refused_by = '{}', last_phase = null
            where name = :lane and (paused_at is not null or not_before is not null)"""),
            lane=str(lane),
        ).rowcount
        == 1
    )


def open_circuit(
    tx: Transaction,
    lane: Lane,
    *,
    not_before: datetime,
    answer: str,
    now: datetime,
    relay: str | None = None,
    phase: str | None = None,
) -> bool:
    """Hold a lane back because the mail server itself is in trouble; False if it is held back already.

    ``relay`` is host:port. Workers, on several hosts perhaps, that meet the same trouble at the same time count as one.
    """
    return (
        tx.execute(
            text("""
            update lane set not_before = :not_before, troubles = least(troubles + 1, 1000), last_answer = :answer,
                last_answer_at = :now, troubled_at = coalesce(troubled_at, :now), last_relay = :relay,
                last_phase = :phase
            where name = :lane and (not_before is null or not_before <= :now)"""),
            lane=str(lane),
            not_before=not_before,
            answer=answer,
            now=now,
            relay=relay,
            phase=phase,
        ).rowcount
        == 1
    )


def close_circuit(tx: Transaction, lane: Lane, *, now: datetime) -> None:
    """Note that the mail server works."""
    tx.execute(
        text("""
        update lane set not_before = null, troubles = 0, troubled_at = null, last_answer = null,
            last_phase = null, last_answer_at = :now, refusals = 0, refused_by = '{}'
        where name = :lane and (troubles > 0 or not_before is not null or refusals > 0)"""),
        lane=str(lane),
        now=now,
    )


def troubles(tx: Transaction, lane: Lane) -> int:
    """Failures of the mail server in a row, as a whole, not of single messages."""
    return int(tx.execute(text("select troubles from lane where name = :lane"), lane=str(lane)).scalar_one())


def refused(tx: Transaction, lane: Lane, *, number: int, receivers: Collection[bytes]) -> tuple[int, frozenset[bytes]]:
    """Count reputation blocks; returns those since the last acceptance, and by which receivers."""
    row = tx.execute(
        text("""
        update lane set refusals = least(refusals + :number, 1000), refused_by = (
            select array_agg(key order by key) from (
                select unnest(refused_by) as key union select unnest(cast(:keys as bytea[])) limit 100) as known)
        where name = :lane returning refusals, refused_by"""),
        lane=str(lane),
        number=number,
        keys=sorted(receivers),
    ).one()
    return row.refusals, frozenset(bytes(key) for key in row.refused_by)


def note_refusal(tx: Transaction, lane: Lane, *, answer: str, now: datetime) -> None:
    """Note that a domain blocks our mail for our reputation and is held, so that the admins are told."""
    tx.execute(
        text("update lane set refused_at = :now, refused_answer = :answer where name = :lane"),
        lane=str(lane),
        now=now,
        answer=answer,
    )


def took_mail(tx: Transaction, *, since: datetime) -> bool:
    """True if a mail server accepted mail of ours since a moment, in whichever lane."""
    return bool(
        tx.execute(
            text("""
            select exists (
                select 1 from message
                where lane = any(enum_range(null::lane_name)) and state = 'accepted' and settled_at >= :since)"""),
            since=since,
        ).scalar_one()
    )
