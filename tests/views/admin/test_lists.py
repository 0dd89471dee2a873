import re

import pytest

from campaign.accounts import accounts
from campaign.accounts import queries as account_queries
from campaign.accounts.accounts import Role
from campaign.operations import suppressions
from campaign.petitions import petitions
from campaign.states import PetitionState
from tests.kit import ledgers, nights
from tests.kit.nights import Night
from tests.views.conftest import words

night = nights.night


def test_all_petitions_are_listed_with_state_count_and_organisers(night: Night):
    slug = night.world.petition("rivers")
    night.world.petition("forests", live=False)
    olga = accounts.create(night.world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    petition_id = petitions.by_slug(night.world.runtime, slug).petition.id
    night.world.read(lambda tx: account_queries.add_member(tx, petition_id, olga))

    page, drafts = night.get("/admin/petitions"), night.get("/admin/petitions?state=draft")

    assert "Olga" in words(page)
    assert 'href="/organiser/p/rivers"' in page.text
    assert "/p/forests" in drafts.text
    assert "/p/rivers" not in drafts.text


def test_a_petition_is_published_and_closed_and_the_log_names_the_admin(night: Night):
    night.world.petition("rivers", live=False)

    published = night.press("/admin/petitions/rivers/publish")
    closed = night.press("/admin/petitions/rivers/close")
    again = night.press("/admin/petitions/rivers/close")

    assert (published.status_code, closed.status_code, again.status_code) == (303, 303, 409)
    assert petitions.by_slug(night.world.runtime, "rivers", fresh=True).petition.state is PetitionState.CLOSED
    assert night.world.sql("select action, account_id from audit_entry where action ~ 'live|closed'") == [
        ("petition.live", night.ada.id), ("petition.closed", night.ada.id),
    ]  # fmt: skip


def test_the_filter_of_the_list_stays_after_a_press(night: Night):
    night.world.petition("rivers", live=False)

    answer = night.press("/admin/petitions/rivers/publish?state=draft")

    assert answer.headers["Location"] == "/admin/petitions?state=draft"


def test_an_account_is_made_given_a_role_and_mailed_a_link(night: Night):
    made = night.press("/admin/accounts", name="Olga", email="olga@example.org", role="organiser", locale="de")
    olga = accounts.find(night.world.runtime, "olga@example.org")
    role = night.press(f"/admin/accounts/{olga.id}", press="admin")
    link = night.press(f"/admin/accounts/{olga.id}", press="link")
    night.world.admit()

    found = accounts.find(night.world.runtime, "olga@example.org")
    assert [answer.status_code for answer in (made, role, link)] == [303, 303, 303]
    assert (found.role, found.locale) == (Role.ADMIN, "de")
    assert night.world.sql("select kind, account_id from message") == [("sign_in", olga.id)]
    assert "Olga" in words(night.get("/admin/accounts"))


def test_a_disabled_account_is_out_at_once_and_comes_back(night: Night):
    olga = ledgers.admin(night.world, "olga@example.org", name="Olga")
    client = ledgers.sign_in(night.world, night.app, olga)

    night.press(f"/admin/accounts/{olga.id}", press="disable")
    out = client.get("/admin").status_code
    night.press(f"/admin/accounts/{olga.id}", press="enable")

    assert out == 303
    assert accounts.find(night.world.runtime, "olga@example.org").disabled is False


@pytest.mark.parametrize("press", ["organiser", "disable"])
def test_nobody_takes_their_own_rights_away(night: Night, press: str):
    answer = night.press(f"/admin/accounts/{night.ada.id}", press=press)

    assert answer.status_code == 409
    assert "Ask another admin" in words(answer)
    assert accounts.find(night.world.runtime, "ada@example.org").is_admin


def test_what_is_wrong_with_a_new_account_stands_at_its_field_and_nothing_typed_is_lost(night: Night):
    answer = night.press("/admin/accounts", name="Olga", email="not an address", role="admin", locale="de")
    taken = night.press("/admin/accounts", name="Ada", email="ADA@example.org", role="admin", locale="en")

    assert answer.status_code == taken.status_code == 422
    assert 'id="email-error"' in answer.text
    assert 'value="Olga"' in answer.text
    assert '<option value="admin" selected>' in answer.text
    assert 'id="email-error"' in taken.text


@pytest.mark.parametrize("press", ["", "delete", "owner"])
def test_a_press_that_is_not_there_is_404(night: Night, press: str):
    assert night.press(f"/admin/accounts/{night.ada.id}", press=press).status_code == 404


def test_an_address_is_suppressed_looked_up_and_lifted_and_never_stands_in_a_url(night: Night):
    added = night.press("/admin/suppressions", email="zahra@example.org", press="add")
    found = night.press("/admin/suppressions", email="ZAHRA@example.org", press="search")
    lift = re.search(r'action="(/admin/suppressions/\d+/lift)"', found.text)[1]
    refused = night.press(lift, why="")
    lifted = night.press(lift, why="she asked")
    late = night.press(lift, why="she asked")

    assert added.status_code == found.status_code == 200
    assert "is blocked and gets no more email" in words(added)
    assert "Active Added by an admin" in words(found)
    assert "zahra@example.org" not in found.text.lower()
    assert (refused.status_code, lifted.status_code, late.status_code) == (422, 303, 409)
    assert "zahra" not in lifted.headers["Location"]
    listed = words(night.get("/admin/suppressions"))
    assert "Lifted" in listed


def test_an_address_without_suppression_and_one_that_is_none(night: Night):
    free = night.press("/admin/suppressions", email="free@example.org", press="search")
    broken = night.press("/admin/suppressions", email="nonsense", press="search")
    night.press("/admin/suppressions", email="held@example.org", press="add")
    twice = night.press("/admin/suppressions", email="held@example.org", press="add")

    assert "No active suppression for this address." in words(free)
    assert (broken.status_code, twice.status_code) == (422, 409)
    assert 'value="nonsense"' in broken.text


def test_suppressions_are_read_page_by_page_without_an_address(night: Night):
    for number in range(55):
        suppressions.add(night.world.runtime, f"canary{number}@example.org", by=night.ada)

    first = night.get("/admin/suppressions")
    second = night.get(re.search(r'href="([^"]*before=\d+)"', first.text)[1])

    assert "canary" not in first.text + second.text
    assert [len(re.findall(r"/lift\"", page.text)) for page in (first, second)] == [50, 5]


def test_the_log_says_who_did_what_and_can_be_asked(night: Night):
    night.press("/admin/lanes/bulk/pause", why="new provider")
    night.world.petition("rivers")

    everything = night.get("/admin/audit")
    asked = night.get(f"/admin/audit?action=lane.pause&account={night.ada.id}")
    nothing = night.get("/admin/audit?action=no.such&account=x&before=nonsense")

    assert "Paused a lane" in words(everything)
    assert "new provider" in words(asked)
    assert "Created a petition" not in asked.text.partition("<tbody>")[2]
    assert "No entries." in words(nothing)


def test_the_log_is_read_page_by_page_with_its_filter(night: Night):
    for number in range(60):
        suppressions.add(night.world.runtime, f"p{number}@example.org", by=night.ada)

    first = night.get("/admin/audit?action=suppression.add")
    older = re.search(r'href="([^"]*before=\d+)"', first.text)[1].replace("&amp;", "&")
    second = night.get(older)

    assert "action=suppression.add" in older
    assert [page.text.count("<tr><td>") for page in (first, second)] == [50, 10]


@pytest.mark.parametrize("lang", ["en", "de", "fa", "ur"])
def test_every_page_speaks_every_language(night: Night, lang: str):
    for path in (
        "/admin",
        "/admin/messages",
        "/admin/petitions",
        "/admin/accounts",
        "/admin/suppressions",
        "/admin/audit",
    ):
        page = night.get(f"{path}?lang={lang}")

        assert page.status_code == 200
        assert f'<html lang="{lang}"' in page.text


def test_an_account_whose_domain_imitates_another_is_marked_beside_its_wire_form(night: Night):
    night.press("/admin/accounts", name="Eve", email="eve@раураl.com", role="organiser", locale="en")
    night.press("/admin/accounts", name="Jo", email="jo@münchen.de", role="organiser", locale="en")

    shown = words(night.get("/admin/accounts"))

    assert "eve@xn--" in shown
    assert shown.count("Check this address: its domain reads") == 1
    assert "reads “раураl.com”" in shown
