import email.policy
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from campaign.blasts import blasts
from campaign.blasts import reports as blast_reports
from campaign.blasts import running as blast_running
from campaign.blasts.rules import Audience, BlastStage, BlastText
from campaign.errors import ConflictError, InvalidInputError
from campaign.outbox import suppressions
from campaign.petitions import organisers
from campaign.signatures import preferences
from campaign.states import Lane, MessageState
from tests.kit.memory_transport import MemoryTransport

TEXT = {
    "en": BlastText("News of {{petition}}", "Dear {{name}},\n\n**we** met the minister.\n\n[Your page]({{own page}})")
}


@pytest.fixture
def organiser(world):
    account_id = accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ADMIN)
    return next(account for account in accounts.list_all(world.runtime) if account.id == account_id)


@pytest.fixture
def petition(world, organiser):
    slug = world.petition(locales=("en", "de"))
    return slug, organisers.may_organise(world.runtime, organiser, slug)


def draft(world, petition, organiser, **given):
    return blasts.save_draft(
        world.runtime, petition[1], given.pop("texts", TEXT), by=organiser,
        request_key=given.pop("key", "one"), **given,
    )  # fmt: skip


def start(world, petition, organiser, blast_id):
    blasts.send_now(world.runtime, blast_id, petition[1], by=organiser)
    world.clock.forward(seconds=31)
    return blast_running.look(world.runtime)


def test_each_eligible_signer_gets_an_update_exactly_once(world, petition, organiser):
    slug, petition_id = petition
    for number in range(5):
        world.signature(
            slug, f"s{number}@example.org", name=f"Signer {number}", confirmed=True, wants_updates=number < 4
        )
    world.signature(slug, "pending@example.org", wants_updates=True)
    blast_id = draft(world, petition, organiser)

    start(world, petition, organiser, blast_id)
    blast_running.look(world.runtime)
    transport = MemoryTransport()
    world.deliverer(Lane.BULK, transport=transport).drain()

    assert sorted(envelope.rcpt_to for envelope in transport.sent) == [f"s{number}@example.org" for number in range(4)]
    report = blast_reports.report(world.runtime, blast_id, petition_id)
    assert (report.stage, report.planned, report.states) == (BlastStage.FINISHED, 4, {MessageState.ACCEPTED: 4})


def test_an_update_greets_by_name_and_unsubscribes_by_one_click(world, petition, organiser):
    slug, _ = petition
    world.signature(slug, name="زهرا <b>", confirmed=True, wants_updates=True)
    blast_id = draft(world, petition, organiser)
    start(world, petition, organiser, blast_id)
    transport = MemoryTransport()

    world.deliverer(Lane.BULK, transport=transport).drain()

    [envelope] = transport.sent
    message = email.message_from_bytes(envelope.data, policy=email.policy.default)
    html = message.get_body(("html",)).get_content()
    assert message["Subject"] == "News of A petition (en)"
    assert "زهرا &lt;b&gt;" in html
    assert "زهرا <b>" in message.get_body(("plain",)).get_content()
    assert "/mine?" in html
    assert "/me/" not in html
    assert "{{" not in html
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_pressing_send_twice_is_one_blast(world, petition, organiser):
    first = draft(world, petition, organiser)
    second = draft(world, petition, organiser)

    moments = {blasts.send_now(world.runtime, first, petition[1], by=organiser) for _ in range(2)}

    assert first == second
    assert len(moments) == 1


def test_who_unsubscribes_after_the_freeze_gets_nothing(world, petition, organiser):
    slug, petition_id = petition
    signed = world.signature(slug, confirmed=True, wants_updates=True)
    blast_id = draft(world, petition, organiser)
    start(world, petition, organiser, blast_id)

    preferences.one_click(world.runtime, preferences.unsubscribe_token(world.runtime, signed))
    transport = MemoryTransport()
    world.deliverer(Lane.BULK, transport=transport).drain()

    assert transport.sent == []
    assert blast_reports.report(world.runtime, blast_id, petition_id).reasons == (("suppressed", "unsubscribed", 1),)


def test_a_paused_blast_rests_and_goes_on(world, petition, organiser):
    slug, petition_id = petition
    world.signature(slug, confirmed=True, wants_updates=True)
    blast_id = draft(world, petition, organiser)
    start(world, petition, organiser, blast_id)
    transport = MemoryTransport()
    deliverer = world.deliverer(Lane.BULK, transport=transport)

    blasts.pause(world.runtime, blast_id, petition_id, by=organiser)
    deliverer.drain()
    while_paused = len(transport.sent)
    blasts.resume(world.runtime, blast_id, petition_id, by=organiser)
    deliverer.drain()

    assert (while_paused, len(transport.sent)) == (0, 1)


def test_a_started_blast_keeps_its_text(world, petition, organiser):
    blast_id = draft(world, petition, organiser)
    start(world, petition, organiser, blast_id)

    with pytest.raises(ConflictError):
        blasts.edit(world.runtime, blast_id, petition[1], {"en": BlastText("Other", "Other")}, audience=Audience())


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("Hello {{nmae}}", "unknown_tag 1:7 nmae"),
        ("One\nTwo {{name", "unclosed_tag 2:5 {{name"),
        ("{{7*7}}", "unknown_tag 1:1 7*7"),
        ("{% for x in y %}", "not_a_tag 1:1 {%"),
        ("", "missing"),
        ("x" * 100_001, "too_long"),
    ],
)
def test_a_text_that_cannot_be_merged_is_refused_with_the_place(world, petition, organiser, body, problem):
    with pytest.raises(InvalidInputError) as refused:
        draft(world, petition, organiser, texts={"en": BlastText("Subject", body)})

    assert refused.value.problems == {"en.body": problem}


@pytest.mark.parametrize("subject", ["", "x" * 5000, "a\r\nBcc: x@example.org", "Dear {{name}}"])
def test_a_subject_that_cannot_be_sent_is_refused(world, petition, organiser, subject):
    with pytest.raises(InvalidInputError) as refused:
        draft(world, petition, organiser, texts={"en": BlastText(subject, "Text")})

    assert set(refused.value.problems) == {"en.subject"}


def test_a_blast_of_another_epoch_is_held_for_a_person(world, petition, organiser):
    blast_id = draft(world, petition, organiser)
    blasts.send_now(world.runtime, blast_id, petition[1], by=organiser)
    world.sql("update blast set epoch = %(epoch)s returning id", epoch=uuid4())
    world.clock.forward(minutes=1)

    started = blast_running.start_due(world.runtime)

    assert started == 0
    assert blast_reports.report(world.runtime, blast_id, petition[1]).stage is BlastStage.HELD


def test_a_blast_that_is_too_late_is_held_for_a_person(world, petition, organiser):
    blast_id = draft(world, petition, organiser)
    blasts.send_now(world.runtime, blast_id, petition[1], by=organiser)
    world.clock.forward(hours=7)

    blast_running.look(world.runtime)

    assert world.sql("select paused_reason, started_at from blast") == [("too_late", None)]


def test_a_missing_hour_moves_behind_the_clock_change(world, petition, organiser):
    world.clock.now = datetime(2027, 3, 1, tzinfo=world.clock.now.tzinfo)
    blast_id = draft(world, petition, organiser)

    planned = blasts.schedule(
        world.runtime, blast_id, petition[1], local=datetime(2027, 3, 28, 2, 30), zone="Europe/Berlin", by=organiser
    )

    assert planned.change == "missing"
    assert planned.moment.isoformat() == "2027-03-28T01:30:00+00:00"
    assert planned.local == datetime(2027, 3, 28, 3, 30)


def test_a_doubled_hour_is_the_first_unless_the_second_is_asked_for():
    local = datetime(2027, 10, 31, 2, 30)

    first = blasts.plan_moment(local, "Europe/Berlin")
    second = blasts.plan_moment(local, "Europe/Berlin", second=True)

    assert first.change == second.change == "doubled"
    assert second.moment - first.moment == timedelta(hours=1)


def test_cancelling_leaves_no_row_open(world, petition, organiser):
    slug, petition_id = petition
    world.signature(slug, confirmed=True, wants_updates=True)
    blast_id = draft(world, petition, organiser)
    start(world, petition, organiser, blast_id)

    blasts.cancel(world.runtime, blast_id, petition_id, by=organiser)

    report = blast_reports.report(world.runtime, blast_id, petition_id)
    assert (report.stage, report.open, report.states) == (BlastStage.CANCELLED, 0, {MessageState.CANCELLED: 1})


def test_an_audience_can_be_countries_and_languages(world, petition, organiser):
    slug, petition_id = petition
    world.signature(slug, "de@example.org", name="A", confirmed=True, wants_updates=True, country="DE", locale="de")
    world.signature(slug, "pk@example.org", name="B", confirmed=True, wants_updates=True, country="PK")

    counts = blasts.audience_counts(world.runtime, petition_id, Audience(countries=("DE",)))

    assert (counts["eligible"], counts["outside"]) == (1, 1)


def test_an_address_that_bounced_is_counted_out_before_the_update_is_sent(world, petition, organiser):
    slug, petition_id = petition
    for name in ("good", "gone"):
        world.signature(slug, f"{name}@example.org", name=name, confirmed=True, wants_updates=True)
    world.sql("update message set state = 'accepted', settled_at = now()")
    [(thank_you,)] = world.sql("select max(id) from message where kind = 'thank_you'")
    key = world.runtime.secrets.address_key("gone@example.org")
    world.read(lambda tx: suppressions.add(tx, key, reason="bounce", petition_id=None, message_id=thank_you))

    before = blasts.audience_counts(world.runtime, petition_id, Audience())
    world.sql("update suppression set lifted_at = now()")
    lifted = blasts.audience_counts(world.runtime, petition_id, Audience())

    assert (before["eligible"], before["suppressed"], before["outside"]) == (1, 1, 0)
    assert (lifted["eligible"], lifted["suppressed"]) == (2, 0)


def test_a_row_that_a_worker_gave_back_after_the_cancelling_is_cancelled_by_the_next_look(world, petition, organiser):
    slug, petition_id = petition
    world.signature(slug, confirmed=True, wants_updates=True)
    blast_id = draft(world, petition, organiser)
    start(world, petition, organiser, blast_id)
    world.sql("update message set state = 'claimed', lease_until = now() where blast_id is not null")
    blasts.cancel(world.runtime, blast_id, petition_id, by=organiser)
    # The mail server put it off.
    world.sql("update message set state = 'planned', lease_until = null, attempts = 1 where blast_id is not null")

    blast_running.look(world.runtime)

    report = blast_reports.report(world.runtime, blast_id, petition_id)
    assert (report.open, report.states) == (0, {MessageState.CANCELLED: 1})


def test_a_report_names_the_update_in_the_language_of_its_reader_with_its_tags_filled_in(world, petition, organiser):
    texts = TEXT | {"de": BlastText("Neues von {{petition}}", "Hallo")}
    blast_id = draft(world, petition, organiser, texts=texts)

    subjects = [
        blast_reports.report(world.runtime, blast_id, petition[1], locale).subject for locale in ("en", "de", "ur", "")
    ]

    assert subjects == ["News of A petition (en)", "Neues von A petition (de)", *["News of A petition (en)"] * 2]


def test_a_report_measures_a_young_flow_from_its_beginning_like_the_monitor(world, petition, organiser):
    slug, petition_id = petition
    for number in range(40):
        world.signature(slug, f"s{number}@example.org", name=f"S {number}", confirmed=True, wants_updates=True)
    blast_id = draft(world, petition, organiser)
    start(world, petition, organiser, blast_id)
    begun = world.clock()
    world.deliverer(Lane.BULK).drain()
    world.clock.forward(seconds=20)

    report = blast_reports.report(world.runtime, blast_id, petition_id)

    assert report.rate == pytest.approx(2.0)
    assert report.first_at == report.last_at == begun


def test_a_change_is_checked_like_a_first_draft(world, petition, organiser):
    blast_id = draft(world, petition, organiser)

    with pytest.raises(InvalidInputError):
        blasts.edit(world.runtime, blast_id, petition[1], {"en": BlastText("", "Hello")}, audience=Audience())

    assert blasts.get(world.runtime, blast_id, petition[1])[1] == TEXT


def test_the_text_is_frozen_once_the_sending_has_begun(world, petition, organiser):
    world.signature(petition[0], confirmed=True, wants_updates=True)
    blast_id = draft(world, petition, organiser)
    start(world, petition, organiser, blast_id)

    with pytest.raises(ConflictError):
        blasts.edit(world.runtime, blast_id, petition[1], {"en": BlastText("Other", "Text")}, audience=Audience())

    assert blasts.get(world.runtime, blast_id, petition[1])[1] == TEXT
