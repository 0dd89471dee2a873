"""Acts on many signatures at the desk: select, look, give a reason, watch, stop, undo. No JavaScript anywhere."""

import re

import pytest

from campaign.bulk_acts import running
from campaign.i18n import format_number
from campaign.states import SignatureState
from tests.kit.worlds import World
from tests.views.desk.deskkit import SLUG, Desk, make_desk, text_of

HIDDEN = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">')
TICKED = ' checked><span class="unseen">'
NEW, ACTS = "/signatures/acts/new", "/signatures/acts"


@pytest.fixture
def desk(world: World) -> Desk:
    return make_desk(world)


def fields(page) -> dict[str, object]:
    """What the form of the second page sends, without its token."""
    form = page.text.partition(f"{ACTS}")[2]
    found: dict[str, object] = {}
    for name, value in HIDDEN.findall(form.partition("</form>")[0]):
        found[name] = [*found.get(name, []), value] if name == "id" else value
    return {name: value for name, value in found.items() if name not in {"csrf", "form_of"}}


def confirmed(desk: Desk, number: int, **form) -> list[int]:
    return [
        desk.world.signature(SLUG, f"s{n}@example.org", name=f"Signer {n}", confirmed=True, **form)
        for n in range(number)
    ]


def test_every_row_has_a_box_with_a_name_and_the_bar_has_the_acts(desk: Desk):
    confirmed(desk, 2)

    page = desk.get("/signatures?lang=en").text

    assert page.count('type="checkbox" name="id"') == 2
    assert "Select <bdi>Signer 1</bdi>" in page
    for act in ("signature.remove_many", "signature.restore_many", "signature.hide_names", "signature.show_names"):
        assert f'name="act" value="{act}"' in page


def test_all_on_the_page_and_all_that_match_are_selected_by_links(desk: Desk):
    confirmed(desk, 51, country="PK")
    desk.world.signature(SLUG, "de@example.org", name="Other", country="DE")

    first = desk.get("/signatures?lang=en&country=PK")
    one_page = desk.get("/signatures?lang=en&country=PK&selected=page")
    everything = desk.get("/signatures?lang=en&country=PK&selected=all")

    assert "Select all on this page" in text_of(first)
    assert "Select all 51 that match" in text_of(first)
    assert first.text.count(TICKED) == 0
    assert one_page.text.count(TICKED) == 50
    assert "All 50 signatures on this page are selected." in text_of(one_page)
    assert "All 51 signatures that match are selected." in text_of(everything)
    assert '<input type="hidden" name="all" value="yes">' in everything.text
    assert '<input type="hidden" name="country" value="PK">' in everything.text


def test_the_filter_line_counts(desk: Desk):
    confirmed(desk, 3)
    desk.world.signature(SLUG, "p@example.org", name="Pending")

    text = text_of(desk.get("/signatures?lang=en"))

    assert "All states 4" in text
    assert "Not confirmed yet 1" in text
    assert "Confirmed 3" in text


def test_the_second_page_says_what_will_happen_in_true_numbers(desk: Desk):
    ids = confirmed(desk, 2)
    pending = desk.world.signature(SLUG, "p@example.org", name="Pending")
    desk.world.count(SLUG)

    page = desk.get(f"{NEW}?lang=en&act=signature.remove_many&id={ids[0]}&id={ids[1]}&id={pending}")

    text = text_of(page)
    assert "Remove 2 signatures" in text
    assert "The public count is 2 now and falls by 2." in text
    assert "Not confirmed yet 1" in text
    assert desk.world.sql("select count(*) from bulk_act") == [(0,)]


def test_from_the_selection_to_the_count_and_back_again(desk: Desk):
    confirmed(desk, 3, country="PK")
    other = desk.world.signature(SLUG, "de@example.org", name="Other", country="DE", confirmed=True)
    sent = fields(desk.get(f"{NEW}?lang=en&act=signature.remove_many&all=yes&country=PK"))
    without = desk.post(f"{ACTS}?lang=en", **sent)
    twice = [desk.post(f"{ACTS}?lang=en", **sent, reason="automated").headers["Location"] for _ in range(2)]
    waiting = desk.client.get(twice[0])
    running.carry_out(desk.world.runtime)
    done = desk.client.get(twice[0])
    removed = desk.world.count(SLUG)
    undo = re.search(r'href="([^"]+act=signature.restore_many[^"]+)"', done.text)
    assert undo is not None
    back = fields(desk.client.get(undo[1].replace("&amp;", "&")))
    desk.post(ACTS, **back, why="wrong filter")
    running.carry_out(desk.world.runtime)

    assert without.status_code == 422
    assert "Choose a reason" in text_of(without)
    assert len(set(twice)) == 1
    assert "0 of 3" in text_of(waiting)
    assert 'data-refresh="2"' in waiting.text
    assert ">Refresh</a>" in waiting.text
    assert "3 of 3" in text_of(done)
    assert "data-refresh" not in done.text
    assert (removed, desk.world.count(SLUG)) == (1, 4)
    assert desk.world.state(other) is SignatureState.CONFIRMED
    listed = text_of(desk.get("/signatures?lang=en"))
    assert "Remove signatures Finished · 3 changed" in listed


def test_what_was_typed_stays_if_the_reason_can_not_be_kept(desk: Desk):
    [one] = confirmed(desk, 1, show_name=True)
    sent = fields(desk.get(f"{NEW}?act=signature.hide_names&id={one}"))

    answer = desk.post(f"{ACTS}?lang=en", **sent, why="s0@example.org asked")

    assert answer.status_code == 422
    assert "the audit log holds none" in answer.text
    assert 'value="s0@example.org asked"' in answer.text
    assert fields(answer)["key"] == sent["key"]
    assert fields(answer)["id"] == sent["id"]


def test_an_act_is_stopped_by_a_button(desk: Desk):
    [one] = confirmed(desk, 1)
    sent = fields(desk.get(f"{NEW}?act=signature.remove_many&id={one}"))
    place = desk.post(ACTS, **sent, reason="other").headers["Location"].partition("?")[0]

    desk.send(f"{place}/stop")
    running.carry_out(desk.world.runtime)

    assert "Nothing more is changed." in text_of(desk.client.get(f"{place}?lang=en"))
    assert desk.world.state(one) is SignatureState.CONFIRMED


@pytest.mark.parametrize("query", ["", "?act=signature.remove_many", "?id=5", "?act=signature.remove_many&id=x&id=-1"])
def test_nothing_selected_is_a_kind_page(desk: Desk, query: str):
    page = desk.get(f"{NEW}{query}")

    assert page.status_code == 200
    assert "Nothing selected" in text_of(page)


@pytest.mark.parametrize("act", ["message.retry_many", "nonsense", "feedback.drop_many"])
def test_what_is_no_act_of_the_desk_is_not_there(desk: Desk, act: str):
    assert desk.get(f"{NEW}?act={act}&id=5").status_code == 404
    assert desk.post(ACTS, act=act, id="5").status_code == 404


def test_names_that_signers_hid_themselves_are_not_counted_as_shown(desk: Desk):
    ids = confirmed(desk, 1)

    page = desk.get(f"{NEW}?lang=en&act=signature.show_names&id={ids[0]}")

    assert "Nothing to change" in text_of(page)
    assert "Hidden by the signer’s own choice 1" in text_of(page)


def test_one_name_that_was_hidden_is_shown_again_from_its_own_page(desk: Desk):
    [one] = confirmed(desk, 1, show_name=True)
    before = desk.get(f"/signatures/{one}").text
    desk.post(f"/signatures/{one}/hide")
    path = re.search(r'href="([^"]+act=signature.show_names[^"]+)"', desk.get(f"/signatures/{one}").text)
    assert path is not None

    desk.post(ACTS, **fields(desk.client.get(path[1].replace("&amp;", "&"))), why="by mistake")
    running.carry_out(desk.world.runtime)

    assert "signature.show_names" not in before
    assert desk.world.row(one).show_name
    assert "signature.show_names" not in desk.get(f"/signatures/{one}").text


@pytest.mark.parametrize("locale", ["de", "fa", "ur"])
def test_the_pages_speak_every_language(desk: Desk, locale: str):
    [one] = confirmed(desk, 1)

    page = desk.get(f"{NEW}?lang={locale}&act=signature.remove_many&id={one}")

    assert page.status_code == 200
    assert "Remove" not in text_of(page)
    assert format_number(1, locale) in text_of(page)
