"""What was done is said once, by the page that the answer leads to, and by nothing that an address says."""

import re

import pytest

from campaign.signatures.own_links import manage_token
from tests.kit.worlds import World
from tests.views.desk.deskkit import Desk, make_desk, text_of


@pytest.fixture
def desk(world: World) -> Desk:
    return make_desk(world)


def test_a_note_is_shown_once(desk: Desk):
    answer = desk.post("/state", to="closed")

    assert answer.headers["Location"] == "/organiser/p/a-petition"
    assert "The petition is closed." in text_of(desk.get("?lang=en"))
    assert "The petition is closed." not in text_of(desk.get("?lang=en"))


def test_no_address_makes_a_page_of_the_desk_say_that_something_was_done(desk: Desk):
    pages = [text_of(desk.get(f"{rest}?lang=en&done=closed&n=3")) for rest in ("", "/text", "/settings", "/people")]

    assert all("The petition is closed." not in page for page in pages)


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Dest": "empty"}, {"Sec-Fetch-Dest": "iframe"}])
def test_a_script_that_fetches_the_page_leaves_the_note_to_its_reader(desk: Desk, headers: dict[str, str]):
    desk.post("/state", to="closed")

    fetched = text_of(desk.get("?lang=en", headers=headers))
    opened = text_of(desk.get("?lang=en", headers={"Sec-Fetch-Dest": "document"}))

    assert "The petition is closed." not in fetched
    assert "The petition is closed." in opened


def test_another_page_leaves_the_note_to_the_page_it_is_for(desk: Desk):
    desk.post("/state", to="closed")

    other = text_of(desk.get("/settings?lang=en"))

    assert "The petition is closed." not in other
    assert "The petition is closed." in text_of(desk.get("?lang=en"))


def test_a_made_up_address_makes_no_own_page_say_that_a_signature_is_withdrawn(desk: Desk):
    world = desk.world
    signature_id = world.signature("a-petition", confirmed=True)
    [(nonce,)] = world.sql("select nonce from signature")
    token = manage_token(world.runtime, signature_id, bytes(nonce))
    shown = desk.client.post(f"/me/{token}?lang=en", data={"action": "hide_name"})
    proof = re.search(r"proof=([\w-]+)", shown.headers["Location"])
    assert proof is not None

    made_up = text_of(desk.client.get(f"/me/{token}?lang=en&done=withdraw"))
    borrowed = text_of(desk.client.get(f"/me/{token}?lang=en&done=withdraw&proof={proof[1]}"))
    ours = text_of(desk.client.get(shown.headers["Location"]))

    assert "Your signature is withdrawn" not in made_up + borrowed
    assert "Your name is hidden now." in ours


def test_an_own_page_that_is_opened_again_later_says_nothing_of_before(desk: Desk):
    world = desk.world
    signature_id = world.signature("a-petition", confirmed=True)
    [(nonce,)] = world.sql("select nonce from signature")
    token = manage_token(world.runtime, signature_id, bytes(nonce))
    answer = desk.client.post(f"/me/{token}?lang=en", data={"action": "hide_name"})

    world.clock.forward(minutes=3)

    assert "Your name is hidden now." not in text_of(desk.client.get(answer.headers["Location"]))


def test_no_address_makes_the_sign_in_page_say_that_a_text_is_kept(desk: Desk):
    page = text_of(desk.app.test_client().get("/sign-in?kept&lang=en"))

    assert "What you typed is kept" not in page
