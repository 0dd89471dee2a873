"""The status of mail delivery in one or two sentences: what is wrong, since when, for how many, and what comes next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from campaign import i18n
from campaign.operations.diagnosis import Diagnosis, judge_all
from campaign.operations.health import Code, LaneHealth, Snapshot
from campaign.operations.job_names import job_name
from campaign.operations.phrases import NO_WORDS, clock, foreign, lane_name, person, server_trouble
from campaign.operations.standing import LaneStanding, Standing
from campaign.states import Lane


def sentence(
    snapshot: Snapshot, locale: str = "en", *, zone: tzinfo | None = None, names: Mapping[int, str] | None = None
) -> str:
    """Say the most important finding, and how many emails were refused, are uncertain or will be retried.

    Args:
        snapshot: from :func:`campaign.operations.monitor.take`.
        locale: one of the languages.
        zone: the time zone of the reader; UTC if not given.
        names: of accounts, for a page that may show them; others show numbers.
    """
    return " ".join(sentences(snapshot, locale, zone=zone, names=names)).strip()


def sentences(
    snapshot: Snapshot, locale: str = "en", *, zone: tzinfo | None = None, names: Mapping[int, str] | None = None
) -> tuple[str, str]:
    """The finding, and the counts, which may be empty."""
    writer = _Writer(snapshot, locale, zone or UTC, names or {})
    return writer.write(judge_all(snapshot)[0]), writer.outcomes()


def others(
    snapshot: Snapshot, locale: str = "en", *, zone: tzinfo | None = None, names: Mapping[int, str] | None = None
) -> tuple[str, ...]:
    """Say the other findings, which the sentence leaves out."""
    writer = _Writer(snapshot, locale, zone or UTC, names or {})
    return tuple(writer.write(finding) for finding in judge_all(snapshot)[1:])


@dataclass(frozen=True)
class _Writer:
    snapshot: Snapshot
    locale: str
    zone: tzinfo
    names: Mapping[int, str]

    def write(self, finding: Diagnosis) -> str:
        """One finding in words."""
        writers: Mapping[Code, Callable[[Diagnosis], str]] = {
            Code.NO_DATABASE: self._no_database,
            Code.NOT_WRITABLE: self._not_writable,
            Code.NO_WORKER: self._no_worker,
            Code.FOLDER: self._folder,
            Code.PAUSED: self._paused,
            Code.NO_TICK: self._no_tick,
            Code.MAIL_SERVER: self._mail_server,
            Code.JOB_FAILS: self._job_fails,
            Code.CONFIRMATIONS_WAIT: self._late,
            Code.STUCK: self._stuck,
            Code.PROXY_NOT_SET: self._proxy_not_set,
            Code.WITHOUT_REDIS: self._without_redis,
            Code.NETWORKS_WAIT: self._networks_wait,
            Code.THROTTLED: self._throttled,
            Code.WAITING: self._waiting,
            Code.REFUSED: self._refused,
            Code.UNCERTAIN: self._uncertain,
            Code.FLOWING: self._flowing,
            Code.HELD: self._held,
            Code.IDLE: self._idle,
        }
        return " ".join(writers[finding.code](finding).split())

    def outcomes(self) -> str:
        """How many emails were refused, are uncertain or will be retried; empty if none."""
        flows = self.snapshot.lanes
        refused, uncertain = sum(flow.rejected_24h for flow in flows), sum(flow.uncertain for flow in flows)
        later, firsts = sum(flow.deferred for flow in flows), [flow.first_retry_at for flow in flows]
        if not (refused or uncertain or later):
            return ""
        gettext, ngettext = self.gettext, self.ngettext
        parts = [ngettext("%(n)s accepted", "%(n)s accepted", sum(flow.accepted_24h for flow in flows))]
        if refused:
            parts.append(ngettext("%(n)s refused", "%(n)s refused", refused))
        if uncertain:
            parts.append(ngettext("%(n)s uncertain", "%(n)s uncertain", uncertain))
        if later:
            first = min((one for one in firsts if one is not None), default=None)
            parts.append(
                ngettext(
                    "%(n)s will be retried, at %(time)s",
                    "%(n)s will be retried, first at %(time)s",
                    later,
                    time=self._clock(first),
                )
            )
        return gettext("Last 24 hours: %(counts)s.", counts=i18n.listed(parts, self.locale))

    def _no_database(self, _: Diagnosis) -> str:
        return self.gettext(
            "The database can’t be used. %(cause)s Nothing is lost: sending continues when it is back.",
            cause=self._cause(),
        )

    def _not_writable(self, _: Diagnosis) -> str:
        return self.gettext(
            "The database can’t be written. %(cause)s Nothing is lost: sending continues when it can be written.",
            cause=self._cause(),
        )

    def _cause(self) -> str:
        problem = self.snapshot.database_problem
        return "" if problem is None else self._told(problem.sentence)

    def _no_worker(self, finding: Diagnosis) -> str:
        values = {
            "lanes": self._lanes(finding),
            "queue": self._queue(finding.lanes),
            "commands": self._foreign("; ".join(_command(flow.lane) for flow in finding.lanes)),
        }
        seen = [flow for flow in finding.lanes if flow.last_worker_at is not None]
        if not seen:
            return self.gettext("%(lanes)s: no worker is running. %(queue)s Start it with: %(commands)s", **values)
        last = max(seen, key=lambda flow: flow.last_worker_at or self.snapshot.at)
        return self.gettext(
            "%(lanes)s: no worker is running since %(since)s (it ran on %(host)s). %(queue)s "
            "Start it with: %(commands)s",
            since=self._clock(last.last_worker_at),
            host=self._foreign(last.last_worker_host or "?"),
            **values,
        )

    def _folder(self, finding: Diagnosis) -> str:
        standing = finding.standing or LaneStanding(Standing.FOLDER)
        values = {
            "folder": self._foreign(standing.folder),
            "hosts": self._foreign(", ".join(standing.hosts)),
            "queue": self._queue(finding.lanes) if finding.lanes else "",
        }
        if standing.folder_problem == "full":
            return self.gettext(
                "The disk of the data folder %(folder)s on %(hosts)s is full. Free space there: until then that host "
                "sends nothing. %(queue)s",
                **values,
            )
        return self.gettext(
            "The data folder %(folder)s on %(hosts)s can’t be written. Correct its owner and rights: until then that "
            "host sends nothing. %(queue)s",
            **values,
        )

    def _paused(self, finding: Diagnosis) -> str:
        standing = finding.standing or LaneStanding(Standing.PAUSED)
        return self.gettext(
            "%(lanes)s: paused by %(who)s since %(since)s. %(reason)s %(queue)s",
            lanes=self._lanes(finding),
            who=person(standing.by or "?", self.locale, self.names),
            since=self._clock(standing.since),
            reason=self.gettext("The reason: %(reason)s", reason=self._quoted(standing.words))
            if standing.words
            else "",
            queue=self._queue(finding.lanes),
        )

    def _no_tick(self, _: Diagnosis) -> str:
        if self.snapshot.last_tick_at is None:
            return self.gettext("Workers are running, but none of them has looked for due work yet.")
        return self.gettext(
            "Workers are running, but none has looked for due work since %(tick)s. Restart them.",
            tick=self._clock(self.snapshot.last_tick_at),
        )

    def _mail_server(self, finding: Diagnosis) -> str:
        standing = finding.standing or LaneStanding(Standing.MAIL_SERVER)
        tried = (
            self.gettext("It is being tried now.")
            if standing.until is None
            else self.gettext(
                "Next try in %(next)s.", next=i18n.format_duration(standing.until - self.snapshot.at, self.locale)
            )
        )
        said = "" if standing.phase == NO_WORDS else self._quoted(standing.words)
        trouble = server_trouble(standing, self.locale, since=self._clock(standing.since))
        return f"{trouble} {said} {self._queue(finding.lanes)} {tried}"

    def _job_fails(self, finding: Diagnosis) -> str:
        job = finding.job
        return self.gettext(
            "The job “%(job)s” has failed since %(since)s: %(error)s",
            job=job_name(job.name, self.locale) if job else "?",
            since=self._clock(job.failing_since if job else None),
            error=self._told((job.error if job else None) or "?"),
        )

    def _late(self, finding: Diagnosis) -> str:
        return self.gettext("Confirmations are late. %(queue)s", queue=self._queue(finding.lanes))

    def _stuck(self, _: Diagnosis) -> str:
        stuck = self.snapshot.stuck
        if stuck is None:
            return ""
        return self.gettext(
            "Message %(message)s is stuck: worker %(worker)s (host %(host)s, process %(process)s) should have finished "
            "it %(late)s ago.",
            message=str(stuck.message_id),
            late=i18n.format_duration(self.snapshot.at - stuck.lease_until, self.locale),
            worker="?" if stuck.worker_id is None else str(stuck.worker_id),
            host=self._foreign(stuck.host or "?"),
            process="?" if stuck.pid is None else str(stuck.pid),
        )

    def _proxy_not_set(self, _: Diagnosis) -> str:
        return self.gettext(
            "Requests come through a reverse proxy, but %(setting)s is 0: all visitors are taken for one network, and "
            "their confirmations wait for each other.",
            setting=self._foreign("COUNTERSIGN_PROXIES"),
        )

    def _without_redis(self, _: Diagnosis) -> str:
        broker = self.snapshot.broker
        cause = broker.cause.sentence if broker.cause is not None else ""
        return self.gettext(
            "Redis can’t be used. %(cause)s Workers look in the database each second instead, and answered "
            "confirmations free no places of shared networks. %(queue)s",
            cause=self._told(cause),
            queue=self._queue(self.snapshot.lanes),
        )

    def _networks_wait(self, _: Diagnosis) -> str:
        number = self.snapshot.held_by_networks
        return self.ngettext(
            "%(n)s confirmation waits because many people sign from one network; it is sent by %(time)s at the latest.",
            "%(n)s confirmations wait because many people sign from one network; the last is sent by %(time)s.",
            number,
            time=self._clock(self.snapshot.held_until),
        )

    def _throttled(self, finding: Diagnosis) -> str:
        standing = finding.standing or LaneStanding(Standing.THROTTLED)
        if standing.is_stopped:
            return self.gettext(
                "The mail server %(relay)s takes no more emails until %(until)s: %(words)s %(queue)s",
                relay=self._foreign(standing.relay),
                until=self._clock(standing.until),
                words=self._quoted(standing.words),
                queue=self._queue(finding.lanes),
            )
        limit = i18n.format_rate(standing.per_second or 0.0, self.locale)
        limited = self.gettext(
            "The mail server %(relay)s limits us to %(limit)s a second.",
            relay=self._foreign(standing.relay),
            limit=limit,
        )
        return f"{self._sending()} {limited}"

    def _waiting(self, finding: Diagnosis) -> str:
        return self.gettext(
            "%(lanes)s: %(queue)s None was accepted in the last minute.",
            lanes=self._lanes(finding),
            queue=self._queue(finding.lanes),
        )

    def _refused(self, _: Diagnosis) -> str:
        return self.gettext("Mail servers refuse many of our emails. The reasons are under “Delivery problems”.")

    def _uncertain(self, _: Diagnosis) -> str:
        return self.ngettext(
            "%(n)s email may or may not have been delivered. Send it again or mark it as delivered.",
            "%(n)s emails may or may not have been delivered. Send them again or mark them as delivered.",
            sum(flow.uncertain for flow in self.snapshot.lanes),
        )

    def _flowing(self, _: Diagnosis) -> str:
        return self._sending()

    def _sending(self) -> str:
        values = {
            "rate": rate_words(self.snapshot, self.locale),
            "left": i18n.format_number(sum(flow.left for flow in self.snapshot.lanes), self.locale),
        }
        if not any(flow.left for flow in self.snapshot.lanes):
            return self.gettext("Sending %(rate)s – queue empty.", **values)
        finish = self.snapshot.finish_at()
        if finish is None:
            return self.gettext("Sending %(rate)s, %(left)s left.", **values)
        return self.gettext("Sending %(rate)s, %(left)s left, done at %(done)s.", done=self._clock(finish), **values)

    def _held(self, finding: Diagnosis) -> str:
        return self.ngettext(
            "Idle – only %(n)s email of a paused update is waiting.",
            "Idle – only %(n)s emails of paused updates are waiting.",
            sum(flow.held for flow in finding.lanes),
        )

    def _idle(self, _: Diagnosis) -> str:
        return self.gettext("Idle – nothing waiting.")

    def _queue(self, flows: tuple[LaneHealth, ...]) -> str:
        """How many emails wait in these lanes, and for how long."""
        waiting = sum(flow.waiting for flow in flows)
        if not waiting:
            return self.gettext("Nothing is waiting.")
        waits = [flow.waiting_time(self.snapshot.at) for flow in flows]
        oldest = max((wait for wait in waits if wait is not None), default=None)
        waited = "?" if oldest is None else i18n.format_duration(oldest, self.locale)
        by_lane = {flow.lane: i18n.format_number(flow.waiting, self.locale) for flow in flows}
        if len(by_lane) == 1:
            return self.ngettext(
                "%(n)s email is waiting, for %(waited)s.",
                "%(n)s emails are waiting, the oldest for %(waited)s.",
                waiting,
                waited=waited,
            )
        return self.ngettext(
            "%(n)s email is waiting (%(urgent)s urgent, %(bulk)s bulk), for %(waited)s.",
            "%(n)s emails are waiting (%(urgent)s urgent, %(bulk)s bulk), the oldest for %(waited)s.",
            waiting,
            waited=waited,
            urgent=by_lane[Lane.URGENT],
            bulk=by_lane[Lane.BULK],
        )

    def _lanes(self, finding: Diagnosis) -> str:
        if len(finding.lanes) == 1:
            return lane_name(finding.lanes[0].lane, self.locale)
        return self.gettext("All mail")

    def _clock(self, when: datetime | None) -> str:
        return clock(when, self.snapshot.at, locale=self.locale, zone=self.zone)

    def _quoted(self, words: str) -> str:
        """Words of an admin or of a server, as a sentence of its own."""
        return self._foreign(words if not words or words[-1] in ".!?…。؟۔" else f"{words}.")

    def _foreign(self, words: str) -> str:
        return foreign(words, self.locale)

    def _told(self, sentence: str) -> str:
        """What a program said of itself: in this language if there is a translation, else as it is."""
        said = self.gettext(sentence) if sentence else ""
        return self._foreign(sentence) if said == sentence else said

    def gettext(self, text: str, **values: str) -> str:
        said: str = i18n.translations(self.locale).gettext(text)
        return said % values if values else said

    def ngettext(self, one: str, many: str, number: int, **values: str) -> str:
        said: str = i18n.translations(self.locale).ngettext(one, many, number)
        return said % (values | {"n": i18n.format_number(number, self.locale)})


def rate_words(snapshot: Snapshot, locale: str) -> str:
    """The rate of all lanes together: 41/s, or 12/min if it is slow."""
    gettext = i18n.translations(locale).gettext
    rate = sum(flow.rate for flow in snapshot.lanes)
    if rate >= 1:
        return gettext("%(number)s/s") % {"number": i18n.format_number(round(rate), locale)}
    in_minute = sum(flow.accepted_1m for flow in snapshot.lanes)
    return gettext("%(number)s/min") % {"number": i18n.format_number(in_minute, locale)}


def _command(lane: Lane) -> str:
    return f"countersign worker --lane {lane}"
