import csv
import io
import re

import pytest

from campaign.states import SignatureState
from tests.kit.worlds import World
from tests.views.desk.deskkit import SLUG, Desk, make_desk, text_of


@pytest.fixture
def desk(world: World) -> Desk:
    return make_desk(world)


def test_the_list_shows_names_and_addresses_in_clear(desk: Desk):
    desk.world.signature(SLUG, name="زہرا <b>", confirmed=True)

    page = desk.get("/signatures?lang=en").text

    assert "زہرا &lt;b&gt;" in page
    assert "zahra@example.org" in page
    assert "Confirmed" in page


def test_an_empty_list_teaches(desk: Desk):
    assert "No signatures yet" in desk.get("/signatures?lang=en").text
    assert "None of these" in desk.get("/signatures?lang=en&state=removed").text


def test_filters_stay_in_the_address_of_the_next_page(desk: Desk):
    for number in range(51):
        desk.world.signature(SLUG, f"s{number}@example.org", name="Signer", country="PK")

    page = desk.get("/signatures?state=pending&country=PK").text

    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older is not None
    assert "state=pending" in older[1]
    assert "country=PK" in older[1]
    second = desk.client.get(older[1].replace("&amp;", "&")).text
    assert second.count("s0@example.org") == 1
    assert "s50@example.org" not in second


@pytest.mark.parametrize(
    "query", ["?before=x", "?before=-1", "?after=99999999999999999999", "?state='", "?country=%00", "?before=9" * 2]
)
def test_a_mistyped_address_is_no_fault_of_ours(desk: Desk, query: str):
    assert desk.get(f"/signatures{query}").status_code == 200


def test_an_address_is_found_and_never_stands_in_the_address_bar(desk: Desk):
    desk.world.signature(SLUG, confirmed=True)
    desk.world.signature(SLUG, "other@example.org", name="Other", confirmed=True)

    found = desk.post("/signatures?lang=en", email="Zahra@Example.org")
    none = desk.post("/signatures?lang=en", email="nobody@example.org")
    wrong = desk.post("/signatures?lang=en", email="zahra")

    assert "1 signature with this address." in text_of(found)
    assert "other@example.org" not in found.text
    assert "No one has signed with this address" in none.text
    assert wrong.status_code == 422
    assert "Enter an email address like" in wrong.text


def test_a_signature_is_hidden_removed_and_brought_back(desk: Desk):
    signature_id = desk.world.signature(SLUG, confirmed=True, show_name=True)
    path = f"/signatures/{signature_id}"

    desk.post(f"{path}/hide")
    hidden = desk.world.row(signature_id).show_name
    without = desk.post(f"{path}/remove?lang=en")
    desk.post(f"{path}/remove", reason="duplicate")
    removed = (desk.world.state(signature_id), text_of(desk.get(f"{path}?lang=en")))
    desk.post(f"{path}/restore")

    assert hidden is False
    assert without.status_code == 422
    assert "Choose a reason for removing the signature." in without.text
    assert removed[0] is SignatureState.REMOVED
    assert "The same person signed twice" in removed[1]
    assert desk.world.state(signature_id) is SignatureState.CONFIRMED


def test_what_can_not_be_brought_back_is_a_kind_page(desk: Desk):
    signature_id = desk.world.signature(SLUG)

    assert desk.post(f"/signatures/{signature_id}/restore").status_code == 409
    assert desk.post("/signatures/999999/restore").status_code == 404
    assert desk.get("/signatures/99999999999999999999999").status_code == 404


def test_the_export_is_a_file_in_the_visitors_language(desk: Desk):
    desk.world.signature(SLUG, name="+4930 call", show_name=True, confirmed=True)
    desk.world.signature(SLUG, "b@example.org", name="Hidden", confirmed=True)

    answer = desk.post("/signatures.csv?lang=en", hidden="keep")
    shown = desk.post("/signatures.csv?lang=en", hidden="leave_out")

    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{SLUG}-2026-11-22.csv"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert [row[1] for row in rows] == ["Name", "'+4930 call", "anonymous"]
    assert b"anonymous" not in shown.data
    assert desk.world.sql("select count(*) from audit_entry where action = 'petition.export'") == [(2,)]


def test_the_export_leaves_piece_by_piece(desk: Desk):
    desk.world.signature(SLUG, confirmed=True)

    answer = desk.post("/signatures.csv")

    assert answer.is_streamed
    assert "Content-Length" not in answer.headers


def test_an_erased_signature_is_shown_as_such(desk: Desk):
    signature_id = desk.world.signature(SLUG, name="Zahra Ahmadi", confirmed=True)
    desk.world.sql(
        "update signature set name = null, address = null, address_index = null, person_index = null, "
        "erased_at = now() where id = %(id)s returning id",
        id=signature_id,
    )

    assert "erased" in desk.get("/signatures?lang=en").text
    assert desk.get(f"/signatures/{signature_id}").status_code == 200
