"""The desk's page of packs: asked for with a reason and a fresh sign-in, downloaded, deleted."""

import io
import re
import zipfile

import pytest

from campaign.blasts import milestones
from campaign.handover import packs
from tests.kit.worlds import World
from tests.views.desk.deskkit import SLUG, Desk, make_desk, text_of

PAGE = "/hand-over"


@pytest.fixture
def desk(world: World) -> Desk:
    made = make_desk(world)
    world.signature(SLUG, confirmed=True, name="Zahra Ahmadi", show_name=True)
    milestones.count_signatures(world.runtime)
    return made


def key(desk: Desk) -> str:
    found = re.search(r'name="request_key" value="([^"]+)"', desk.get(PAGE).text)
    assert found is not None
    return found[1]


def ask(desk: Desk, **typed):
    if "request_key" not in typed:
        typed["request_key"] = key(desk)
    return desk.post(PAGE, **{"reason": "For the committee", "language": "en"} | typed)


def pack_id(desk: Desk) -> int:
    return desk.world.sql("select max(id) from pack")[0][0]


def test_a_pack_is_asked_for_made_downloaded_and_deleted(desk: Desk):
    answer = ask(desk)
    waiting = text_of(desk.get(PAGE))
    packs.make(desk.world.runtime)
    ready = text_of(desk.get(PAGE))
    file = desk.post(f"{PAGE}/{pack_id(desk)}/download")
    deleted = desk.post(f"{PAGE}/{pack_id(desk)}/delete")
    gone = text_of(desk.get(PAGE))

    assert answer.status_code == 303
    assert "The pack is being made" in waiting
    assert "It waits for its turn" in waiting
    assert "Download the pack" in ready
    assert "For the committee" in ready
    assert file.mimetype == "application/zip"
    assert f'filename="{SLUG}-' in file.headers["Content-Disposition"]
    assert file.headers["Cache-Control"] == "no-store"
    assert "manifest.json" in zipfile.ZipFile(io.BytesIO(file.data)).namelist()
    assert deleted.status_code == 303
    assert "The pack is deleted" in gone
    assert "Download the pack" not in gone


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"reason": " "}, "Enter for whom or what the pack is."),
        ({"reason": "x" * 301}, "Shorten it to 300 characters or fewer."),
        ({"language": "xx"}, "Choose a language from the list."),
    ],
)
def test_what_is_wrong_is_told_at_the_field_and_nothing_typed_is_lost(desk: Desk, typed, sentence):
    answer = ask(desk, **{"reason": "Kept <b>"} | typed)

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    if "reason" not in typed:
        assert "Kept &lt;b&gt;" in answer.text


def test_the_same_form_twice_asks_once(desk: Desk):
    same = key(desk)

    assert [ask(desk, request_key=same).status_code for _ in range(2)] == [303, 303]
    assert desk.world.sql("select count(*) from pack") == [(1,)]


def test_a_second_pack_at_once_is_refused_in_words(desk: Desk):
    first, second = key(desk), key(desk)
    ask(desk, request_key=first)
    answer = ask(desk, request_key=second)

    assert answer.status_code == 409
    assert "Nothing was done: a pack is being made already" in text_of(answer)


def test_after_half_an_hour_a_new_sign_in_is_needed_and_what_was_typed_is_kept(desk: Desk):
    ask(desk)
    packs.make(desk.world.runtime)
    same = key(desk)
    desk.world.clock.forward(minutes=31)

    shown = text_of(desk.get(PAGE))
    whose = re.search(r'name="form_of" value="([^"]+)"', desk.get(PAGE).text)
    assert whose is not None
    asked = ask(desk, reason="For the minister", request_key=same, form_of=whose[1])
    loaded = desk.post(f"{PAGE}/{pack_id(desk)}/download")
    page = desk.client.get(asked.headers["Location"])

    assert "You signed in more than 30 minutes ago" in shown
    assert asked.status_code == loaded.status_code == 303
    assert "/sign-in?" in asked.headers["Location"]
    assert "sign-in of the last minutes" in text_of(page)
    assert desk.world.sql("select count(*) from pack") == [(1,)]
    assert desk.world.sql("select count(*) from kept_form") == [(1,)]
    assert desk.world.sql("select count(*) from audit_entry where action = 'petition.pack_download'") == [(0,)]


def test_the_sign_in_page_says_that_what_was_typed_is_kept_only_if_it_is(desk: Desk):
    shown = text_of(desk.client.get("/sign-in?again=yes"))

    assert "signed in recently" in shown
    assert "is kept" not in shown


def test_a_pack_that_could_not_be_made_says_why(desk: Desk):
    ask(desk)
    desk.world.sql("update pack set state = 'failed', problem = 'counting_off', ready_at = now()")

    assert "counting is switched off" in text_of(desk.get(PAGE))


def test_progress_is_told(desk: Desk):
    ask(desk)
    desk.world.sql("update pack set state = 'making', done = 5000, total = 12000")
    page = desk.get(PAGE)

    assert "5,000 of 12,000 signatures are in it." in text_of(page)
    assert 'data-refresh="2"' in page.text


def test_a_draft_has_nothing_to_hand_over(world: World):
    desk = make_desk(world, live=False)

    assert "Publish the petition first." in text_of(desk.get(PAGE))
