import pytest

from campaign.accounts import accounts, sign_in
from campaign.accounts.accounts import Role
from campaign.petitions import organisers, petitions
from campaign.states import PetitionState
from tests.kit.worlds import World
from tests.views.desk.deskkit import SLUG, Desk, make_desk, text_of

NEW = {
    "locale": "de", "title": "Sauberes Wasser", "addressed_to": "Der Senat", "summary": "Kurz.", "body": "**Bitte.**",
    "author": "Olga", "on_behalf_of": "", "sender_name": "", "slug": "",
}  # fmt: skip


@pytest.fixture
def desk(world: World) -> Desk:
    return make_desk(world)


def test_the_list_shows_ones_own_petitions_with_count_goal_and_state(desk: Desk):
    desk.world.petition("anothers")

    page = text_of(desk.client.get("/organiser?lang=en"))

    assert "A petition (en) Open for signing 0 1,000 None planned" in page
    assert "anothers" not in desk.client.get("/organiser").text


def test_an_empty_list_teaches_how_it_goes(world: World):
    desk = make_desk(world)
    accounts.create(world.runtime, email="new@example.org", name="New", role=Role.ORGANISER)
    new = accounts.find(world.runtime, "new@example.org")
    client = desk.app.test_client()
    assert new is not None
    client.post(sign_in.sign_in_link(world.runtime, new.id).removeprefix(world.runtime.settings.base_url))

    assert "No petition yet" in client.get("/organiser?lang=en").text


def test_a_new_petition_is_a_draft_of_its_writer_with_an_address_from_its_title(desk: Desk):
    answer = desk.send("/organiser/new", **NEW)

    opened = petitions.by_slug(desk.world.runtime, "sauberes-wasser")
    assert answer.headers["Location"] == "/organiser/p/sauberes-wasser"
    assert (opened.petition.state, opened.petition.default_locale) == (PetitionState.DRAFT, "de")
    assert organisers.may_organise(desk.world.runtime, desk.olga, "sauberes-wasser") == opened.petition.id
    assert desk.client.get("/p/sauberes-wasser").status_code == 404
    assert desk.client.get("/organiser/p/sauberes-wasser").status_code == 200


def test_a_title_in_another_script_gets_an_address_too(desk: Desk):
    answer = desk.send("/organiser/new", **NEW | {"title": "رودهای پاک", "locale": "fa"})

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/organiser/p/petition-")


def test_everything_to_mend_is_named_at_once_and_nothing_typed_is_lost(desk: Desk):
    typed = NEW | {"title": " ", "body": "", "author": "", "slug": "No Blanks", "summary": "Mein <b>Satz</b>"}

    answer = desk.send("/organiser/new?lang=en", **typed)

    page = text_of(answer)
    assert answer.status_code == 422
    for sentence in ("Enter a title.", "Write the text.", "Enter the author.", "Use lowercase letters"):
        assert sentence in page
    assert "Mein &lt;b&gt;Satz&lt;/b&gt;" in answer.text
    assert desk.world.sql("select count(*) from petition") == [(1,)]


def test_a_taken_address_is_said_at_its_field(desk: Desk):
    answer = desk.send("/organiser/new?lang=en", **NEW | {"slug": SLUG})

    assert answer.status_code == 422
    assert "Another petition has this address" in answer.text


def test_each_save_makes_the_next_version_and_the_old_one_stays(desk: Desk):
    text = {
        "title": "Changed",
        "addressed_to": "The Government",
        "summary": "",
        "body": "New *words*",
        "action": "save",
    }

    first = desk.post("/text?text=en", **text)
    again = desk.post("/text?text=en", **text)

    assert first.status_code == again.status_code == 303
    assert desk.world.sql("select version, title from text_version where locale = 'en' order by version") == [
        (1, "A petition (en)"), (2, "Changed"),
    ]  # fmt: skip
    assert "<em>words</em>" in desk.client.get(f"/p/{SLUG}?lang=en").text
    assert desk.world.sql("select account_id from audit_entry where action = 'petition.edit_text'") == [(desk.olga.id,)]


def test_a_language_is_added_by_writing_in_it(desk: Desk):
    before = desk.get("/text?text=fa&lang=en").text

    desk.post("/text?text=fa", title="عنوان", addressed_to="دولت", summary="", body="متن", action="save")

    assert "There is no text in this language" in before
    assert "متن" in desk.client.get(f"/p/{SLUG}?lang=fa").text


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("title", "x" * 141, "140 characters or fewer"),
        ("title", "a\nb", "on one line"),
        ("addressed_to", "", "Enter who the petition is addressed to."),
        ("body", "x" * 100_001, "Shorten the text to 100,000 characters."),
        ("body", "a\x00b", "invisible characters"),
        ("summary", "x" * 501, "Shorten this to 500 characters."),
    ],
)
def test_a_text_that_can_not_be_published_is_refused_at_its_field(desk: Desk, field: str, typed: str, sentence: str):
    text = {"title": "T", "addressed_to": "A", "summary": "", "body": "B", "action": "save"} | {field: typed}

    answer = desk.post("/text?text=en&lang=en", **text)

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert desk.world.sql("select max(version) from text_version") == [(1,)]


def test_a_text_of_a_megabyte_is_an_error_at_its_field_not_a_dead_end(desk: Desk):
    answer = desk.post("/text?text=en&lang=en", title="T", addressed_to="A", body="ا" * 500_000, action="save")

    assert answer.status_code == 422
    assert "Shorten the text" in answer.text


def test_without_javascript_a_button_shows_the_text_and_saves_nothing(desk: Desk):
    answer = desk.post("/text?text=en", title="T", addressed_to="A", body="Hello *you*", action="preview")

    assert answer.status_code == 200
    assert "<em>you</em>" in answer.text
    assert desk.world.sql("select max(version) from text_version") == [(1,)]


def test_the_live_preview_is_what_the_page_will_show(desk: Desk):
    answer = desk.send("/organiser/preview", body="# Why\n\n<script>x</script> **because**")

    assert answer.status_code == 200
    assert "<h2>Why</h2>" in answer.text
    assert "<strong>because</strong>" in answer.text
    assert "<script" not in answer.text


def test_a_petition_is_published_closed_and_opened_again(world: World):
    desk = make_desk(world, live=False)

    states = []
    for to in ("live", "closed", "live"):
        answer = desk.post("/state", to=to)
        states.append(petitions.by_slug(world.runtime, SLUG, fresh=True).petition.state)
        assert answer.status_code == 303

    assert states == ["live", "closed", "live"]
    assert world.sql(
        "select distinct account_id from audit_entry where action in ('petition.live', 'petition.closed')"
    ) == [(desk.olga.id,)]


def test_moves_that_do_not_fit_are_refused(desk: Desk):
    assert desk.post("/state", to="live").status_code == 409
    assert desk.post("/state", to="draft").status_code == 400
    assert desk.get("/state").status_code == 405


def test_buttons_say_what_they_will_do(world: World):
    draft = make_desk(world, live=False)

    before = text_of(draft.get("?lang=en"))
    draft.post("/state", to="live")
    after = text_of(draft.get("?lang=en"))

    assert "Publish" in before
    assert "Close petition" in after
    assert "After 90 days all names and addresses are erased" in after


SETTINGS = {
    "author": "Olga", "on_behalf_of": "", "sender_name": "Rivers", "default_locale": "de", "goal": "fixed",
    "fixed_goal": "2,500", "ladder": "own", "milestones": "10, 20;۳۰", "milestone_policy": "approve",
}  # fmt: skip


def test_settings_take_numbers_as_people_write_them(desk: Desk):
    answer = desk.post("/settings", **SETTINGS)

    assert answer.status_code == 303
    assert desk.world.sql("select fixed_goal, milestones, milestone_policy, default_locale from petition") == [
        (2500, [10, 20, 30], "approve", "de")
    ]
    assert 'value="10, 20, 30"' in desk.get("/settings").text


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"fixed_goal": "many"}, "Enter the goal as a whole number."),
        ({"fixed_goal": ""}, "Enter the goal as a whole number."),
        ({"fixed_goal": "0"}, "from 1 to 100,000,000"),
        ({"milestones": "10, x"}, "Enter whole numbers"),
        ({"milestones": "20, 10"}, "in ascending order"),
        ({"milestones": ""}, "at least one number"),
        ({"author": ""}, "Enter the author."),
        ({"default_locale": "fa"}, "in which the petition has a text"),
        ({"milestone_policy": ""}, "Choose what happens at a milestone."),
    ],
)
def test_settings_that_do_not_fit_are_named_and_kept_as_typed(desk: Desk, changed: dict[str, str], sentence: str):
    answer = desk.post("/settings?lang=en", **SETTINGS | changed)

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert 'value="Rivers"' in answer.text
    assert desk.world.sql("select sender_name from petition") == [("",)]


def test_a_petition_is_shared_and_taken_back(desk: Desk):
    accounts.create(desk.world.runtime, email="omid@example.org", name="Omid", role=Role.ORGANISER)
    omid = accounts.find(desk.world.runtime, "omid@example.org")
    assert omid is not None

    desk.post("/people", email="omid@example.org")
    shared = organisers.may_organise(desk.world.runtime, omid, SLUG)
    desk.post(f"/people/{omid.id}/remove")

    assert shared == desk.petition_id
    assert desk.world.sql("select account_id from membership") == [(desk.olga.id,)]


def test_who_has_no_account_is_said_so_and_the_last_organiser_stays(desk: Desk):
    unknown = desk.post("/people?lang=en", email="nobody@example.org")
    alone = desk.post(f"/people/{desk.olga.id}/remove")

    assert unknown.status_code == 422
    assert "No account here has this address" in unknown.text
    assert 'value="nobody@example.org"' in unknown.text
    assert alone.status_code == 409


def test_the_overview_draws_columns_with_a_table_beside_them(desk: Desk):
    desk.world.signature(SLUG, confirmed=True)
    desk.world.count(SLUG)

    page = desk.get("?lang=en").text

    assert '<title id="chart-title">Signatures per hour</title>' in page
    assert '<desc id="chart-words">1 started and 1 confirmed in this time.</desc>' in page
    assert "The numbers as a table" in page
    assert "style=" not in page.partition("<main")[2]


@pytest.mark.parametrize("span", ["30d", "90d", "nonsense", ""])
def test_each_span_of_time_can_be_seen(desk: Desk, span: str):
    assert desk.get(f"?span={span}").status_code == 200


def test_a_waiting_milestone_is_answered_from_the_overview(desk: Desk):
    desk.world.sql("update petition set milestones = '{1}', milestone_policy = 'approve' returning id")
    desk.world.signature(SLUG, confirmed=True, wants_updates=True)
    desk.world.count(SLUG)
    asked = text_of(desk.get("?lang=en"))

    yes = desk.post("/milestones/1", answer="approve")
    again = desk.post("/milestones/1", answer="approve")

    assert "1 signatures reached. Tell everyone" in asked
    assert (yes.status_code, again.status_code) == (303, 409)
    assert desk.world.sql("select decision from milestone") == [("announced",)]
    assert desk.post("/milestones/1", answer="perhaps").status_code == 400


@pytest.mark.parametrize("lang", ["en", "de", "fa", "ur"])
def test_every_page_speaks_every_language(desk: Desk, lang: str):
    desk.world.signature(SLUG, confirmed=True)

    for path in ("", "/text", "/settings", "/people", "/signatures", "/updates", "/updates/new"):
        page = desk.get(f"{path}?lang={lang}")
        assert page.status_code == 200
        assert f'<html lang="{lang}" dir="{"rtl" if lang in {"fa", "ur"} else "ltr"}">' in page.text


def test_the_preview_of_discreet_mode_names_each_kind_of_mail_and_not_the_petition(desk: Desk):
    page = text_of(desk.client.get(f"/organiser/p/{SLUG}/discreet?lang=en")).partition("What a signer’s mailbox shows")[
        2
    ]

    assert "Confirmation Notification" in page
    assert "Thank-you Notification" in page
    assert page.count("Please confirm your email address") == 2
    assert "A petition" not in page
