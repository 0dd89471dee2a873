"""Before an act that can't be undone a page says what will happen, in true numbers, with one button and a way back."""

import re

import pytest

from campaign.accounts import accounts
from campaign.accounts.accounts import Role
from tests.kit.worlds import World
from tests.views.desk.deskkit import SLUG, Desk, make_desk, text_of
from tests.views.desk.test_updates import deliver, draft, run


@pytest.fixture
def desk(world: World) -> Desk:
    made = make_desk(world)
    world.signature(SLUG, confirmed=True, wants_updates=True)
    return made


def ask(desk: Desk, rest: str) -> tuple[str, dict[str, str], str]:
    """What the page before an act says, the fields of its form, and where the form goes."""
    page = desk.get(f"{rest}?lang=en")
    assert page.status_code == 200
    form = re.search(r'<form class="cluster" method="post" action="([^"]+)">(.*?)</form>', page.text, re.DOTALL)
    assert form is not None
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[2]))
    return text_of(page), fields, form[1]


def test_a_draft_is_discarded_on_a_second_page(desk: Desk):
    blast_id = draft(desk)
    assert f"/updates/{blast_id}/stop" in desk.get(f"/updates/{blast_id}?lang=en").text

    says, fields, action = ask(desk, f"/updates/{blast_id}/stop")
    before = desk.world.sql("select cancelled_at from blast")
    desk.send(action, **fields)

    assert "No one gets this update: it has not been sent." in says
    assert before == [(None,)]
    assert desk.world.sql("select cancelled_at is null from blast") == [(False,)]


def test_before_sending_is_stopped_the_page_says_how_many_got_it_and_how_many_will_not(desk: Desk):
    desk.world.signature(SLUG, "second@example.org", confirmed=True, wants_updates=True)
    blast_id = draft(desk)
    run(desk, blast_id)

    says, fields, action = ask(desk, f"/updates/{blast_id}/stop")
    desk.send(action, **fields)

    assert "Already sent to 0 people." in says
    assert "Not sent yet to 2 people. They won’t get it." in says
    assert desk.world.sql("select state, count(*) from message where kind = 'update' group by 1") == [("cancelled", 2)]


def test_an_update_that_was_sent_has_nothing_to_stop(desk: Desk):
    blast_id = draft(desk)
    run(desk, blast_id)
    deliver(desk)

    page = desk.get(f"/updates/{blast_id}/stop?lang=en")

    assert "This update is not being sent now." in text_of(page)
    assert "<button" not in page.text.partition("<main")[2].partition("</main>")[0]


def test_a_petition_is_closed_on_a_second_page(desk: Desk):
    says, fields, action = ask(desk, "/close")
    desk.send(action, **fields)

    assert "After 90 days all names and addresses are erased." in says
    assert desk.world.sql("select state from petition") == [("closed",)]
    assert "This petition is not open." in text_of(desk.get("/close?lang=en"))


def test_an_organiser_is_removed_on_a_second_page_and_the_last_one_is_not(desk: Desk):
    accounts.create(desk.world.runtime, email="peter@example.org", name="Peter", role=Role.ORGANISER)
    desk.post("/people", email="peter@example.org")
    peter = accounts.find(desk.world.runtime, "peter@example.org")

    says, fields, action = ask(desk, f"/people/{peter.id}/remove")
    desk.send(action, **fields)

    assert "Remove Peter?" in says
    assert "1 organiser is left." in says
    assert desk.get(f"/people/{peter.id}/remove").status_code == 404
    assert "You’re the only organiser." in text_of(desk.get(f"/people/{desk.olga.id}/remove?lang=en"))
