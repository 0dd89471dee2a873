"""The verdict finds what a drill is for: each promise is broken on purpose, in evidence that is good otherwise."""

from dataclasses import replace

import pytest

from campaign.local.drill.evidence import (
    Announced,
    Changed,
    Counted,
    Equation,
    MessageRow,
    Recovery,
    RequestRow,
    Search,
    SignedUp,
    UnansweredMessage,
)
from campaign.local.drill.plan import Change
from campaign.local.drill.verdict import PROMISES, judge, percentile
from tests.kit.drills import (
    BLAST,
    CONFIRMATION,
    MILESTONE,
    NEWCOMERS,
    SILENT,
    THANKS,
    UNSUBSCRIBED,
    good_evidence,
    with_message,
    without_taking,
)


@pytest.fixture
def good():
    return good_evidence()


def broken(evidence):
    return {name for name, findings in judge(evidence).broken.items() if findings}


def test_good_evidence_keeps_every_promise(good):
    verdict = judge(good)

    assert verdict.kept
    assert verdict.as_json() == {
        "recipients": 6, "accepted": 4, "lost": 0, "repeated": 0, "uncertain": 1, "uncertain_limit": 2, "kills": 1,
        "restarts": 1, "recovered_s_max": 2.5, "promises": dict.fromkeys(PROMISES, True),
    }  # fmt: skip


def test_a_message_that_the_server_never_took_although_the_ledger_says_so_is_lost(good):
    verdict = judge(without_taking(good, 1))

    assert [finding.what for finding in verdict.lost] == ["message 1 (update)"]
    assert "never took it" in verdict.lost[0].why
    assert not verdict.as_json()["promises"]["P1"]


@pytest.mark.parametrize("state", ["planned", "claimed", "submitting"])
def test_a_message_that_is_still_open_at_the_end_is_lost(good, state):
    verdict = judge(without_taking(with_message(good, 2, state=state), 2))

    assert len(verdict.lost) == 1


def test_a_message_that_is_rejected_without_the_word_of_the_server_is_lost(good):
    verdict = judge(without_taking(with_message(good, 2, state="rejected", reason="poison"), 2))

    assert [finding.why for finding in verdict.lost] == ["rejected although the server never refused it: poison"]


@pytest.mark.parametrize("state", ["suppressed", "cancelled"])
def test_a_message_that_is_left_out_although_nobody_asked_is_lost(good, state):
    assert len(judge(without_taking(with_message(good, 2, state=state), 2)).lost) == 1


def test_an_unsubscription_is_no_reason_to_leave_out_a_confirmation(good):
    left_out = without_taking(with_message(good, CONFIRMATION, state="suppressed"), CONFIRMATION)
    asked = (*good.changes, Changed(101, Change.UNSUBSCRIBE, 12.0))

    assert len(judge(replace(left_out, changes=asked)).lost) == 1
    assert not judge(replace(left_out, changes=(*good.changes, Changed(101, Change.ERASE, 12.0)))).lost


def test_a_refused_address_explains_why_later_mail_is_left_out(good):
    left_out = without_taking(with_message(good, THANKS, state="suppressed", reason="bounce"), THANKS)

    assert len(judge(left_out).lost) == 1
    assert not judge(replace(left_out, refused=good.refused | {CONFIRMATION})).lost


def test_a_row_of_the_blast_that_is_gone_is_lost(good):
    messages = {number: row for number, row in good.messages.items() if number != 3}

    verdict = judge(without_taking(replace(good, messages=messages), 3))

    assert len(verdict.lost) == 1
    assert not verdict.as_json()["promises"]["P6"]


@pytest.mark.parametrize("signature_id", [None, 999])
def test_a_sign_up_with_a_page_that_is_not_in_the_database_is_lost(good, signature_id):
    lost = SignedUp(1, 10.0, signature_id, confirmed=False)

    assert len(judge(replace(good, sign_ups=(*good.sign_ups, lost))).lost) == 1


@pytest.mark.parametrize(("state", "reason"), [("asked", None), ("refused", "failed")])
def test_a_request_that_no_worker_admitted_is_lost(good, state, reason):
    request = RequestRow(2, "signature", state, reason)

    assert len(judge(replace(good, requests=(*good.requests, request))).lost) == 1


def test_a_sign_up_whose_confirmation_was_never_planned_is_lost(good):
    messages = {number: row for number, row in good.messages.items() if number != CONFIRMATION}

    assert "P1" in broken(replace(good, messages=messages))


def test_thanks_for_a_confirmation_that_was_not_kept_are_a_loss(good):
    signatures = {**good.signatures, 101: replace(good.signatures[101], state="pending")}

    assert "P1" in broken(replace(good, signatures=signatures))


def test_a_message_that_was_taken_twice_is_repeated(good):
    verdict = judge(replace(good, taken=(*good.taken, (12.0, 1, "1@example.org"))))

    assert [(finding.what, finding.why) for finding in verdict.repeated] == [("message 1", "taken 2 times")]
    assert not verdict.as_json()["promises"]["P2"]


def test_an_uncertain_message_that_was_sent_again_is_repeated(good):
    assert len(judge(replace(good, taken=(*good.taken, (12.0, SILENT, "6@example.org")))).repeated) == 1


def test_two_messages_of_one_blast_to_one_signature_are_repeated(good):
    twin = MessageRow(300, "update", "bulk", "accepted", None, BLAST, 1)
    evidence = replace(
        good, messages={**good.messages, 300: twin}, taken=(*good.taken, (12.0, 300, "1@example.org"))
    )  # fmt: skip

    assert len(judge(evidence).repeated) == 1


@pytest.mark.parametrize("state", ["rejected", "suppressed", "cancelled", "planned"])
def test_an_acceptance_that_the_ledger_does_not_know_breaks_a_promise(good, state):
    assert "P2" in broken(with_message(good, 1, state=state))


def test_mail_from_nobody_and_mail_to_another_break_a_promise(good):
    assert "P2" in broken(replace(good, taken=(*good.taken, (12.0, None, "x@example.org"))))
    assert "P2" in broken(replace(good, taken=(*good.taken, (12.0, 1, "other@example.org"))))


def test_silence_of_the_script_must_be_uncertain(good):
    assert "P2" in broken(with_message(good, SILENT, state="accepted"))


def test_as_many_uncertain_messages_as_connections_were_open_are_allowed_and_no_more(good):
    one = with_message(good, 1, state="uncertain", reason="worker_died")
    two = with_message(one, 2, state="uncertain", reason="worker_died")

    assert judge(one).kept
    assert broken(two) == {"P2"}
    assert judge(replace(two, faults=(Recovery("worker_tree", 10.0, 2, 2.5, urgent=False),))).kept


def test_uncertain_messages_are_listed_with_their_reasons(good):
    verdict = judge(with_message(good, 1, state="uncertain", reason="worker_died"))

    assert {finding.what: finding.why for finding in verdict.uncertain} == {
        "message 1 (update)": "its worker was killed on the wire (worker_died)",
        "message 6 (update)": "scripted: the server had taken it, then drop instead of an answer",
    }


def test_silence_before_the_server_took_it_is_told_apart(good):
    silence = UnansweredMessage("b-x@localhost", "6@example.org", "hang", taken=False)

    [finding] = judge(without_taking(replace(good, silences=((SILENT, silence),)), SILENT)).uncertain

    assert finding.why == "scripted: the server had not taken it, then hang instead of an answer"


def delayed(evidence, seconds):
    offers = tuple((at + seconds if number == CONFIRMATION else at, number) for at, number in evidence.offers)
    return replace(evidence, offers=offers, faults=evidence.faults[:1])


def test_a_confirmation_that_is_handed_over_late_breaks_a_promise(good):
    assert broken(delayed(good, 20)) == {"P3"}


def test_ten_seconds_are_not_promised_while_what_sends_recovers_but_a_minute_is(good):
    def struck(evidence, **changes):
        return replace(evidence, faults=(replace(evidence.faults[0], urgent=True, **changes),))

    assert judge(struck(delayed(good, 20))).kept
    assert broken(struck(delayed(good, 20), at=2.0)) == {"P3"}
    assert judge(struck(delayed(good, 20), at=2.0, recovered=None)).kept
    assert broken(struck(delayed(good, 60))) == {"P3"}


def test_a_confirmation_that_was_never_offered_is_late_for_ever(good):
    offers = tuple(offer for offer in good.offers if offer[1] != CONFIRMATION)

    assert "P3" in broken(replace(good, offers=offers))


@pytest.mark.parametrize("change", list(Change))
def test_mail_that_is_handed_over_well_after_a_change_of_mind_breaks_a_promise(good, change):
    def with_offer(at):
        changes = (Changed(UNSUBSCRIBED, change, 9.0),)
        return replace(good, changes=changes, offers=(*good.offers, (at, UNSUBSCRIBED)))

    assert "P4" in broken(with_offer(14.1))
    assert "P4" not in broken(with_offer(13.9))


def test_only_mail_to_many_is_stopped_by_an_unsubscription(good):
    def after(change):
        changes = (*good.changes, Changed(101, change, 2.0))
        return judge(replace(good, changes=changes)).broken["P4"]

    assert [finding.what for finding in after(Change.UNSUBSCRIBE)] == [f"message {MILESTONE} (milestone)"]
    assert len(after(Change.ERASE)) == 3


def test_a_change_that_was_never_answered_promises_nothing(good):
    assert judge(replace(good, changes=(*good.changes, Changed(1, Change.ERASE, None)))).kept


def test_a_canary_in_the_wrong_place_breaks_a_promise_and_so_does_a_search_of_nothing(good):
    assert broken(replace(good, search=Search({"logs": 100}, ("logs (2 kinds)",)))) == {"P5"}
    assert broken(replace(good, search=Search({"logs": 100, "Redis": 0}, ()))) == {"P5"}


def test_an_equation_that_does_not_add_up_breaks_a_promise(good):
    odd = Equation(BLAST, True, 6, {"accepted": 3, "rejected": 1, "suppressed": 1})

    assert broken(replace(good, equations=(*good.equations, odd))) == {"P6"}


def test_an_audience_that_changes_after_it_was_frozen_breaks_a_promise(good):
    grown = Equation(BLAST, True, 7, {"accepted": 7})

    assert broken(replace(good, equations=(grown, *good.equations))) == {"P6"}


def test_a_blast_that_nobody_looked_at_proves_nothing(good):
    assert broken(replace(good, equations=())) == {"P6"}


@pytest.mark.parametrize("count", [Counted(NEWCOMERS, 2, 1, 0), Counted(NEWCOMERS, 1, 1, 3)])
def test_a_wrong_count_and_a_drift_break_a_promise(good, count):
    assert broken(replace(good, counts=(good.counts[0], count))) == {"P7"}


@pytest.mark.parametrize(
    "stone",
    [
        Announced(NEWCOMERS, 1, "announced", 8, 2),
        Announced(NEWCOMERS, 1, "announced", None, 0),
        Announced(NEWCOMERS, 1, "merged", 8, 1),
        Announced(NEWCOMERS, 5, "recorded", None, 0),
    ],
)
def test_a_milestone_that_is_announced_twice_or_not_at_all_breaks_a_promise(good, stone):
    assert broken(replace(good, milestones=(stone,))) == {"P8"}


def test_a_milestone_that_is_noted_twice_breaks_a_promise(good):
    assert broken(replace(good, milestones=good.milestones * 2)) == {"P8"}


def test_the_share_of_values_that_a_percentile_covers_is_not_less_than_asked():
    values = [float(number) for number in range(1, 101)]

    assert [percentile(values, share) for share in (0.95, 0.99, 1.0)] == [95.0, 99.0, 100.0]
    assert percentile([4.0], 0.95) == 4.0


@pytest.mark.parametrize(
    ("state", "came_back"), [("accepted", None), ("accepted", "deferred"), ("uncertain", "bounced")]
)
def test_a_bounce_that_came_later_and_is_not_known_is_found(good, state, came_back):
    evidence = with_message(good, 1, state=state, came_back=came_back)
    verdict = judge(replace(evidence, returned=frozenset({1})))

    assert not verdict.as_json()["promises"]["P2"]
    assert "it bounced after it was accepted" in str(verdict.broken["P2"])


def test_what_came_back_settles_a_message_that_got_no_answer(good):
    evidence = with_message(good, SILENT, state="accepted", came_back="bounced")

    assert judge(replace(evidence, returned=frozenset({SILENT}))).kept
