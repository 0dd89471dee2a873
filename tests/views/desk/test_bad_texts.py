"""Texts that can't be sent: Save says what and where and keeps what was typed, Send refuses."""

import pytest

from campaign.blasts import blasts
from campaign.blasts.rules import BlastText
from tests.kit.worlds import World
from tests.views.desk.deskkit import SLUG, Desk, make_desk, text_of

DEEP = "*" * 600 + "words" + "*" * 600
LARGE = "wörd " * 19_000

MISTAKES = {
    "deep": (f"One\n\n{DEEP}", "Line 3: lists, quotations or emphasis are nested too deeply. Use at most 10 levels."),
    "markup": ("[" * 20_000, "There is too much markup by line 1"),
    "lines": ("\n" * 5000 + "x", "Shorten the text to 3,000 lines."),
    "table": ("|a|b|\n|-|-|\n" + "|a|b|\n" * 2800, "The table in line 2,501 is too large"),
    "large": (LARGE, "Shorten the text: its email would be larger than the 100 KB that email apps show."),
    "link": ("One\n\nSee [this](page.html)", "Line 3, character 12: the link to “page.html” leads nowhere."),
    "link with a tail": ("See {{unsubscribe}}?from=mail", "the link to “{{unsubscribe}}?from=mail” leads nowhere."),
    "path behind a link": ("See [it]({{link}}/updates)", "the link to “{{link}}/updates” leads nowhere."),
    "tag in a link": ("See [it](https://example.org/{{name}})", "can’t hold the placeholder {{name}}."),
    "html": ("It is <b>bold</b>", "Line 1, character 7: HTML such as <b> can’t be used."),
}


@pytest.fixture
def desk(world: World) -> Desk:
    made = make_desk(world)
    world.signature(SLUG, confirmed=True, wants_updates=True)
    return made


@pytest.mark.parametrize(("body", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_saving_says_what_is_wrong_and_where_and_keeps_what_was_typed(desk: Desk, body: str, sentence: str):
    typed = {"en-subject": "News", "en-body": "Fine", "de-subject": "Neues", "de-body": body}

    answer = desk.post("/updates/new", request_key="", action="save", **typed)

    assert answer.status_code == 422
    assert f"Deutsch: {sentence}" in text_of(answer) or sentence in text_of(answer)
    assert 'aria-invalid="true"' in answer.text
    assert body.strip()[-40:].replace("<", "&lt;").replace(">", "&gt;") in answer.text
    assert desk.world.sql("select count(*) from blast") == [(0,)]


@pytest.mark.parametrize("name", ["deep", "html", "link"])
def test_a_petition_text_is_refused_alike(desk: Desk, name: str):
    body, sentence = MISTAKES[name]

    answer = desk.post("/text?text=de", title="T", addressed_to="X", body=body, action="save")

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert desk.world.sql("select count(*) from text_version where locale = 'de'") == [(1,)]


@pytest.mark.parametrize("button", ["send", "schedule"])
@pytest.mark.parametrize("name", ["deep", "markup", "large"])
def test_a_text_that_an_older_release_saved_is_not_sent(desk: Desk, name: str, button: str):
    body, sentence = MISTAKES[name]
    text = {"en": BlastText("News", "Fine")}
    blast_id = blasts.save_draft(desk.world.runtime, desk.petition_id, text, by=desk.olga, request_key="k" * 22)
    desk.world.sql("update blast_text set body_markdown = %(body)s", body=body)

    page = desk.get(f"/updates/{blast_id}")
    moment = {"date": "2026-12-24", "time": "09:00", "zone": "UTC", "sure": "yes"} if button == "schedule" else {}
    answer = desk.post(f"/updates/{blast_id}/{button}", **moment)

    assert page.status_code == 200
    assert "can’t be created in this language" in text_of(page) or "has to be changed" in text_of(page)
    assert answer.status_code == 422
    assert "The text has to be changed before it can be sent." in text_of(answer)
    assert sentence in text_of(answer)
    assert desk.world.sql("select send_at from blast") == [(None,)]


def test_a_query_behind_the_link_of_the_petition_keeps_its_language(desk: Desk):
    body = "See {{link}}?from=mail or [it]({{link}}?from=mail). Really {{link}}? Yes."

    answer = desk.post("/updates/new", request_key="", action="preview", **{"en-subject": "News", "en-body": body})

    assert answer.text.count("?lang=en&amp;amp;from=mail") + answer.text.count("?lang=en&amp;from=mail") >= 2
    assert "lang=en?from" not in answer.text


def test_the_report_of_a_paused_update_names_the_languages(desk: Desk):
    text = {"en": BlastText("News", "Fine")}
    blast_id = blasts.save_draft(desk.world.runtime, desk.petition_id, text, by=desk.olga, request_key="k" * 22)
    desk.world.sql(
        "update blast set started_at = now(), paused_at = now(), paused_reason = 'text' where id = %(id)s", id=blast_id
    )
    desk.world.sql("insert into text_failure values (%(id)s, 'de', '', 'too large', now())", id=blast_id)

    page = text_of(desk.get(f"/updates/{blast_id}"))

    assert "Paused automatically: its text can’t be made into an email." in page
    assert "Languages of these emails: Deutsch." in page
