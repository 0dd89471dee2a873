"""Returned mail as servers and providers send it: what is read of each, and what that does to the address."""

import logging

import pytest

from campaign.feedback import returned
from campaign.feedback.mailboxes import Receipt
from campaign.mail.verp import Names
from campaign.outbox import suppressions as outbox_suppressions
from tests.kit.returned_mail import SAMPLES, sample, send, soft_bounces, stored, suppressions
from tests.kit.worlds import START

GONE, FULL, UNKNOWN, OURS = "gone", "full", "unknown", "ours"

# Sample, kind, enhanced status code, reply code, what kind of bounce.
BOUNCES = [
    ("eai-global-report", "5.1.1", 550, GONE),
    ("eai-global-report-base64", "5.2.2", 552, FULL),
    ("exchange-mailbox-full", "5.2.2", 550, FULL),
    ("exchange-no-such-user", "5.1.1", 550, GONE),
    ("exim-old-text", "5.1.1", 550, GONE),
    ("exim-old-unrouteable", None, None, UNKNOWN),
    ("exim-report", "5.1.1", 550, GONE),
    ("gmail-address-not-found", "5.1.1", 550, GONE),
    ("gmail-daily-limit", "5.4.5", 550, OURS),
    ("gmail-disabled", "5.2.1", 550, GONE),
    ("gmail-inbox-full", "5.2.2", 552, FULL),
    ("gmail-unauthenticated", "5.7.26", 550, OURS),
    ("gmx-old-text", None, 550, UNKNOWN),
    ("icloud-mailbox-full", "5.2.2", 552, FULL),
    ("kundenserver-report", "5.2.2", 554, FULL),
    ("mailru-old-text", None, 550, UNKNOWN),
    ("mailru-report", "5.0.0", 550, OURS),
    ("microsoft365-access-denied", "5.4.1", 550, OURS),
    ("microsoft365-bulk-sender", "5.7.515", 550, OURS),
    ("microsoft365-expired", "4.4.7", None, FULL),
    ("microsoft365-loop", "5.4.14", 554, UNKNOWN),
    ("microsoft365-mailbox-full", "5.2.2", 554, FULL),
    ("microsoft365-no-such-user", "5.1.10", 550, GONE),
    ("microsoft365-restricted", "5.7.133", 550, OURS),
    ("outlook-com-no-such-user", "5.5.0", 550, OURS),
    ("postfix-expired", "4.4.1", None, FULL),
    ("postfix-local-user", "5.1.1", None, GONE),
    ("postfix-mailbox-full", "5.2.2", 552, FULL),
    ("postfix-no-domain", "5.4.4", None, UNKNOWN),
    ("postfix-no-enhanced-code", "5.0.0", 550, UNKNOWN),
    ("postfix-no-such-user", "5.1.1", 550, GONE),
    ("postfix-policy", "5.7.1", 554, OURS),
    ("postfix-too-large", "5.3.4", None, OURS),
    ("qmail-gave-up", "4.4.3", None, FULL),
    ("qmail-names-the-mailbox", None, 550, UNKNOWN),
    ("qmail-no-code", None, None, UNKNOWN),
    ("qmail-no-mailbox", "5.1.1", None, GONE),
    ("qmail-remote-said", "5.2.1", 550, GONE),
    ("sendmail-host-unknown", "5.1.2", 550, GONE),
    ("sendmail-no-such-user", "5.1.1", 550, GONE),
    ("ses-no-such-user", "5.1.1", 550, GONE),
    ("ses-suppressed", "5.1.1", None, GONE),
    ("t-online-old-text", "5.1.1", 550, GONE),
    ("yahoo-old-text", None, 554, UNKNOWN),
    ("yahoo-report", "5.0.0", 552, UNKNOWN),
]

# Sample, kind, enhanced status code, reply code, what is known of the message afterwards.
OTHERS = [
    ("answer-exchange-oof", "autoresponded", None, None, "delivered"),
    ("answer-gmail-vacation", "autoresponded", None, None, "delivered"),
    ("answer-gmx-abwesenheit", "autoresponded", None, None, "delivered"),
    ("answer-persian", "autoresponded", None, None, "delivered"),
    ("answer-sieve-vacation", "autoresponded", None, None, "delivered"),
    ("answer-ticket", "autoresponded", None, None, "delivered"),
    ("arf-opt-out", "unsubscribed", None, None, "delivered"),
    ("exim-old-delayed", "deferred", "4.7.1", 451, "deferred"),
    ("gmail-delayed", "deferred", "4.4.1", None, "deferred"),
    ("mdn-displayed", "autoresponded", None, None, "delivered"),
    ("postfix-delayed", "deferred", "4.4.1", None, "deferred"),
    ("postfix-delivered", "delivered", "2.0.0", None, "delivered"),
    ("postfix-relayed", "sent", "2.0.0", None, None),
    ("postfix-two-recipients-of-an-alias", "delivered", "2.0.0", None, "delivered"),
    ("reply-of-a-person", "replied", None, None, "delivered"),
    ("sendmail-delayed", "deferred", "4.4.1", None, "deferred"),
]

COMPLAINTS = ["arf-aol-redacted", "arf-german-csa", "arf-microsoft-jmrp", "arf-to-return-address", "arf-yahoo"]
HELD = [("arf-unsigned", "unsigned")]
NOTHING = ["arf-dmarc-failure", "arf-not-spam"]


def test_every_sample_is_in_one_table():
    listed = [row[0] for row in [*BOUNCES, *OTHERS, *HELD]] + COMPLAINTS + NOTHING

    assert sorted(listed) == sorted(path.stem for path in SAMPLES.glob("*.eml"))


@pytest.mark.parametrize(("name", "status", "code", "cause"), BOUNCES)
def test_a_bounce_counts_against_the_address_as_its_code_says(sent, name, status, code, cause):
    receipt = sent.returns(sample(name, sent.address))

    assert receipt is Receipt.STORED
    assert stored(sent.world) == [("bounced", status, code, cause, None)]
    assert suppressions(sent.world) == (["bounce"] if cause == GONE else [])
    assert soft_bounces(sent.world) == ([cause] if cause in {FULL, UNKNOWN} else [])
    assert sent.came_back == "bounced"


@pytest.mark.parametrize("row", OTHERS, ids=[row[0] for row in OTHERS])
def test_what_is_no_bounce_counts_against_nobody(sent, row):
    name, kind, status, code, came_back = row

    receipt = sent.returns(sample(name, sent.address))

    assert receipt is Receipt.STORED
    assert stored(sent.world) == [(kind, status, code, None, None)]
    assert suppressions(sent.world) == soft_bounces(sent.world) == []
    assert sent.came_back == came_back


@pytest.mark.parametrize("name", COMPLAINTS)
def test_a_complaint_suppresses_once_whether_or_not_it_names_the_recipient(sent, name):
    """F48."""
    raw = sample(name, sent.address)

    assert sent.returns(raw) is Receipt.STORED
    assert sent.returns(raw) is Receipt.KNOWN
    assert [row[0] for row in stored(sent.world)] == ["complained"]
    assert suppressions(sent.world) == ["complaint"]
    assert sent.came_back == "complained"


@pytest.mark.parametrize(("name", "problem"), HELD)
def test_what_a_person_must_see_is_kept_sealed_and_does_nothing(sent, name, problem):
    receipt = sent.returns(sample(name, sent.address))

    assert receipt is Receipt.HELD
    assert [row[4] for row in stored(sent.world)] == [problem]
    assert suppressions(sent.world) == []
    assert sent.came_back is None


@pytest.mark.parametrize("name", NOTHING)
def test_a_report_that_is_no_complaint_is_not_stored(sent, name):
    assert sent.returns(sample(name, sent.address)) is Receipt.FOREIGN
    assert stored(sent.world) == []


def test_the_recipient_of_no_sample_is_in_the_database_or_the_log_in_clear(sent, caplog):
    caplog.set_level(logging.DEBUG)

    for path in SAMPLES.glob("*.eml"):
        sent.returns(sample(path.stem, sent.address))

    kept = str(sent.world.sql("select provider, event_id, detail, status, cause, sealed from delivery_event"))
    assert len(stored(sent.world)) == len([*BOUNCES, *OTHERS, *HELD, *COMPLAINTS])
    assert "canary" not in kept.lower()
    assert "زهرا" not in kept
    assert "canary" not in caplog.text.lower()


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.eml")), ids=lambda path: path.stem)
def test_line_ends_and_the_door_make_no_difference(world, path):
    names = Names.by(world.runtime)
    address = names.of(4711)[1]
    raw = sample(path.stem, address)
    told = returned.read(raw, names, now=START).event

    for line_end in (b"\r\n", b"\r"):
        other = returned.read(raw.replace(b"\n", line_end), names, now=START).event
        assert (other and (other.kind, other.status, other.code, other.message_id, other.problem)) == (
            told and (told.kind, told.status, told.code, told.message_id, told.problem)
        )
    if told is not None and told.message_id is not None and "abuse@" not in raw.decode(errors="replace"):
        # By LMTP without any trace in the headers: the envelope tells both sides.
        bare = raw.partition(b"\nFrom:")
        sender = raw.partition(b"Return-Path: <")[2].partition(b">")[0].decode()
        other = returned.read(b"From:" + bare[2], names, now=START, recipient=address, sender=sender).event
        assert (other.kind, other.status, other.code, other.message_id) == (
            told.kind,
            told.status,
            told.code,
            told.message_id,
        )


def test_a_complaint_is_not_lifted_by_later_deliveries(world):
    sent = send(world)
    sent.returns(sample("arf-yahoo", sent.address))

    sent.returns(sample("postfix-delivered", sent.address))

    assert suppressions(world) == ["complaint"]
    assert sent.came_back == "complained"
    keys = [bytes(key) for (key,) in world.sql("select address_key from suppression")]
    assert world.read(lambda tx: outbox_suppressions.history(tx, keys).suppressed)
