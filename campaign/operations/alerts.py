"""Alerts: when a lane stops by itself, each admin gets one mail per cause and hour; of a blast its organisers too."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from sqlalchemy import text

from campaign import i18n
from campaign.blasts import queries as blast_queries
from campaign.database import jobs as database_jobs
from campaign.database.connection import Transaction
from campaign.operations import reception
from campaign.operations.health import WORKER_SEEN
from campaign.operations.job_names import job_name
from campaign.operations.lanes import SYSTEM
from campaign.operations.phrases import foreign, lane_name
from campaign.operations.standing import Standing, folder_trouble, hold_of
from campaign.outbox import lanes, workers
from campaign.outbox.lanes import LaneState
from campaign.runtime import Runtime
from campaign.signatures import funnel
from campaign.states import Lane, MessageKind


@dataclass(frozen=True)
class Alert:
    """One trouble that people are told about; with a blast, the address of its petition too."""

    id: int
    cause: str
    lane: Lane
    began_at: datetime
    ended_at: datetime | None
    reason: str
    blast_id: int | None = None
    slug: str = ""


def tell(
    tx: Transaction,
    *,
    cause: str,
    lane: Lane,
    began_at: datetime,
    reason: str,
    now: datetime,
    quiet: timedelta | None,
    blast_id: int | None = None,
) -> int | None:
    """Claim the turn to tell people; None for everybody but the first caller within ``quiet``.

    Without ``quiet`` each beginning is told once, however long it lasts.
    """
    told: int | None = tx.execute(
        text("""
        insert into alert as a (cause, lane, began_at, told_at, reason, blast_id)
        values (:cause, :lane, :began_at, :now, :reason, :blast_id)
        on conflict (cause, lane, blast_id) do update
            set began_at = excluded.began_at, told_at = excluded.told_at, reason = excluded.reason, ended_at = null
            where case when cast(:before as timestamptz) is null then a.began_at <> excluded.began_at
                else a.told_at <= :before end
        returning a.id"""),
        cause=cause,
        lane=str(lane),
        began_at=began_at,
        reason=reason,
        now=now,
        blast_id=blast_id,
        before=None if quiet is None else now - quiet,
    ).scalar_one_or_none()
    return told


def end(tx: Transaction, lane: Lane, *, but: Collection[str], now: datetime) -> int:
    """Note that the troubles of a lane are over, but for the causes that still hold."""
    return tx.execute(
        text("""
        update alert set ended_at = :now
        where lane = :lane and blast_id is null and ended_at is null and cause <> all(cast(:but as text[]))"""),
        lane=str(lane),
        but=list(but),
        now=now,
    ).rowcount


def end_of_blasts(tx: Transaction, *, but: Collection[int], now: datetime) -> int:
    """Note that the troubles of blasts are over, but for those that still stand."""
    return tx.execute(
        text("""
        update alert set ended_at = :now
        where blast_id is not null and ended_at is null and blast_id <> all(cast(:but as int[]))"""),
        but=list(but),
        now=now,
    ).rowcount


def plan_mails(tx: Transaction, alert_id: int, *, by: Lane, now: datetime) -> int:
    """Plan one mail to each admin, but to those who have one about this alert on its way; returns how many.

    Of an alert about a blast those are told too who wrote it, let it go or organise its petition.

    Args:
        tx: the transaction.
        alert_id: what they are told of.
        by: the lane that carries the mails.
        now: the present moment.
    """
    tx.nudge(by)
    return tx.execute(
        text("""
        insert into message (kind, lane, planned_at, due_at, account_id, about_id)
        select cast(:kind as message_kind), cast(:by as lane_name), :now, :now, a.id, :alert_id from account a
        where a.disabled_at is null and (a.role = 'admin' or a.id in (
            select unnest(array[b.created_by, b.approved_by] || array(
                select account_id from membership where petition_id = b.petition_id))
            from alert t join blast b on b.id = t.blast_id where t.id = :alert_id)) and not exists (
            select 1 from message m where m.account_id = a.id and m.kind = :kind and m.about_id = :alert_id
                and m.state in ('planned', 'claimed', 'submitting'))"""),
        kind=str(MessageKind.ADMIN_ALERT),
        by=str(by),
        alert_id=alert_id,
        now=now,
    ).rowcount


def by_ids(tx: Transaction, alert_ids: Collection[int]) -> dict[int, Alert]:
    """Alerts by id."""
    rows = tx.execute(
        text("""
        select a.id, a.cause, a.lane, a.began_at, a.ended_at, a.reason, a.blast_id, coalesce(p.slug, '') as slug
        from alert a left join blast b on b.id = a.blast_id left join petition p on p.id = b.petition_id
        where a.id = any(:ids)"""),
        ids=list(alert_ids),
    )
    return {
        row.id: Alert(row.id, row.cause, Lane(row.lane), row.began_at, row.ended_at, row.reason, row.blast_id, row.slug)
        for row in rows
    }


_LATEST = "greatest(a.told_at, a.ended_at)"
"""The last thing that there is to tell of an alert: that it began, or that it is over."""


def untold(tx: Transaction, *, since: datetime, limit: int) -> list[Alert]:
    """Alerts with news since a moment that the service of COUNTERSIGN_ALERT_URL has not heard, the oldest first."""
    ids = tx.execute(
        text(f"""
        select a.id from alert a
        where {_LATEST} > :since and (a.hook_told_at is null or a.hook_told_at < {_LATEST})
        order by {_LATEST}, a.id limit :limit"""),
        since=since,
        limit=limit,
    ).scalars()
    ordered = list(ids)
    found = by_ids(tx, ordered)
    return [found[alert_id] for alert_id in ordered]


def told_by_hook(tx: Transaction, alert_id: int, *, now: datetime) -> None:
    """Note that the service has heard of an alert."""
    tx.execute(text("update alert set hook_told_at = :now where id = :id"), id=alert_id, now=now)


QUIET = timedelta(hours=1)
"""No second alert for the same cause within this time."""

PATIENCE = timedelta(minutes=1)
"""A mail server that restarts is no news."""


class Cause(StrEnum):
    """What admins are told about."""

    PAUSED = "paused"
    """The lane paused itself, because the mail server refuses our mail or our sign-in."""
    MAIL_SERVER = "mail_server"
    """The mail server has given no session for more than :data:`PATIENCE`."""
    REFUSED = "refused"
    """One receiver blocks our mail for our reputation and is held; the others are served."""
    CAME_BACK = "came_back"
    """Too much urgent mail of the last day was refused or came back; the lane is not paused, for readers wait."""
    FUNNEL = "funnel"
    """With one mail provider fewer readers confirm than usual: our mail may lie in its spam folders."""
    JOB = "job"
    """A periodic job has failed for more than :data:`PATIENCE`."""
    FOLDER = "folder"
    """The data folder of a host is full or not writable, so that it sends nothing."""
    BLAST = "blast"
    """A blast paused itself: too many rejections or complaints, or its text is refused."""


@dataclass(frozen=True)
class _ActiveAlert:
    cause: Cause
    began_at: datetime
    reason: str
    quiet: timedelta = QUIET


def watch(runtime: Runtime) -> int:
    """Check lanes and blasts and alert admins where action is needed; returns how many mails were planned.

    Any number of workers may look: the row of an alert gives the turn to one of them.
    """
    now = runtime.clock()

    def work(tx: Transaction) -> int:
        states = lanes.all_lanes(tx)
        planned = sum(_watch_lane(tx, state, now, by=_carrier(states, state.lane, now)) for state in states)
        return planned + _watch_blasts(tx, now, by=_carrier(states, Lane.BULK, now))

    return runtime.store.transact(work)


def _carrier(states: Sequence[LaneState], about: Lane, now: datetime) -> Lane:
    """The lane that carries the mails about a trouble: another one than it is about, if that can send."""
    able = {state.lane for state in states if state.paused_at is None and (state.not_before or now) <= now}
    return next((lane for lane in Lane if lane is not about and lane in able), Lane.URGENT)


def _watch_lane(tx: Transaction, state: LaneState, now: datetime, *, by: Lane) -> int:
    troubles = [
        *_troubles(state, now),
        *_badly_received(tx, state, now),
        *_unconfirmed(tx, state, now),
        *_jobs(tx, state, now),
        *_folders(tx, state, now),
    ]
    end(tx, state.lane, but=[trouble.cause for trouble in troubles], now=now)
    planned = 0
    for trouble in troubles:
        alert_id = tell(
            tx,
            cause=trouble.cause,
            lane=state.lane,
            began_at=trouble.began_at,
            reason=trouble.reason,
            now=now,
            quiet=trouble.quiet,
        )
        if alert_id is not None:
            planned += plan_mails(tx, alert_id, by=by, now=now)
    return planned


def _badly_received(tx: Transaction, state: LaneState, now: datetime) -> Iterator[_ActiveAlert]:
    """Pause bulk mail that too many servers return or readers complain of; of urgent mail only tell the admins.

    A confirmation goes to an address that was typed a moment ago: some are wrong, and those who wait for theirs must
    not wait for an admin.
    """
    if state.paused_at is not None:
        return
    reason = reception.of_lane(tx, state.lane, now=now).reason
    if reason and state.lane is Lane.BULK:
        lanes.pause(tx, state.lane, by=SYSTEM, reason=reason, now=now)
        yield _ActiveAlert(Cause.PAUSED, now, reason)
    elif reason:
        yield _ActiveAlert(Cause.CAME_BACK, now, reason, quiet=reception.WINDOW)


def _unconfirmed(tx: Transaction, state: LaneState, now: datetime) -> Iterator[_ActiveAlert]:
    """Providers with which fewer confirm than usual."""
    if state.lane is not Lane.URGENT or not (found := funnel.alarms(tx, now=now)):
        return
    words = [
        f"{low.now.mail_provider}: {low.now.confirmed:,} of {low.now.asked:,} confirmed in the last day, "
        f"usually {100 * (low.before.share or 0):.0f} %"
        for low in found
    ]
    yield _ActiveAlert(Cause.FUNNEL, now, "; ".join(words), quiet=reception.WINDOW)


def _jobs(tx: Transaction, state: LaneState, now: datetime) -> Iterator[_ActiveAlert]:
    """Jobs that keep failing; once, with the urgent lane."""
    if state.lane is not Lane.URGENT:
        return
    failing = [job for job in database_jobs.failing(tx) if job.failing_since and now - job.failing_since > PATIENCE]
    if failing:
        began_at = min(job.failing_since or now for job in failing)
        yield _ActiveAlert(Cause.JOB, began_at, "\n".join(f"{job.name}: {job.error}" for job in failing))


def _folders(tx: Transaction, state: LaneState, now: datetime) -> Iterator[_ActiveAlert]:
    """Data folders that can't be used, of the processes of a lane."""
    serving = [worker for worker in workers.alive(tx, since=now - WORKER_SEEN) if worker.lane is state.lane]
    trouble = folder_trouble(serving)
    if trouble is not None:
        reason = f"{', '.join(trouble.hosts)}: {trouble.folder} ({trouble.folder_problem})"
        yield _ActiveAlert(Cause.FOLDER, trouble.since or now, reason)


def _watch_blasts(tx: Transaction, now: datetime, *, by: Lane) -> int:
    standing = blast_queries.paused_by_themselves(tx)
    end_of_blasts(tx, but=[blast.id for blast in standing], now=now)
    planned = 0
    for blast in standing:
        alert_id = tell(
            tx,
            cause=Cause.BLAST,
            lane=Lane.BULK,
            began_at=blast.paused_at or now,
            reason=blast.paused_reason or "",
            now=now,
            quiet=None,
            blast_id=blast.id,
        )
        if alert_id is not None:
            planned += plan_mails(tx, alert_id, by=by, now=now)
    return planned


def _troubles(state: LaneState, now: datetime) -> Iterator[_ActiveAlert]:
    # Of the workers nothing is asked: this runs in one.
    hold = hold_of(state, workers=None, relays=(), is_owing=True, now=now)
    since = now if hold is None or hold.since is None else hold.since
    if hold is not None and hold.code is Standing.PAUSED and hold.by == SYSTEM:
        yield _ActiveAlert(Cause.PAUSED, since, hold.words)
    elif hold is not None and hold.code is Standing.MAIL_SERVER and _is_lasting(state, since, now):
        yield _ActiveAlert(Cause.MAIL_SERVER, since, f"{hold.relay} {hold.words}".strip())
    if state.paused_at is None and state.refused_at is not None and now - state.refused_at < QUIET:
        yield _ActiveAlert(Cause.REFUSED, state.refused_at, state.refused_answer or "")


def _is_lasting(state: LaneState, since: datetime, now: datetime) -> bool:
    """One failed try after which nothing was to be sent says nothing; a hold that grew beyond a minute does."""
    return state.not_before is not None and min(now, state.not_before) - since > PATIENCE


def sentences(alert: Alert, locale: str, *, zone: tzinfo) -> list[str]:
    """What the mail says: what happened since when, what the mail server said, and whether it is over meanwhile.

    Args:
        alert: what it is about; it may have ended while the mail waited, for the mail goes the same way as all mail.
        locale: the reader's language.
        zone: the reader's time zone.
    """
    gettext = i18n.translations(locale).gettext
    began = i18n.format_datetime(alert.began_at, locale, zone=zone)
    lane = lane_name(alert.lane, locale)
    # A dictionary keeps the texts on one screen for those who translate.
    begin = {
        Cause.PAUSED: gettext("%(lane)s has paused itself at %(time)s and waits for a person."),
        Cause.MAIL_SERVER: gettext(
            "%(lane)s waits since %(time)s: the mail server can’t be used. It is tried again by itself."
        ),
        Cause.REFUSED: gettext(
            "%(lane)s: at %(time)s one receiver refused mail of ours, and not because of a recipient. "
            "What goes there waits and is tried again slowly; all other mail goes on."
        ),
        Cause.CAME_BACK: gettext(
            "%(lane)s goes on, but at %(time)s too much of it had been refused or come back within a day. If that "
            "continues, mail providers will trust this site less."
        ),
        Cause.FUNNEL: gettext(
            "At %(time)s fewer readers confirmed than usual with some mail providers: our mail may lie in their spam "
            "folders."
        ),
        Cause.JOB: gettext("Since %(time)s a periodic job has failed again and again."),
        Cause.FOLDER: gettext(
            "Since %(time)s a data folder is full or can’t be written. That host sends nothing until this is corrected."
        ),
        Cause.BLAST: gettext("An update of the petition %(petition)s paused at %(time)s and waits for a person."),
    }[Cause(alert.cause)]
    said = [begin % {"lane": lane, "time": began, "petition": foreign(alert.slug, locale)}]
    if alert.cause == Cause.BLAST:
        said.append(_why_paused(alert.reason, locale))
    elif alert.cause == Cause.JOB:
        said += [_job_failure(line, locale) for line in alert.reason.splitlines()]
    elif alert.reason:
        reason = foreign(alert.reason, locale)
        said.append(gettext("The reason: %(reason)s") % {"reason": reason})
    if alert.ended_at is not None:
        ended = i18n.format_datetime(alert.ended_at, locale, zone=zone)
        said.append(gettext("It is over since %(time)s: this mail only tells you that it happened.") % {"time": ended})
    return said


def _job_failure(line: str, locale: str) -> str:
    name, _, error = line.partition(": ")
    return f"{job_name(name, locale)}: {foreign(error, locale)}"


def _why_paused(reason: str, locale: str) -> str:
    gettext = i18n.translations(locale).gettext
    return {
        "rejections": gettext("Paused automatically: too many mail servers refuse it."),
        "bounces": gettext("Paused automatically: too many of its emails bounced."),
        "complaints": gettext("Paused automatically: too many readers marked it as spam."),
        "content": gettext("Paused automatically: the mail server refuses its text."),
        "text": gettext("Paused automatically: its text can’t be made into an email."),
    }[reason]
