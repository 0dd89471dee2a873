import pytest

from tests.views.conftest import SLUG, Site, words


def test_the_confirm_page_shows_the_title_and_one_button(site: Site):
    site.signature()

    page = site.get(site.confirm(site.last))

    assert page.status_code == 200
    assert "Clean rivers" in words(page)
    assert page.text.count("<button") == 1
    assert "I didn’t sign this" in words(page)


def test_pages_behind_a_token_are_kept_and_told_by_nobody(site: Site):
    site.signature()
    paths = [
        site.confirm(site.last),
        f"{site.confirm(site.last)}/decline",
        site.own(site.last),
        site.unsubscribe(site.last),
    ]

    for path in paths:
        page = site.get(path)

        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "Set-Cookie" not in page.headers
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def dead_tokens(site: Site) -> list[str]:
    site.signature()
    good = site.confirm(site.last).removeprefix("/c/")
    first = "A" if good[0] != "A" else "B"
    return [
        "x",
        first + good[1:],
        good + "x",
        good[:-5],
        site.own(site.last).removeprefix("/me/"),
        site.unsubscribe(site.last).removeprefix("/u/"),
        "ü" * 30,
        "a" * 4000,
    ]


def test_every_dead_token_gets_the_same_kind_page(site: Site):
    tokens = dead_tokens(site)
    alive = site.confirm(site.last)

    answers = [site.get(f"/c/{token}?lang=en") for token in tokens]
    site.world.clock.forward(days=8)
    answers.append(site.get(f"{alive}?lang=en"))
    answers.append(site.post(f"{alive}?lang=en"))

    assert {answer.status_code for answer in answers} == {410}
    assert "This link no longer works" in words(answers[0])
    assert len({words(answer) for answer in answers}) == 1
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert site.states() == ["pending"]


def test_a_fresh_link_is_promised_to_everybody_alike(site: Site):
    site.signature()

    known, unknown = (
        site.post("/resend?lang=en", {"email": f"{name}@example.org"}, follow_redirects=True)
        for name in ("zahra", "nobody")
    )
    broken = site.post("/resend?lang=en", {"email": "nobody"})

    assert (known.status_code, unknown.status_code) == (200, 200)
    assert known.text == unknown.text
    assert broken.status_code == 422
    assert 'value="nobody"' in broken.text


def test_who_did_not_sign_is_erased_by_a_button_only(site: Site):
    site.signature()
    path = f"{site.confirm(site.last)}/decline?lang=en"

    asked = site.get(path)
    done = site.post(path)

    assert "Didn’t sign this?" in words(asked)
    assert "This signature is erased" in words(done)
    assert site.states() == ["expired"]
    assert site.get(path).status_code == 410


def test_who_sees_that_others_confirmed_for_them_can_withdraw_from_there(site: Site):
    site.signature(confirmed=True)
    path = site.confirm(site.last)

    confirmed, asked = site.get(f"{path}?lang=en"), site.get(f"{path}/decline?lang=en")
    states = site.states()
    done = site.post(f"{path}/decline?lang=en")

    assert f'href="{path}/decline' in confirmed.text
    assert "A signature with your address was confirmed" in words(asked)
    assert states == ["confirmed"]
    assert "This signature is erased" in words(done)
    assert site.states() == ["withdrawn"]


def test_a_confirmed_link_says_so(site: Site):
    site.signature(confirmed=True)

    page = site.get(site.confirm(site.last))

    assert "There is nothing left to do." in words(page)
    assert f"/p/{SLUG}/thanks" in page.text


def test_a_third_person_of_a_mailbox_is_told_kindly(site: Site):
    ids = [site.signature(name=name) for name in ("First Person", "Second Person", "Third Person")]

    answers = [site.post(f"{site.confirm(signature_id)}?lang=en") for signature_id in ids]

    assert [answer.status_code for answer in answers] == [303, 303, 409]
    assert "This mailbox has signed already" in words(answers[2])


def test_one_click_unsubscribes_whatever_the_mail_program_sends(site: Site):
    site.signature(confirmed=True, wants_updates="yes")
    path = site.unsubscribe(site.last)

    urlencoded = [site.post(path, {"List-Unsubscribe": "One-Click"}) for _ in range(5)]
    multipart = [
        site.post(path, {"List-Unsubscribe": "One-Click"}, content_type="multipart/form-data") for _ in range(5)
    ]
    foreign = site.post(path, {"List-Unsubscribe": "One-Click"}, headers={"Origin": "https://mail.example"})
    unknown = site.post("/u/no-such-token", {"List-Unsubscribe": "One-Click"})

    answers = [*urlencoded, *multipart, foreign, unknown]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.data for answer in answers}) == 1
    assert {answer.mimetype for answer in answers} == {"text/plain"}
    assert not any("Set-Cookie" in answer.headers or "Location" in answer.headers for answer in answers)
    assert site.world.row(site.last).wants_updates is False


@pytest.mark.parametrize("scope", ["petition", "everything"])
def test_the_button_unsubscribes(site: Site, scope: str):
    site.signature(confirmed=True, wants_updates="yes")

    answer = site.post(f"{site.unsubscribe(site.last)}?lang=en", {"scope": scope})

    assert "You are unsubscribed" in words(answer)
    assert site.world.row(site.last).wants_updates is False
    assert len(site.world.sql("select 1 from suppression")) == (scope == "everything")


def test_an_unknown_unsubscribe_link_opens_the_kind_page(site: Site):
    assert site.get("/u/no-such-token").status_code == 410
    assert site.post("/u/no-such-token").status_code == 410


def test_the_own_page_shows_everything_that_is_kept(site: Site):
    site.signature(confirmed=True, wants_updates="yes", reason="I swim there.")

    shown = words(site.get(f"{site.own(site.last)}?lang=en"))

    for piece in ("Zahra Ahmadi", "zahra@example.org", "Germany", "I swim there.", "Confirmed and counted"):
        assert piece in shown
    assert "By signing, I agree" in shown
    assert "I can unsubscribe at any time." in shown
    assert "Rivers matter." in shown


@pytest.mark.parametrize(
    ("action", "attribute", "value"),
    [
        ("show_name", "show_name", True),
        ("hide_name", "show_name", False),
        ("updates", "wants_updates", True),
        ("no_updates", "wants_updates", False),
    ],
)
def test_a_button_of_the_own_page_does_what_it_says(site: Site, action: str, attribute: str, value: object):
    site.signature(confirmed=True)

    answer = site.post(f"{site.own(site.last)}?lang=en", {"action": action})

    assert answer.status_code == 303
    assert getattr(site.world.row(site.last), attribute) == value
    assert site.get(answer.location).status_code == 200


def test_a_correction_is_checked_like_the_form(site: Site):
    site.signature(confirmed=True)

    wrong = site.post(
        f"{site.own(site.last)}?lang=en",
        {"action": "correct", "name": "www.spam.example", "country": "PK", "reason": "Typed"},
    )
    right = site.post(
        f"{site.own(site.last)}?lang=en", {"action": "correct", "name": "Zahra A.", "country": "PK", "reason": ""}
    )

    assert wrong.status_code == 422
    assert 'value="www.spam.example"' in wrong.text
    assert "Typed</textarea>" in wrong.text
    assert "Your correction is saved." in words(site.get(right.location))
    assert "Zahra A." in words(site.get(site.own(site.last)))


def test_everything_can_be_taken_along(site: Site):
    site.signature(confirmed=True)

    answer = site.get(f"{site.own(site.last)}/export.json")

    assert answer.json["signature"]["email"] == "zahra@example.org"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="signature.json"'
    assert answer.headers["Cache-Control"] == "no-store"


def test_erasing_asks_first_and_then_forgets_for_good(site: Site):
    site.signature(confirmed=True)
    path = site.own(site.last)

    asked = site.get(f"{path}/erase?lang=en")
    done = site.second_page(site.last, "erase")

    assert "Erase everything about you?" in words(asked)
    assert "Your data are erased" in words(done)
    assert site.world.row(site.last).name is None
    assert site.states() == ["confirmed"]
    assert site.get(path).status_code == 410


def test_an_unknown_action_changes_nothing(site: Site):
    site.signature(confirmed=True)
    before = site.world.row(site.last)

    answer = site.post(site.own(site.last), {"action": "explode"})

    assert answer.status_code == 303
    assert site.world.row(site.last) == before


def test_a_pending_signature_has_no_buttons_but_erase(site: Site):
    site.signature()

    page = site.get(f"{site.own(site.last)}?lang=en")

    assert "Not confirmed yet" in words(page)
    assert 'value="withdraw"' not in page.text
    assert site.second_page(site.last, "withdraw").status_code == 409


@pytest.mark.parametrize("action", ["withdraw", "erase"])
def test_one_press_on_a_link_that_was_passed_on_destroys_nothing(site: Site, action: str):
    site.signature(confirmed=True)
    before = site.world.row(site.last)

    answer = site.post(site.own(site.last), {"action": action})

    assert answer.location.endswith(f"/{action}?lang=en")
    assert site.world.row(site.last) == before


@pytest.mark.parametrize("action", ["withdraw", "erase"])
def test_the_second_page_does_what_it_says(site: Site, action: str):
    site.signature(confirmed=True)

    site.second_page(site.last, action)

    assert (site.states(), site.world.row(site.last).address is None) == (
        (["withdrawn"], False) if action == "withdraw" else (["confirmed"], True)
    )


def test_the_button_of_a_second_page_is_good_for_its_action_signature_and_quarter_of_an_hour_alone(site: Site):
    signed = site.signature(confirmed=True)
    another = site.signature(confirmed=True, email="other@example.org")
    assent = site.get(f"{site.own(signed)}/withdraw").text.partition('name="assent" value="')[2].partition('"')[0]

    site.post(site.own(signed), {"action": "erase", "assent": assent})
    site.post(site.own(another), {"action": "withdraw", "assent": assent})
    site.world.clock.forward(minutes=16)
    site.post(site.own(signed), {"action": "withdraw", "assent": assent})

    assert site.states() == ["confirmed", "confirmed"]
    assert site.world.row(signed).address is not None
