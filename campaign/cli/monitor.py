"""``countersign monitor``: is mail flowing, if not why, when will it be done."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo

import click

from campaign import i18n
from campaign.accounts import accounts
from campaign.cli import tables
from campaign.cli.opening import find_settings, open_runtime
from campaign.cli.petition import RefusedInputError
from campaign.cli.pipes import reader_may_leave
from campaign.errors import InvalidInputError, StoreUnavailableError
from campaign.operations import lanes
from campaign.operations import monitor as operations_monitor
from campaign.operations.diagnosis import judge
from campaign.operations.health import BrokerStatus, Level, Snapshot
from campaign.operations.job_names import job_name
from campaign.operations.standing import Standing
from campaign.operations.status_line import others, sentence
from campaign.outbox.relays import RelayLimit
from campaign.runtime import build, now
from campaign.security.keys import ensure_local_keys
from campaign.states import Lane

LOCALE = "en"
COLOURS = {Level.GOOD: "green", Level.WARNING: "yellow", Level.BAD: "red"}
STANDINGS = {
    Standing.NO_WORKER: "no worker",
    Standing.FOLDER: "data folder",
    Standing.PAUSED: "paused",
    Standing.MAIL_SERVER: "mail server",
    Standing.THROTTLED: "limited by relay",
    Standing.SENDING: "sending",
    Standing.WAITING: "waiting",
    Standing.IDLE: "idle",
}
TIMES = "%Y-%m-%d %H:%M:%S"


@click.command(
    short_help="Show whether email flows and, if not, why",
    epilog="Example: countersign monitor --json | jq -r .sentence.text",
)
@click.option("--json", "as_json", is_flag=True, help="Print the snapshot as JSON; its keys do not change.")
@click.option("--check", is_flag=True, help="Exit with 1 if the sentence is bad news, for scripts and alarms.")
@click.pass_context
def monitor(context: click.Context, *, as_json: bool, check: bool) -> None:
    """Show whether mail flows and, if not, why: the sentence first, then lanes, workers and delivery problems.

    It only reads, and works while Redis or the workers are away. No address and no name is shown.

    Exit status: 0 shown; 1 the database does not answer, or with --check, the sentence is bad news.
    """
    snapshot, doubtful = _take()
    with reader_may_leave():
        _show(snapshot, doubtful, as_json=as_json)
    if not snapshot.database_ok or (check and judge(snapshot).level is Level.BAD):
        context.exit(1)


def _show(snapshot: Snapshot, doubtful: list[int], *, as_json: bool) -> None:
    if as_json:
        document = operations_monitor.document(snapshot, LOCALE, zone=_here())
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    click.secho(sentence(snapshot, LOCALE, zone=_here()), fg=COLOURS[judge(snapshot).level], bold=True)
    for line in (
        *_switches(snapshot),
        *others(snapshot, LOCALE, zone=_here()),
        *_lines(snapshot),
        *_doubtful(doubtful),
    ):
        click.echo(line)


def _switches(snapshot: Snapshot) -> Iterator[str]:
    for one in snapshot.switches:
        yield f"Stopped by an admin: {one.name}, since {_moment(one.since)} ({one.by}): {one.reason}"


def _take() -> tuple[Snapshot, list[int]]:
    """The snapshot, and the accounts whose domain imitates another."""
    settings = ensure_local_keys(find_settings())
    try:
        runtime = build(settings, pool_size=1)
    except StoreUnavailableError as error:
        return operations_monitor.take_without_database(settings, now=now(), cause=error.cause), []
    try:
        snapshot = operations_monitor.take(runtime)
        return snapshot, accounts.with_doubtful_domains(runtime) if snapshot.database_ok else []
    except StoreUnavailableError as error:
        return operations_monitor.take_without_database(settings, now=now(), cause=error.cause), []
    finally:
        runtime.close()


def _here() -> tzinfo | None:
    # A command speaks the time of the machine it runs on.
    return now().astimezone().tzinfo


def _lines(snapshot: Snapshot) -> Iterator[str]:
    yield ""
    yield from _engines(snapshot)
    if not snapshot.database_ok:
        return
    yield ""
    yield from _lanes(snapshot)
    for title, lines in (
        ("Workers", _workers(snapshot)),
        ("Mail servers", _relays(snapshot)),
        ("Delivery problems", _problems(snapshot)),
        ("Failing jobs", _failing_jobs(snapshot)),
        ("Petitions", _petitions(snapshot)),
    ):
        yield ""
        yield f"{title}: none" if not lines else title
        yield from lines


def _doubtful(account_ids: list[int]) -> Iterator[str]:
    if account_ids:
        yield ""
        numbers = ", ".join(map(str, account_ids))
        yield f"Accounts whose domain looks like another: {numbers}; see countersign account list"


def _engines(snapshot: Snapshot) -> Iterator[str]:
    yield f"PostgreSQL  {_database(snapshot)}"
    yield f"Redis       {_broker(snapshot.broker)}"
    if snapshot.database_ok:
        yield f"Last tick   {_ago(snapshot, snapshot.last_tick_at)}"


def _database(snapshot: Snapshot) -> str:
    problem = snapshot.database_problem
    if problem is None:
        return "answers, takes writes" if snapshot.database_ok else "does not answer"
    return f"{'takes no writes' if snapshot.database_ok else 'can not be used'} ({problem.code}): {problem.sentence}"


def _broker(broker: BrokerStatus) -> str:
    if not broker.ok:
        said = f"{'refuses' if broker.refuses else 'does not answer'} ({broker.problem})"
        cause = f" {broker.cause.sentence}" if broker.cause is not None else ""
        return f"{said}; workers look in the database each second.{cause}"
    depths = ", ".join(f"{queue} {depth:,}" for queue, depth in broker.depths.items())
    return f"answers; wake-ups: {depths}, in work {broker.unacknowledged:,}"


def _lanes(snapshot: Snapshot) -> list[str]:
    heads = ["", *(str(flow.lane).upper() for flow in snapshot.lanes)]
    lines: list[tuple[str, list[str]]] = [
        ("state", [STANDINGS[snapshot.stand(flow).code] for flow in snapshot.lanes]),
        ("waiting", [f"{flow.waiting:,}" for flow in snapshot.lanes]),
        ("oldest waiting", [_duration(flow.waiting_time(snapshot.at)) for flow in snapshot.lanes]),
        ("in paused updates", [f"{flow.held:,}" for flow in snapshot.lanes]),
        ("scheduled", [f"{flow.scheduled:,}" for flow in snapshot.lanes]),
        ("deferred", [f"{flow.deferred:,}" for flow in snapshot.lanes]),
        ("claimed", [f"{flow.claimed:,}" for flow in snapshot.lanes]),
        ("submitting", [f"{flow.submitting:,}" for flow in snapshot.lanes]),
        ("accepted, 1 minute", [f"{flow.accepted_1m:,}" for flow in snapshot.lanes]),
        ("accepted, 5 minutes", [f"{flow.accepted_5m:,}" for flow in snapshot.lanes]),
        ("accepted, 60 minutes", [f"{flow.accepted_60m:,}" for flow in snapshot.lanes]),
        ("rate", [f"{flow.rate:,.1f}/s" for flow in snapshot.lanes]),
        ("done", [_moment(snapshot.finish_of(flow)) for flow in snapshot.lanes]),
        ("first retry", [_moment(flow.first_retry_at) for flow in snapshot.lanes]),
        ("uncertain", [f"{flow.uncertain:,}" for flow in snapshot.lanes]),
        ("rejected, 24 hours", [f"{flow.rejected_24h:,}" for flow in snapshot.lanes]),
        ("paused since", [_moment(flow.paused_at) for flow in snapshot.lanes]),
        ("held back until", [_moment(flow.not_before) for flow in snapshot.lanes]),
    ]
    return tables.render(heads, [(name, *values) for name, values in lines], right=range(1, len(heads)))


def _workers(snapshot: Snapshot) -> list[str]:
    rows = [
        (
            worker.id,
            worker.host,
            str(worker.pid),
            str(worker.lane),
            _moment(worker.started_at),
            _ago(snapshot, worker.seen_at),
        )
        for worker in snapshot.workers
    ]
    return tables.render(("WORKER", "HOST", "PROCESS", "LANE", "STARTED", "SEEN"), rows) if rows else []


def _relays(snapshot: Snapshot) -> list[str]:
    words = {True: "taken", False: "not taken", None: "not known yet"}
    rows = [(relay.name, words[relay.smtputf8], _ago(snapshot, relay.seen_at)) for relay in snapshot.relays]
    lines = tables.render(("MAIL SERVER", "ADDRESSES BEYOND ASCII (SMTPUTF8)", "LAST SESSION"), rows) if rows else []
    limits = [
        (relay.name, str(limit.kind), _limit(limit), _ago(snapshot, limit.since), limit.words)
        for relay in snapshot.relays
        for limit in relay.limits
    ]
    if limits:
        lines += ["", *tables.render(("MAIL SERVER", "LIMITS", "TO", "LEARNED", "IT SAID"), limits)]
    return lines


def _limit(limit: RelayLimit) -> str:
    value = "a quota" if limit.value is None else f"{limit.value:g}"
    waits = "" if limit.waits_until is None else f", waits until {limit.waits_until:%H:%M:%S} UTC"
    return f"{value}{waits}" if limit.setting is None else f"{value}, but SMTP_URL sets {limit.setting}"


def _problems(snapshot: Snapshot) -> list[str]:
    rows = [
        (
            trouble.messages,
            str(trouble.lane),
            trouble.state,
            trouble.phase or "-",
            str(trouble.enhanced or trouble.code or "-"),
            _ago(snapshot, trouble.oldest_at),
            trouble.reason or "-",
        )
        for trouble in snapshot.troubles
    ]
    return tables.render(("EMAILS", "LANE", "STATE", "PHASE", "CODE", "OLDEST", "REASON"), rows) if rows else []


def _failing_jobs(snapshot: Snapshot) -> list[str]:
    rows = [
        (job_name(job.name, LOCALE), _ago(snapshot, job.failing_since), job.error or "-")
        for job in snapshot.jobs
        if job.failing_since is not None
    ]
    return tables.render(("JOB", "FAILING SINCE", "ERROR"), rows) if rows else []


def _petitions(snapshot: Snapshot) -> list[str]:
    rows = [(found.slug, found.state, found.count, found.goal) for found in snapshot.petitions]
    return tables.render(("PETITION", "STATE", "SIGNED", "GOAL"), rows) if rows else []


def _duration(passed: timedelta | None) -> str:
    return "-" if passed is None else i18n.format_duration(passed, LOCALE)


def _ago(snapshot: Snapshot, when: datetime | None) -> str:
    return "never" if when is None else f"{_duration(snapshot.at - when)} ago"


def _moment(when: datetime | None) -> str:
    return "-" if when is None else when.astimezone().strftime(TIMES)


LANES = click.Choice([str(name) for name in Lane])


@click.group(short_help="Pause or resume a lane of email")
def lane() -> None:
    """The two lanes of mail: urgent (confirmations and the like) and bulk (mail to many)."""


@lane.command(epilog="Example: countersign lane pause bulk --reason 'the provider is being changed'")
@click.argument("name", type=LANES, metavar="urgent|bulk")
@click.option("--reason", required=True, help="Reason, shown on the monitor.")
def pause(name: str, reason: str) -> None:
    """Stop claiming mail of a lane. What is on the wire goes out; what waits stays, and new mail joins it.

    Exit status: 0 paused; 1 it was paused already; 2 no reason, or one of more than 200 characters.
    """
    with open_runtime() as runtime:
        try:
            lanes.pause(runtime, Lane(name), reason=reason, by=None)
        except InvalidInputError:
            raise RefusedInputError(f"--reason: say why, in 1 to {lanes.MAX_REASON} characters") from None
    click.echo(f"The {name} lane is paused. Let it go on with: countersign lane resume {name}")


@lane.command(epilog="Example: countersign lane resume bulk")
@click.argument("name", type=LANES, metavar="urgent|bulk")
def resume(name: str) -> None:
    """Let a lane flow at once, whatever paused it.

    Exit status: 0 it flows; 1 nothing held it.
    """
    with open_runtime() as runtime:
        lanes.resume(runtime, Lane(name), by=None)
    click.echo(f"The {name} lane flows.")
