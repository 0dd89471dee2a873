import re
from datetime import timedelta

import pytest

from campaign.blasts import blasts
from campaign.blasts import running as blast_running
from campaign.blasts.rules import BlastText
from campaign.outbox import lanes
from campaign.states import Lane
from tests.kit import ledgers
from tests.kit.memory_transport import MemoryTransport
from tests.kit.worlds import World
from tests.views.desk.deskkit import SLUG, Desk, make_desk, text_of

TYPED = {"en-subject": "News", "en-body": "Dear {{name}}, it is **done**.", "action": "save"}


@pytest.fixture
def desk(world: World) -> Desk:
    made = make_desk(world)
    world.signature(SLUG, confirmed=True, wants_updates=True)
    return made


def draft(desk: Desk, key: str = "one") -> int:
    return blasts.save_draft(
        desk.world.runtime, desk.petition_id, {"en": BlastText("News", "Dear {{name}}")}, by=desk.olga, request_key=key
    )


def run(desk: Desk, blast_id: int) -> None:
    desk.post(f"/updates/{blast_id}/send")
    desk.world.clock.forward(seconds=31)
    blast_running.look(desk.world.runtime)


def deliver(desk: Desk) -> None:
    desk.world.deliverer(Lane.BULK, transport=MemoryTransport()).drain()


def key_of(page: str) -> str:
    found = re.search(r'name="request_key" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_an_update_is_written_in_several_languages_for_some_readers(desk: Desk):
    key = key_of(desk.get("/updates/new").text)

    answer = desk.post(
        "/updates/new", request_key=key, **TYPED, **{"de-subject": "Neues", "de-body": "Hallo"},
        countries=["DE", "PK", "nowhere"], locales=["de", "xx"],
    )  # fmt: skip

    assert answer.status_code == 303
    assert desk.world.sql("select locale, subject from blast_text order by locale") == [("de", "Neues"), ("en", "News")]
    assert desk.world.sql("select audience from blast") == [({"countries": ["DE", "PK"], "locales": ["de"]},)]


def test_saving_twice_with_one_page_is_one_update(desk: Desk):
    key = key_of(desk.get("/updates/new").text)

    answers = [desk.post("/updates/new", request_key=key, **TYPED) for _ in range(2)]

    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert desk.world.sql("select count(*) from blast") == [(1,)]


@pytest.mark.parametrize("key", ["", "x" * 500, "milestone.1.100", "\x00"])
def test_a_key_of_ones_own_making_is_replaced(desk: Desk, key: str):
    assert desk.post("/updates/new", request_key=key, **TYPED).status_code == 303
    assert desk.world.sql("select request_key = %(key)s from blast", key=key.replace("\x00", "")) == [(False,)]


@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        (
            {"en-body": "One\nTwo {{nmae}}"},
            "en-body",
            "English: Line 2, character 5: unknown placeholder {{nmae}}.",
        ),
        (
            {"en-body": "Hi {{name"},
            "en-body",
            "English: Line 1, character 4: the placeholder beginning with {{name has no",
        ),
        ({"en-body": "{{7*7}}"}, "en-body", "unknown placeholder {{7*7}}"),
        ({"en-body": "{% for x in y %}"}, "en-body", "{% can’t be used here"),
        ({"en-body": "x" * 100_001}, "en-body", "Shorten the text to 100,000 characters."),
        ({"en-body": "a\x07b"}, "en-body", "invisible characters"),
        ({"en-subject": ""}, "en-subject", "English: Write a subject."),
        ({"en-subject": "x" * 5000}, "en-subject", "Shorten the subject to 120 characters."),
        ({"en-subject": "a\r\nBcc: x@example.org"}, "en-subject", "on one line"),
        ({"en-subject": "Dear {{name}}"}, "en-subject", "the subject is the same for everybody"),
        ({"en-subject": "", "en-body": ""}, "texts", "Write subject and text in at least one language."),
        ({"de-subject": "Nur ein Betreff"}, "de-body", "Deutsch: Write the text."),
    ],
)
def test_what_can_not_be_sent_is_refused_with_its_place_and_kept(
    desk: Desk, changed: dict[str, str], field: str, sentence: str
):
    answer = desk.post("/updates/new?lang=en", request_key="", **TYPED | changed)

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}"' in answer.text
    assert desk.world.sql("select count(*) from blast") == [(0,)]
    if changed.get("en-body", "").startswith("One"):
        assert "Two {{nmae}}</textarea>" in answer.text


def test_without_javascript_a_button_shows_the_mail_and_saves_nothing(desk: Desk):
    answer = desk.post("/updates/new?lang=en", request_key="", **TYPED | {"action": "preview"})

    assert "Dear Zahra Ahmadi, it is done. News about:" in text_of(answer)
    assert desk.world.sql("select count(*) from blast") == [(0,)]


def test_the_live_preview_answers_with_the_text_or_with_what_is_wrong(desk: Desk):
    good = desk.post("/updates/preview?lang=en&text=en", body="Dear {{name}}, *hi*")
    bad = desk.post("/updates/preview?lang=en&text=en", body="{{nmae}}")

    assert good.json == {"subject": "–", "html": "<p>Dear Zahra Ahmadi, <em>hi</em></p>"}
    assert bad.status_code == 422
    assert "unknown placeholder {{nmae}}" in bad.json["problems"][0]


def test_a_preview_shows_the_mail_in_frames_that_can_do_nothing(desk: Desk):
    blast_id = draft(desk)

    page = desk.get(f"/updates/{blast_id}/preview?text=ur")
    frame = desk.get(f"/updates/{blast_id}/preview.html?text=ur")

    assert page.text.count("<iframe") == 2
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    assert frame.headers["Content-Security-Policy"].startswith("sandbox ")
    assert "default-src 'none'" in frame.headers["Content-Security-Policy"]
    assert "زہرا احمدی" in frame.text


def test_the_page_says_how_many_get_it_and_why_others_do_not(desk: Desk):
    desk.world.signature(SLUG, "b@example.org", name="B", confirmed=True)
    desk.world.signature(SLUG, "c@example.org", name="C")

    page = text_of(desk.get(f"/updates/{draft(desk)}?lang=en"))

    assert "Receive it 1" in page
    assert "Confirmed, but don’t want updates 1" in page
    assert "Haven’t confirmed yet 1" in page
    assert "Send to 1 person now" in page


def test_a_test_goes_to_ones_own_address(desk: Desk):
    desk.post(f"/updates/{draft(desk)}/press", button="test")

    assert desk.world.sql("select kind, account_id, blast_id from message where kind = 'test'") == [
        ("test", desk.olga.id, None)
    ]


def test_a_moment_is_explained_before_it_is_scheduled(desk: Desk):
    blast_id = draft(desk)
    when = {"date": "2026-11-26", "time": "09:00", "zone": "Europe/Berlin"}

    asked = desk.post(f"/updates/{blast_id}/schedule?lang=en", **when)
    in_between = desk.world.sql("select send_at from blast")
    sure = desk.post(f"/updates/{blast_id}/schedule?lang=en", **when, sure="yes")

    assert "Send to 1 person on Thursday, 26 November 2026, 09:00" in text_of(asked)
    assert in_between == [(None,)]
    assert sure.status_code == 303
    [(send_at, zone)] = desk.world.sql("select send_at, time_zone from blast")
    assert (send_at.isoformat(), zone) == ("2026-11-26T08:00:00+00:00", "Europe/Berlin")


def test_a_missing_hour_is_shifted_and_said_so(desk: Desk):
    blast_id = draft(desk)
    when = {"date": "2027-03-28", "time": "02:30", "zone": "Europe/Berlin"}

    asked = text_of(desk.post(f"/updates/{blast_id}/schedule?lang=en", **when))
    desk.post(f"/updates/{blast_id}/schedule", **when, sure="yes")

    assert "02:30 doesn’t exist" in asked
    assert "on Sunday, 28 March 2027, 03:30" in asked
    assert desk.world.sql("select send_at from blast")[0][0].isoformat() == "2027-03-28T01:30:00+00:00"


@pytest.mark.parametrize(("occurrence", "moment"), [("first", "00:30"), ("second", "01:30")])
def test_a_doubled_hour_is_chosen(desk: Desk, occurrence: str, moment: str):
    blast_id = draft(desk)
    when = {"date": "2027-10-31", "time": "02:30", "zone": "Europe/Berlin"}

    asked = text_of(desk.post(f"/updates/{blast_id}/schedule?lang=en", **when))
    desk.post(f"/updates/{blast_id}/schedule", **when, occurrence=occurrence, sure="yes")

    assert "02:30 happens twice" in asked
    assert desk.world.sql("select send_at from blast")[0][0].isoformat() == f"2027-10-31T{moment}:00+00:00"


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ({"date": "", "time": "09:00", "zone": "UTC"}, "Enter a date and a time."),
        ({"date": "26.11.2026", "time": "09:00", "zone": "UTC"}, "Enter the date like 2027-11-25"),
        ({"date": "2026-02-30", "time": "09:00", "zone": "UTC"}, "Enter the date like 2027-11-25"),
        ({"date": "2026-11-26", "time": "25:00", "zone": "UTC"}, "Enter the date like 2027-11-25"),
        ({"date": "2020-01-01", "time": "09:00", "zone": "UTC"}, "This time has passed."),
        ({"date": "9999-12-31", "time": "23:59", "zone": "America/Los_Angeles"}, "within the next two years"),
        ({"date": "0001-01-01", "time": "00:00", "zone": "Asia/Tokyo"}, "This time has passed."),
        ({"date": "2026-11-26", "time": "09:00", "zone": "Mars/Base"}, "Choose a time zone from the list."),
        ({"date": "2026-11-26", "time": "09:00", "zone": "../etc/passwd"}, "Choose a time zone from the list."),
    ],
)
def test_a_moment_that_is_none_is_refused_at_its_field(desk: Desk, when: dict[str, str], sentence: str):
    blast_id = draft(desk)

    for sure in ("", "yes"):
        answer = desk.post(f"/updates/{blast_id}/schedule?lang=en", **when, sure=sure)
        assert answer.status_code == 422
        assert sentence in text_of(answer)
    assert desk.world.sql("select send_at from blast") == [(None,)]


def test_pressing_send_twice_is_one_sending(desk: Desk):
    blast_id = draft(desk)

    for _ in range(2):
        assert desk.post(f"/updates/{blast_id}/send").status_code == 303
    desk.world.clock.forward(seconds=31)
    blast_running.look(desk.world.runtime)
    deliver(desk)

    assert desk.world.sql("select state, count(*) from message where kind = 'update' group by 1") == [("accepted", 1)]


def test_what_starts_soon_can_be_undone(desk: Desk):
    blast_id = draft(desk)
    desk.post(f"/updates/{blast_id}/send")
    page = text_of(desk.get(f"/updates/{blast_id}?lang=en"))

    desk.post(f"/updates/{blast_id}/press", button="unschedule")
    desk.world.clock.forward(minutes=5)
    blast_running.look(desk.world.runtime)

    assert "It starts at 10:00:30." in page
    assert "Undo" in page
    assert desk.world.sql("select started_at, send_at from blast") == [(None, None)]


def test_a_scheduled_update_is_changed_and_stays_scheduled(desk: Desk):
    blast_id = draft(desk)
    desk.post(f"/updates/{blast_id}/schedule", date="2026-11-26", time="09:00", zone="UTC", sure="yes")

    answer = desk.post(f"/updates/{blast_id}/edit", **TYPED | {"en-subject": "Other news"})

    assert answer.status_code == 303
    assert desk.world.sql(
        "select b.send_at is not null, t.subject from blast b join blast_text t on t.blast_id = b.id"
    ) == [(True, "Other news")]


def test_once_it_has_started_its_text_is_frozen(desk: Desk):
    blast_id = draft(desk)
    run(desk, blast_id)

    assert desk.get(f"/updates/{blast_id}/edit").status_code == 409
    assert desk.post(f"/updates/{blast_id}/edit", **TYPED).status_code == 409
    assert (
        desk.post(f"/updates/{blast_id}/schedule", date="2027-01-01", time="09:00", zone="UTC", sure="yes").status_code
        == 409
    )
    assert desk.post(f"/updates/{blast_id}/press", button="unschedule").status_code == 409


def test_an_update_is_paused_resumed_and_reported(desk: Desk):
    blast_id = draft(desk)
    run(desk, blast_id)

    desk.post(f"/updates/{blast_id}/press", button="pause")
    deliver(desk)
    paused = text_of(desk.get(f"/updates/{blast_id}?lang=en"))
    desk.post(f"/updates/{blast_id}/press", button="resume")
    deliver(desk)
    finished = text_of(desk.get(f"/updates/{blast_id}?lang=en"))

    assert "0 of 1 email accepted by the mail server" in paused
    assert "Resume (1 left)" in paused
    assert "Accepted by the mail server 1 Rejected 0" in finished
    assert "Still to be sent 0 Total 1" in finished
    assert "1 of 1 email accepted by the mail server" in finished
    assert "Done." in finished


def test_the_report_and_the_overview_say_that_nothing_is_sent_and_why(desk: Desk):
    blast_id = draft(desk)
    run(desk, blast_id)
    world, now = desk.world, desk.world.clock.now
    without = text_of(desk.get(f"/updates/{blast_id}?lang=en"))
    ledgers.serve(world)
    served = text_of(desk.get(f"/updates/{blast_id}?lang=en"))
    world.read(
        lambda tx: lanes.open_circuit(
            tx, Lane.BULK, not_before=now + timedelta(minutes=2), answer="no connection: ECONNREFUSED", now=now,
            relay="smtp.example.net:587", phase="connect",
        )
    )  # fmt: skip

    away = text_of(desk.get(f"/updates/{blast_id}?lang=en"))
    overview = text_of(desk.get("?lang=en"))

    assert "On hold: the sending service isn’t running." in without
    assert "On hold" not in served
    for page in (away, overview):
        assert "On hold for the whole site since 10:00: the mail server can’t be used. Next try at 10:02." in page
        assert "Nothing is lost; it continues by itself." in page
    for page in (without, away, overview, text_of(desk.get("/updates?lang=en"))):
        assert "Being sent" not in page
        assert "On hold" in page
    assert "Being sent" in served
    for page in (without, away):
        assert "in a moment" not in page
        assert "Done at about" not in page


def test_a_discarded_draft_shows_its_text_and_no_report(desk: Desk):
    blast_id = draft(desk)
    desk.post(f"/updates/{blast_id}/press", button="cancel")

    page = text_of(desk.get(f"/updates/{blast_id}?lang=en"))
    listed = text_of(desk.get("/updates?lang=en"))

    assert "No email was sent." in page
    assert desk.world.sql("select body_markdown from blast_text where blast_id = %(id)s", id=blast_id)[0][0] in page
    assert "Total" not in page
    assert "Discarded" in listed


def test_a_cancelled_update_tells_first_how_many_were_accepted(desk: Desk):
    blast_id = draft(desk)
    desk.world.signature(SLUG, "b@example.org", name="B", confirmed=True, wants_updates=True)
    run(desk, blast_id)
    desk.world.sql(
        "update message set state = 'accepted', settled_at = now() where id = (select min(id) from message "
        "where blast_id = %(id)s) returning id",
        id=blast_id,
    )
    desk.post(f"/updates/{blast_id}/press", button="cancel")

    answer = desk.get(f"/updates/{blast_id}?lang=en")
    page = text_of(answer)

    assert "1 of 2 emails accepted by the mail server" in page
    assert "Accepted by the mail server 1" in page
    assert "Cancelled 1 " in page
    bar = re.findall(r'<rect class="outcome-([a-z]+)" x="[0-9.]+" y="0" width="([0-9.]+)"', answer.text)
    assert bar == [("accepted", "500.0"), ("cancelled", "500.0")]


def test_cancelling_midway_leaves_nothing_open(desk: Desk):
    blast_id = draft(desk)
    run(desk, blast_id)

    desk.post(f"/updates/{blast_id}/press", button="cancel")

    page = text_of(desk.get(f"/updates/{blast_id}?lang=en"))
    assert "Cancelled 1" in page
    assert "The update was cancelled first" in page
    assert desk.post(f"/updates/{blast_id}/press", button="resume").status_code == 409


def test_reasons_are_words_and_the_servers_own_are_quoted(desk: Desk):
    blast_id = draft(desk)
    desk.world.signature(SLUG, "b@example.org", name="B", confirmed=True, wants_updates=True)
    run(desk, blast_id)
    desk.world.sql(
        "update message set state = 'rejected', reason = case when id %% 2 = 0 then '550 5.1.1 no <such> user' "
        "else 'suppressed: bounce' end where blast_id = %(id)s returning id",
        id=blast_id,
    )

    page = text_of(desk.get(f"/updates/{blast_id}?lang=en"))

    assert "The mail server said: 550 5.1.1 no <such> user" in page
    assert "The address does not exist any more" in page
    assert "Send to the 2 who did not get it" in page


def test_an_update_is_sent_to_those_who_did_not_get_it(desk: Desk):
    blast_id = draft(desk)
    run(desk, blast_id)
    desk.post(f"/updates/{blast_id}/press", button="cancel")
    page = text_of(desk.get(f"/updates/{blast_id}?lang=en"))

    answer = desk.post(f"/updates/{blast_id}/press", button="again")
    deliver(desk)

    assert "Send to the 1 person who did not get it" in page
    assert answer.location.endswith(f"/updates/{blast_id}")
    assert "Queued for those who did not get it." in text_of(desk.get(f"/updates/{blast_id}?lang=en"))
    assert "who did not get it" not in text_of(desk.get(f"/updates/{blast_id}?lang=en"))

    assert desk.world.sql("select state from message where kind = 'update'") == [("accepted",)]


def test_a_held_update_says_why_and_can_be_scheduled_anew(desk: Desk):
    blast_id = draft(desk)
    desk.post(f"/updates/{blast_id}/send")
    desk.world.clock.forward(hours=7)
    blast_running.look(desk.world.runtime)
    page = text_of(desk.get(f"/updates/{blast_id}?lang=en"))

    run(desk, blast_id)

    assert "Held back. Its time passed while nothing could be sent." in page
    assert desk.world.sql("select started_at is not null from blast") == [(True,)]


def test_the_announcement_of_a_milestone_is_answered_not_written(desk: Desk):
    desk.world.sql("update petition set milestones = '{1}', milestone_policy = 'approve' returning id")
    desk.world.count(SLUG)
    [(blast_id,)] = desk.world.sql("select id from blast")

    page = text_of(desk.get(f"/updates/{blast_id}?lang=en"))

    assert "Yes, announce it to 1 person" in page
    assert desk.get(f"/updates/{blast_id}/edit").status_code == 404
    assert desk.post(f"/updates/{blast_id}/send").status_code == 404
    assert desk.get(f"/updates/{blast_id}/preview").status_code == 200
    desk.post("/milestones/1", answer="approve")
    desk.post(f"/updates/{blast_id}/press", button="unschedule")
    assert desk.world.sql("select decision from milestone") == [("waiting",)]


def test_unknown_buttons_and_wrong_methods_change_nothing(desk: Desk):
    blast_id = draft(desk)
    before = desk.world.sql("select * from blast")

    assert desk.post(f"/updates/{blast_id}/press", button="explode").status_code == 400
    for path in ("press", "send", "schedule"):
        assert desk.get(f"/updates/{blast_id}/{path}").status_code == 405
    for path in ("", "/edit", "/preview", "/preview.html"):
        assert desk.get(f"/updates/{blast_id}{path}").status_code == 200
    assert desk.world.sql("select * from blast") == before


def test_a_published_update_stands_on_the_petitions_page(desk: Desk):
    blast_id = draft(desk)
    before = desk.client.get(f"/p/{SLUG}?lang=en").text
    run(desk, blast_id)
    desk.app.extensions["page cache"].clear()

    after = desk.client.get(f"/p/{SLUG}?lang=en").text
    update = desk.client.get(f"/p/{SLUG}/updates/{blast_id}?lang=en")

    assert "updates-title" not in before
    assert f'href="/p/{SLUG}/updates/{blast_id}?lang=en">News</a>' in after
    assert "Dear supporter" in update.text
    assert "Set-Cookie" not in update.headers
    assert desk.client.get(f"/p/{SLUG}/updates/999").status_code == 404
    assert desk.client.get(f"/p/{SLUG}/updates/99999999999999").status_code == 404


def test_what_is_wrong_with_an_update_is_said_once_on_top(desk: Desk):
    answer = desk.post("/updates/new", request_key=key_of(desk.get("/updates/new").text), **TYPED | {"en-subject": ""})

    assert answer.status_code == 422
    assert text_of(answer).count("There is a problem") == 1


def test_both_hours_of_a_doubled_one_are_shown_in_utc(desk: Desk):
    blast_id = draft(desk)

    page = text_of(desk.post(f"/updates/{blast_id}/schedule", date="2027-10-31", time="02:30", zone="Europe/Berlin"))

    assert "31 Oct 2027, 00:30 UTC" in page
    assert "31 Oct 2027, 01:30 UTC" in page
    assert "UTC in UTC" not in page


def test_the_list_names_an_update_in_the_language_of_who_looks(desk: Desk):
    texts = {"de": BlastText("Neues: {{count}}", "Hallo"), "en": BlastText("News: {{count}}", "Hello")}
    blasts.save_draft(desk.world.runtime, desk.petition_id, texts, by=desk.olga, request_key="two")

    pages = [text_of(desk.get(f"/updates?lang={locale}")) for locale in ("en", "de")]

    assert ["News: 0" in pages[0], "Neues: 0" in pages[1]] == [True, True]
    assert "{{count}}" not in pages[0] + pages[1]
