"""Which guard each fault test watches: the guard is taken out of a copy of the code, and the test must fail.

``python -m tests.faults.guards`` tries them all (some minutes), ``… F11 F14`` some, ``… --table`` prints the table of
docs/faults.md. Exit status: 0 each test failed without its guard; 1 one did not, or a guard is not where it was.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from campaign.local.servers import postgres, redis
from campaign.settings import load_settings
from campaign.variables import ROOT

PATIENCE = 900.0
"""Seconds after which a run is given up, which proves nothing."""

NOTICED = "noticed"


@dataclass(frozen=True)
class Guard:
    """One guard: where it is, what replaces it, and the test that must notice."""

    fault: str
    words: str
    file: str
    old: str
    new: str
    test: str


GUARDS = (
    Guard(
        "F1", "the circuit of a lane stays open for longer each time", "campaign/delivery/outcomes.py",
        "not_before=now + spread", "not_before=now", "test_f1_an_open_circuit_is_not_knocked_at",
    ),
    Guard(
        "F2", "a 5xx banner is for a person, a 4xx passes", "campaign/smtp/handshake.py",
        "permanent = judge(phase, reply.code, reply.enhanced, reply.text).pauses_lane", "permanent = False",
        "test_f2_a_banner_of_554_pauses_the_lane_and_one_alert_says_so",
    ),
    Guard(
        "F3", "each phase has a deadline", "campaign/smtp/connection.py",
        "time.monotonic() + self.settings.deadlines[phase]", "time.monotonic() + 40",
        "test_f3_a_banner_that_hangs_frees_the_worker_at_its_deadline",
    ),
    Guard(
        "F4", "what is no reply ends the session and is no verdict", "campaign/smtp/connection.py",
        "self._lose(self.phase, str(error))", "self._lose(self.phase, str(error), permanent=True)",
        "test_f4_a_garbage_banner_is_as_a_server_that_is_away",
    ),
    Guard(
        "F5", "STARTTLS that is not offered is refused", "campaign/smtp/handshake.py",
        'self._refuse(Phase.STARTTLS, "it does not offer STARTTLS, and mail is not sent in clear text")',
        "self._on_ready(self._capabilities)",
        "test_f5_without_tls_nothing_is_sent_in_clear_text_and_the_lane_waits_for_a_person",
    ),
    Guard(
        "F6", "certificates and host names are checked", "campaign/smtp/settings.py",
        "context = ssl.create_default_context()", "context = ssl._create_unverified_context()",
        "test_f6_a_bad_certificate_is_refused_and_one_alert_says_so",
    ),
    Guard(
        "F7", "a session that will fail again pauses the lane", "campaign/delivery/outcomes.py",
        "if trouble.permanent:",
        "if not trouble:", "test_f7_a_wrong_password_is_tried_once_and_the_lane_waits_for_a_person",
    ),
    Guard(
        "F8", "what is refused at MAIL is ours", "campaign/delivery/refusals.py",
        "ours = any(each.outcome.verdict.pauses_lane for each in tail)", "ours = False",
        "test_f8_530_at_mail_is_a_wrong_configuration_and_pauses_the_lane",
    ),
    Guard(
        "F9", "a deferred row waits for its step of the ladder", "campaign/delivery/outcomes.py",
        "now + wait_after(message.attempts, chance=chance)", "now",
        "test_f9_greylisting_defers_that_row_for_5_to_15_minutes_and_the_others_go_on",
    ),
    Guard(
        "F10", "an address that is gone is suppressed", "campaign/outbox/suppressions.py",
        "if not is_enough(limit, days, day):", "if limit:",
        "test_f10_an_address_that_does_not_exist_is_suppressed_and_never_tried_again",
    ),
    Guard(
        "F11", "5.7.x is our fault", "campaign/smtp/replies.py",
        'Row(_RCPT, "5", f"{_OURS} {_SENDER}", _REPUTATION)', 'Row(_RCPT, "5", _OURS, _REPUTATION)',
        "test_f11_when_the_first_mails_are_refused_for_our_sake_the_lane_stops_and_one_alert_tells",
    ),
    Guard(
        "F11", "several receivers in a row stop the lane", "campaign/delivery/refusals.py",
        "return self.number >= ENOUGH and len(self.receivers) >= SEVERAL", "return False",
        "test_f11_when_several_receivers_refuse_in_a_row_the_lane_stops",
    ),
    Guard(
        "F11", "one receiver alone stops nobody else", "campaign/delivery/refusals.py",
        "self.number >= ENOUGH and len(self.receivers) >= SEVERAL", "self.number >= ENOUGH",
        "test_f11_one_receiver_that_refuses_all_its_mail_stops_no_mail_of_others",
    ),
    Guard(
        "F11", "a receiver that refuses is held", "campaign/delivery/refusals.py",
        "pacing.hold(tx, [domain_key(runtime, name) for name in held], now=now)", "pass",
        "test_f11_bulk_mail_to_a_receiver_that_refuses_is_held_and_the_rest_goes_out",
    ),
    Guard(
        "F12", "a domain that asks for less is slowed", "campaign/delivery/outcomes.py",
        "if signs := _slow_domains(this, judged):",
        "if signs := _slow_domains(this, judged)[:0]:", "test_f12_421_at_rcpt_requeues_and_slows_that_domain_alone",
    ),
    Guard(
        "F13", "what was not submitted is safe to repeat", "campaign/smtp/session.py", "self.crew.give_back(transfer)",
        "self._settle(transfer, judge(Phase.DOT), phase, text=text)",
        "test_f13_a_connection_lost_before_data_costs_no_mail_and_makes_no_second_copy",
    ),
    Guard(
        "F14", "silence after the final dot is uncertain", "campaign/smtp/session.py",
        "phase = Phase.DATA if submitted_is_safe else Phase.DOT", "phase = Phase.DATA",
        "test_f14_no_answer_after_the_final_dot_is_uncertain_and_never_sent_again",
    ),
    Guard(
        "F15", "a blast's refused text is rejected, not repeated for days", "campaign/delivery/outcomes.py",
        "not_theirs = not_theirs and not is_about_text(message, outcome)", "not_theirs = not_theirs and True",
        "test_f15_a_final_dot_answered_5xx_rejects_that_mail_of_a_blast_and_blames_nobody",
    ),
    Guard(
        "F15", "the same refusal five times in a row pauses the blast", "campaign/blasts/rules.py",
        "if self.same_refusals >= SAME_REFUSALS:", "if self.same_refusals >= 10 * SAME_REFUSALS:",
        "test_f15_the_same_5xx_five_times_in_a_row_pauses_the_blast_and_tells_its_organiser",
    ),
    Guard(
        "F18", "an expired lease gives the row back", "campaign/outbox/leases.py",
        "where m.state = 'claimed' and m.lease_until < :now",
        "where m.state = 'claimed' and m.lease_until < :now and false",
        "test_f18_without_a_journal_the_lease_gives_the_row_back_and_not_before_its_time",
    ),
    Guard(
        "F19", "the journal remembers what was acknowledged", "campaign/delivery/journal.py",
        'if message_id in self.accepted:\n            return "accepted"',
        'if message_id in self.accepted:\n            return "planned"',
        "test_f19_a_worker_killed_after_the_server_took_a_mail_makes_no_second_copy",
    ),
    Guard(
        "F20", "a Redis that is away costs a wake-up, not an error", "tasks/nudging.py",
        "except (OperationalError, RedisError, OSError) as error:", "except ZeroDivisionError as error:",
        "test_f20_while_redis_is_down_the_page_is_2xx_the_row_is_stored_and_the_mail_goes",
    ),
    Guard(
        "F20", "the ticker finds requests that no worker was told of", "campaign/delivery/jobs.py",
        "if self.lane is Lane.URGENT and request_queries.is_waiting(tx, now=now):", "if not self:",
        "test_f20_while_redis_is_down_the_page_is_2xx_the_row_is_stored_and_the_mail_goes",
    ),
    Guard(
        "F21", "the ticker finds due mail in the database", "campaign/delivery/jobs.py",
        "work = self.runtime.store.transact(lambda tx: self._work(",
        "work = None if self else self.runtime.store.transact(lambda tx: self._work(",
        "test_f21_what_a_flushed_redis_forgot_is_said_again_and_nothing_is_lost_or_doubled",
    ),
    Guard(
        "F23", "what a worker holds is not claimed again", "campaign/outbox/ledger.py",
        "where m.lane = :lane and m.state = 'planned' and m.due_at <= :now and m.losses",
        "where m.lane = :lane and m.state in ('planned', 'submitting') and m.due_at <= :now and m.losses",
        "test_f23_the_second_copy_of_a_wake_up_finds_nothing_to_claim_while_the_first_is_at_work",
    ),
    Guard(
        "F24", "a blast that started is not due", "campaign/blasts/queries.py",
        "where b.send_at <= :now and b.started_at is null and b.cancelled_at",
        "where b.send_at <= :now and b.cancelled_at",
        "test_f24_two_schedulers_start_a_blast_once",
    ),
    Guard(
        "F25", "a lost database is a named error: 503 and another look", "campaign/database/connection.py",
        "_may_retry(error):\n                    raise StoreUnavailableError(cause=cause_of(error)) from error",
        "_may_retry(error):\n                    raise",
        "test_f25_while_the_database_is_away_pages_say_so_workers_wait_and_afterwards_all_goes",
    ),
    Guard(
        "F26", "what the database asks to repeat is repeated", "campaign/database/connection.py",
        'RETRY_STATES = frozenset({"40001", "40P01"})', "RETRY_STATES = frozenset({''})",
        "test_f26_a_transaction_that_the_database_refuses_is_tried_again_and_nothing_is_doubled",
    ),
    Guard(
        "F30", "a paused or cancelled blast is not claimed", "campaign/outbox/ledger.py",
        "where b.paused_at is null and b.cancelled_at is null and first.due_at", "where first.due_at",
        "test_f30_no_new_recipient_five_seconds_after_pause_and_all_the_rest_after_resume",
    ),
    Guard(
        "F30", "the text of a blast that started is frozen", "campaign/blasts/blasts.py",
        "if blast.started_at is not None or blast.cancelled_at is not None:\n        raise ConflictError",
        "if blast.cancelled_at is not None:\n        raise ConflictError",
        "test_f30_the_text_of_a_running_blast_can_not_be_changed",
    ),
    Guard(
        "F49", "rejections are looked at as they are recorded", "campaign/delivery/outcomes.py",
        "blast_health.look(tx, blasts - {0}, now=now)", "blast_health.look(tx, blasts - blasts, now=now)",
        "test_f49_too_many_rejections_pause_the_blast_and_organiser_and_admin_are_told_once",
    ),
    Guard(
        "F49", "complaints are looked at as they are applied", "campaign/feedback/applying.py",
        "blast_health.look(tx, effects.blasts, now=now)", "blast_health.look(tx, [], now=now)",
        "test_f49_too_many_complaints_in_mid_blast_pause_it_and_it_sends_no_more",
    ),
    Guard(
        "F49", "organiser and admin are told", "campaign/operations/alerts.py",
        "planned + _watch_blasts(tx, now, by=_carrier(states, Lane.BULK, now))", "planned",
        "test_f49_too_many_rejections_pause_the_blast_and_organiser_and_admin_are_told_once",
    ),
    Guard(
        "F50", "one row that can't be rendered ends alone", "campaign/delivery/batch.py",
        "return _not_rendered(message, error)", "raise",
        "test_f50_a_row_that_can_not_be_rendered_fails_alone_and_the_rest_go_on",
    ),
    Guard(
        "F50", "what can't be opened waits alone", "campaign/delivery/materials.py",
        "reasons[petition_id] = str(error)", "raise",
        "test_f50_a_petition_whose_key_does_not_open_waits_alone_and_goes_out_when_it_does",
    ),
    Guard(
        "F50", "what comes back waits for the key of its petition", "campaign/feedback/applying.py",
        "later.append(event.id)", "effects.applied[event.id] = Applied(None, None)",
        "test_f50_a_bounce_waits_for_the_key_of_its_petition_and_is_applied_when_it_opens",
    ),
    Guard(
        "F53", "what did not come to the wire is given back", "campaign/delivery/outcomes.py",
        "if untouched := this.untouched:", "if untouched := this.untouched[:0]:",
        "test_f53_sigterm_during_a_blast_finishes_what_is_on_the_wire_and_releases_the_rest",
    ),
    Guard(
        "F59", "what a full session refused goes over a new one", "campaign/smtp/ring.py",
        "if number == 0 or words in self._limits.unsure or (", "if number >= 0 or (",
        "test_f59_no_message_is_deferred_and_the_number_is_learned_for_all_processes",
    ),
    Guard(
        "F60", "too many connections are a limit, not a failure", "campaign/smtp/ring.py",
        "if self._is_limit(failure):", "if self._is_held and self._is_limit(failure):",
        "test_f60_urgent_mail_has_a_connection_while_bulk_mail_takes_the_others",
    ),
    Guard(
        "F61", "what several domains say at once is the relay's", "campaign/smtp/ring.py",
        "if not names_relay and not self._limits.is_relays(said, domain):", "if not names_relay:",
        "test_f61_a_throttling_relay_is_slowed_and_no_message_is_deferred",
    ),
    Guard(
        "F62", "the same words to several receivers are about us", "campaign/delivery/incidents.py",
        "if _is_enough(group, [*earlier, *(rows[id_] for id_ in ids)]):", "if not group:",
        "test_f62_the_same_words_to_several_domains_are_about_us",
    ),
    Guard(
        "F63", "a refused command ends the connection, not the worker", "tasks/redis_transport.py",
        "TRANSPORT_ALIASES.update(", "dict(",
        "test_f63_a_worker_outlives_it_sends_meanwhile_and_uses_it_again_afterwards",
    ),
    Guard(
        "F66", "a text that fails pauses its update", "campaign/delivery/outcomes.py",
        "if this.failed_texts:", "if not this:",
        "test_f66_a_stored_text_that_can_not_be_rendered_pauses_its_update_alone",
    ),
    Guard(
        "F66", "what is remembered is not tried again", "campaign/delivery/composer.py",
        "if before is not None and before.version == version:", "if before is not None and before is message:",
        "test_f66_what_is_remembered_is_not_tried_for_each_recipient",
    ),
)  # fmt: skip


def table() -> list[str]:
    """The rows of docs/faults.md."""
    return [f"| {each.fault} | {each.words} | `{each.file}` | `{each.test}` |" for each in GUARDS]


def main(arguments: list[str]) -> int:
    """Take out each guard in turn."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.guards", description="Take out guards, run tests.")
    parser.add_argument("faults", nargs="*", help="such as F11; all, if none is given")
    parser.add_argument("--jobs", type=int, default=1, help="how many at the same time")
    parser.add_argument("--table", action="store_true", help="print the table of docs/faults.md")
    options = parser.parse_args(arguments)
    if options.table:
        sys.stdout.write("".join(f"{line}\n" for line in table()))
        return 0
    chosen = [each for each in GUARDS if not options.faults or each.fault in options.faults]
    with tempfile.TemporaryDirectory(prefix="cs-guards-") as folder, _engines(Path(folder)) as engines:
        copies = [Path(folder) / str(number) for number in range(len(chosen))]
        with ThreadPoolExecutor(options.jobs) as pool:
            verdicts = list(pool.map(lambda pair: _try(*pair, engines), zip(chosen, copies, strict=True)))
    return 0 if all(verdict == NOTICED for verdict in verdicts) else 1


@contextmanager
def _engines(folder: Path) -> Iterator[dict[str, str]]:
    """One PostgreSQL and one Redis for all runs, as the tests' environment names them."""
    settings = load_settings({"COUNTERSIGN_DATA": str(folder / "engines")})
    try:
        yield {
            "TEST_DATABASE_URL": postgres.start(settings, durable=False),
            "TEST_REDIS_URL": redis.start(settings, durable=False),
        }
    finally:
        redis.stop(settings, hurry=True)
        postgres.discard(settings)


def _try(guard: Guard, copy: Path, engines: Mapping[str, str]) -> str:
    verdict = _verdict(guard, copy, engines)
    shutil.rmtree(copy, ignore_errors=True)
    sys.stdout.write(f"{guard.fault:4} {verdict:12} {guard.words}\n")
    sys.stdout.flush()
    return verdict


def _verdict(guard: Guard, copy: Path, engines: Mapping[str, str]) -> str:
    _copy_to(copy)
    file = copy / guard.file
    text = file.read_text(encoding="utf-8")
    if text.count(guard.old) != 1:
        return "NOT FOUND"
    file.write_text(text.replace(guard.old, guard.new), encoding="utf-8")
    command = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/faults", "-k", guard.test]
    try:
        ended = subprocess.run(
            [sys.executable, *command], cwd=copy, env=os.environ | engines | {"PYTHONDONTWRITEBYTECODE": "1"},
            timeout=PATIENCE, capture_output=True, text=True, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "TIMED OUT"
    # A copy that does not even run is no proof.
    if ended.returncode == 1 and "\nFAILED tests/faults/" in ended.stdout:
        return NOTICED
    return {0: "NOT NOTICED", 5: "NO TEST"}.get(ended.returncode, "ERROR")


def _copy_to(copy: Path) -> None:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            target.write_bytes((ROOT / name).read_bytes())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
