"""How the mail of a lane was received in the last day: what was refused, came back, or was marked as spam."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from campaign.blasts.rules import is_badly_received, is_complained_of
from campaign.database.connection import Transaction
from campaign.states import LOST_KINDS, Lane

WINDOW: Final = timedelta(hours=24)


@dataclass(frozen=True)
class LaneReception:
    """What became of the mail of a lane within :data:`WINDOW`, or since the lane was resumed."""

    accepted: int
    rejected: int
    bounced: int
    complained: int

    @property
    def reason(self) -> str:
        """A sentence if more of it was lost, or complained of, than is well; else empty."""
        if is_badly_received(lost=self.rejected + self.bounced, judged=self.accepted + self.rejected):
            lost, judged = self.rejected + self.bounced, self.accepted + self.rejected
            return f"{lost:,} of {judged:,} emails of the last 24 hours were refused or came back"
        if is_complained_of(complained=self.complained, accepted=self.accepted):
            return f"{self.complained:,} of {self.accepted:,} readers of the last 24 hours marked our mail as spam"
        return ""


def of_lane(tx: Transaction, lane: Lane, *, now: datetime) -> LaneReception:
    """Count what was lost in a lane; updates that paused by themselves are dealt with and left out."""
    row = tx.execute(
        text("""
        with since as (
            select greatest(cast(:since as timestamptz), (
                select max(at) from audit_entry where action = 'lane.resume' and detail ->> 'lane' = :lane)) as at),
        paused as (
            select distinct subject_id as id from audit_entry, since
            where action = 'blast.pause' and subject = 'blast' and actor = 'system' and audit_entry.at >= since.at),
        rejected as (
            select count(*) as n from message m, since
            where m.state = 'rejected' and m.settled_at >= since.at and m.lane = cast(:lane as lane_name)
                and (m.blast_id is null or m.blast_id not in (select id from paused))),
        told as (
            select count(distinct e.message_id) filter (where e.kind = 'complained') as complained,
                count(distinct e.message_id) filter (where e.kind <> 'complained') as bounced
            from since cross join delivery_event e join message m on m.id = e.message_id
            where e.kind = any(cast(:kinds as text[])) and e.received_at >= since.at
                and m.lane = cast(:lane as lane_name)
                and (m.blast_id is null or m.blast_id not in (select id from paused)))
        select r.n as rejected, t.bounced, t.complained,
            (select coalesce(sum(a.accepted), 0) from lane_minute a, since
                where a.lane = cast(:lane as lane_name) and a.minute >= date_trunc('minute', since.at)) as accepted
        from rejected r, told t"""),
        lane=str(lane),
        since=now - WINDOW,
        kinds=[str(kind) for kind in LOST_KINDS],
    ).one()
    return LaneReception(
        accepted=int(row.accepted), rejected=row.rejected, bounced=row.bounced, complained=row.complained
    )
