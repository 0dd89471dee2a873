"""A session that ended while an organiser was writing: what was typed is kept for her, and for nobody else."""

import re

import pytest

from campaign.accounts import accounts, kept_forms, sign_in
from campaign.accounts.accounts import Role
from campaign.delivery import cleanup
from tests.kit.worlds import World
from tests.views.desk.deskkit import SLUG, Desk, make_desk, text_of

LONG = "Dear {{name}},\r\n\r\nfor weeks we wrote on this text & “more”.\r\n"
FORMS = {
    "update": (f"/organiser/p/{SLUG}/updates/new", {"en-subject": "News of us", "en-body": LONG, "action": "save"}),
    "text": (
        f"/organiser/p/{SLUG}/text?text=de",
        {"title": "Ein langer Titel", "addressed_to": "Die Stadt", "body": LONG, "action": "save"},
    ),
    "petition": (
        "/organiser/new",
        {"title": "A new petition", "addressed_to": "The town", "body": LONG, "author": "Olga", "slug": "new-one"},
    ),
}


@pytest.fixture
def desk(world: World) -> Desk:
    return make_desk(world)


def hidden(desk: Desk, path: str) -> dict[str, str]:
    """The hidden fields of a form, as the page had them before the session ended."""
    page = desk.client.get(path).text
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    return {name: found[name] for name in ("csrf", "form_of", "request_key") if name in found}


def enter(desk: Desk, account_id: int):
    link = sign_in.sign_in_link(desk.world.runtime, account_id)
    return desk.client.post(link.removeprefix(desk.world.runtime.settings.base_url))


def press_save(desk: Desk, page: str):
    form = page.partition('<form method="post" accept-charset')[2].partition("</form>")[0]
    action = re.search(r'action="([^"]+)"', form)[1]
    typed = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', form))
    for name, value in re.findall(r'<textarea name="([\w-]+)" hidden>\n(.*?)</textarea>', form, re.DOTALL):
        typed[name] = value.replace("&amp;", "&").replace("&#34;", '"').replace("&#39;", "'")
    return desk.client.post(action.replace("&amp;", "&"), data=typed)


@pytest.mark.parametrize(("path", "typed"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("ended", ["idle", "expired", "forgotten"])
def test_what_was_typed_is_kept_through_sign_in(desk: Desk, path: str, typed: dict[str, str], ended: str):
    fields = hidden(desk, path) | typed
    if ended == "forgotten":
        desk.world.sql("delete from session")
    desk.world.clock.forward(hours=13 if ended == "idle" else 24 * 7 + 1)

    answer = desk.client.post(path, data=fields)
    notice = desk.client.get(answer.headers["Location"])
    entered = enter(desk, desk.olga.id)
    page = desk.client.get(entered.headers["Location"]).text
    saved = press_save(desk, page)

    assert answer.status_code == 303
    assert "What you typed is kept" in text_of(notice)
    assert "for weeks we wrote on this text &amp; “more”." in page
    assert saved.status_code == 303
    assert "kept" not in saved.headers["Location"]
    assert desk.world.sql("select count(*) from kept_form") == [(0,)]
    written = desk.world.sql(
        "select count(*) from (select body_markdown from blast_text "
        "union all select body_markdown from text_version) t "
        "where body_markdown like '%%for weeks we wrote on this text & “more”.%%'"
    )
    assert written == [(1,)]


def test_what_was_typed_is_never_shown_to_another_account(desk: Desk):
    path, typed = FORMS["update"]
    fields = hidden(desk, path) | typed
    other = accounts.create(desk.world.runtime, email="otto@example.org", name="Otto", role=Role.ADMIN)
    desk.world.clock.forward(hours=13)
    desk.client.post(path, data=fields)

    entered = enter(desk, other)

    assert entered.headers["Location"] == "/admin"
    assert desk.client.get("/organiser/kept").status_code == 404
    assert "for weeks" not in desk.client.get("/organiser").text
    assert kept_forms.newest(desk.world.runtime, desk.olga.id) is not None


def test_a_form_of_before_a_new_sign_in_is_kept_and_not_carried_out(desk: Desk):
    """She noticed in another tab that her session had ended, signed in there, and came back to press Save."""
    path, typed = FORMS["update"]
    fields = hidden(desk, path) | typed
    desk.world.clock.forward(hours=13)
    enter(desk, desk.olga.id)

    answer = desk.client.post(path, data=fields)

    assert answer.headers["Location"] == "/organiser/kept"
    assert desk.world.sql("select count(*) from blast") == [(0,)]
    assert press_save(desk, desk.client.get("/organiser/kept").text).status_code == 303


def test_a_form_of_another_account_is_refused_and_kept_for_its_writer(desk: Desk):
    path, typed = FORMS["update"]
    fields = hidden(desk, path) | typed
    other = accounts.create(desk.world.runtime, email="otto@example.org", name="Otto", role=Role.ADMIN)
    enter(desk, other)

    assert desk.client.post(path, data=fields).status_code == 403
    assert desk.client.get("/organiser/kept").status_code == 404
    assert kept_forms.newest(desk.world.runtime, desk.olga.id) is not None


@pytest.mark.parametrize("mark", ["", "x", "AAAA.AAAA"])
def test_nothing_is_kept_of_a_form_that_no_account_was_given(desk: Desk, mark: str):
    path, typed = FORMS["update"]
    desk.world.clock.forward(hours=13)

    answer = desk.client.post(path, data={**typed, "form_of": mark})

    assert answer.headers["Location"] == "/sign-in"
    assert desk.world.sql("select count(*) from kept_form") == [(0,)]


def test_nothing_is_kept_for_a_disabled_account_or_of_another_site(desk: Desk):
    path, typed = FORMS["update"]
    fields = hidden(desk, path) | typed
    desk.world.clock.forward(hours=13)

    foreign = desk.client.post(path, data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    desk.world.sql("update account set disabled_at = now()")
    desk.client.post(path, data=fields)

    assert foreign.status_code == 403
    assert desk.world.sql("select count(*) from kept_form") == [(0,)]


def test_a_large_text_is_kept_too(desk: Desk):
    path, typed = FORMS["update"]
    fields = hidden(desk, path) | typed | {"de-subject": "Neues", "de-body": "Wörter " * 14_000}
    desk.world.clock.forward(hours=13)

    answer = desk.client.post(path, data=fields)

    assert answer.headers["Location"].startswith("/sign-in?kept=")


def test_it_is_encrypted_bounded_in_number_and_forgotten_after_a_week(desk: Desk):
    path, typed = FORMS["update"]
    fields = hidden(desk, path) | typed
    desk.world.clock.forward(hours=13)

    for _ in range(8):
        desk.client.post(path, data=fields)
    number = desk.world.sql(
        "select count(*), bool_or(position(%(words)s in fields) > 0) from kept_form", words=b"weeks"
    )
    desk.world.clock.forward(days=8)
    cleanup.forget(desk.world.runtime)

    assert number == [(5, False)]
    assert desk.world.sql("select count(*) from kept_form") == [(0,)]


def test_it_can_be_discarded(desk: Desk):
    path, typed = FORMS["update"]
    fields = hidden(desk, path) | typed
    desk.world.clock.forward(hours=13)
    desk.client.post(path, data=fields)
    enter(desk, desk.olga.id)
    note = desk.client.get("/organiser").text
    form_id = kept_forms.newest(desk.world.runtime, desk.olga.id).id

    desk.send(f"/organiser/kept/{form_id}/discard")

    assert "/organiser/kept" in note
    assert desk.world.sql("select count(*) from kept_form") == [(0,)]
