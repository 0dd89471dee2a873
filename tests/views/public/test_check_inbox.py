"""The page after signing may be reloaded, gone back to, corrected from and asked to send the mail again."""

import pytest

from campaign.petitions import petitions
from campaign.signatures import forgetting
from tests.views.conftest import SLUG, Site, words
from tests.views.public.test_signing import ref_of


def page_of(site: Site, **typed: str) -> str:
    """Sign by the form; the path of the page that follows."""
    answer = site.press(**typed)
    assert answer.status_code == 303
    return answer.location.partition("?")[0]


def test_the_page_is_the_same_before_and_after_a_worker_has_decided_and_however_often_it_is_loaded(site: Site):
    path = page_of(site)

    asked = [site.get(f"{path}?lang=en") for _ in range(2)]
    site.world.admit()
    admitted = site.get(f"{path}?lang=en")

    assert {answer.status_code for answer in (*asked, admitted)} == {200}
    assert len({answer.text for answer in (*asked, admitted)}) == 1
    assert "zahra@example.org" in words(admitted)
    assert admitted.headers["Cache-Control"] == "no-store"
    assert "noindex" in admitted.headers["X-Robots-Tag"]


def test_the_page_speaks_every_language_and_its_switch_stays_on_it(site: Site):
    path = page_of(site)

    page = site.get(f"{path}?lang=fa").text

    assert '<html lang="fa"' in page
    assert f'href="{path}?lang=de"' in page


def test_the_address_can_be_changed_and_all_else_is_kept(site: Site):
    typed = {
        "name": "Zahra Ahmadi",
        "email": "zahra@exmaple.org",
        "country": "PK",
        "reason": "I swim.",
        "show_name": "y",
    }
    path = page_of(site, **typed)

    form = site.get(f"{path}/change?lang=en")
    site.sign(**(typed | {"email": "zahra@example.org"}))

    assert form.status_code == 200
    assert form.headers["Cache-Control"] == "no-store"
    assert 'value="zahra@exmaple.org"' in form.text
    assert 'value="Zahra Ahmadi"' in form.text
    assert '<option value="PK" selected>' in form.text
    assert "I swim.</textarea>" in form.text
    assert form.text.count(" checked>") == 1
    assert "exmaple" not in site.get(f"/p/{SLUG}?lang=en").text
    assert site.states() == ["pending", "pending"]


def test_the_mail_is_sent_again_on_request_and_the_answer_is_the_same_for_everybody(site: Site):
    waiting, confirmed = page_of(site), page_of(site, email="confirmed@example.org")
    site.world.admit()
    site.post(site.confirm(site.last))
    site.world.sql("update message set state = 'accepted', settled_at = due_at")
    site.world.clock.forward(minutes=11)

    answers = [site.post(f"{path}/again?lang=en", follow_redirects=True) for path in (waiting, confirmed)]
    site.world.admit()

    assert {answer.status_code for answer in answers} == {200}
    assert all("we’ll send the email again" in words(answer) for answer in answers)
    assert site.world.sql("select kind, signature_id from message where state = 'planned'") == [
        ("confirmation", site.world.sql("select min(id) from signature")[0][0])
    ]


@pytest.mark.parametrize("end", ["", "/change", "/again"])
def test_a_page_that_is_deleted_or_of_another_petition_offers_the_code_form(site: Site, end: str):
    path = page_of(site)
    other = site.world.petition("another")
    site.world.admit()
    ask = site.post if end == "/again" else site.get
    paths = [path.replace(SLUG, other), f"/p/{SLUG}/inbox/x", f"/p/{SLUG}/inbox/{'A' * 22}"]

    answers = [ask(f"{each}{end}?lang=en") for each in paths]
    site.world.sql("delete from sign_up_request")
    answers.append(ask(f"{path}{end}?lang=en"))

    for answer in answers:
        assert answer.status_code == 410
        assert "This page is gone" in words(answer)
        assert 'name="email"' in answer.text
    assert ask(f"/p/nothing/inbox/{'A' * 22}{end}").status_code == 404


def test_the_page_stays_when_the_petition_closes(site: Site):
    path = page_of(site)
    petitions.close(site.runtime, SLUG)

    assert site.get(path).status_code == 200


def test_a_wrong_code_on_the_page_is_said_at_its_field(site: Site):
    page = site.sign()
    site.world.deliver()

    answers = {
        code: site.post(f"/p/{SLUG}/code?lang=en", {"ref": ref_of(page), "code": code}) for code in ("", "12", "123456")
    }

    assert {answer.status_code for answer in answers.values()} == {422}
    assert "Enter the six digits from the email." in words(answers[""])
    assert "This code isn’t right." in words(answers["123456"])
    assert ref_of(answers["123456"]) == ref_of(page)
    assert site.world.sql("select tries from code_guess") == [(1,), (1,)]


def test_the_address_is_shown_whole_for_half_an_hour_and_masked_afterwards(site: Site):
    path = page_of(site, email="Zahra@Example.org", name="Zahra Qoqnus", reason="A qoqnus sings.")

    site.world.clock.forward(minutes=29)
    soon, form = site.get(f"{path}?lang=en"), site.get(f"{path}/change?lang=en")
    site.world.clock.forward(minutes=1)
    late, empty = site.get(f"{path}?lang=en"), site.get(f"{path}/change?lang=en")

    assert "Zahra@example.org" in words(soon)
    assert "Zahra@example.org" in form.text
    assert "Z•••@example.org" in words(late)
    assert "in case others use this screen" in words(late)
    assert "Check the address above." in words(soon)
    assert "Check the address above." not in words(late)
    assert "qoqnus" in form.text
    for answer in (late, empty):
        assert "Zahra" not in answer.text
        assert "qoqnus" not in answer.text.lower()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("zahra@gmial.com", "zahra@gmail.com"),
        ("zahra@yaho.com", "zahra@yahoo.com"),
        ("zahra@hotmail.con", "hotmail.com"),
    ],
)
def test_a_near_miss_of_a_large_mail_domain_is_hinted_at_and_never_blocks(site: Site, typed: str, meant: str):
    answer = site.sign(email=typed)

    assert answer.status_code == 200
    assert "Did you mean" in words(answer)
    assert meant in words(answer)
    assert site.states() == ["pending"]


@pytest.mark.parametrize("typed", ["zahra@gmail.com", "zahra@gmx.at", "zahra@mail.com", "zahra@example.org"])
def test_a_domain_that_is_right_gets_no_hint(site: Site, typed: str):
    assert "Did you mean" not in words(site.sign(email=typed))


def test_an_address_is_shown_in_the_letters_that_were_typed(site: Site):
    page = site.sign(email="zahra@bücher.example")

    assert "zahra@bücher.example" in words(page)
    assert "xn--" not in page.text


def test_sending_again_is_offered_after_a_minute_and_asks_for_nothing_before(site: Site):
    path = page_of(site)
    site.world.admit()

    early = site.get(f"{path}?lang=en")
    pressed = site.post(f"{path}/again?lang=en")
    site.world.clock.forward(minutes=1)
    later = site.get(f"{path}?lang=en")

    assert f"{path}/again" not in early.text
    assert pressed.location == f"{path}?lang=en"
    assert f"{path}/again" in later.text
    assert site.world.sql("select count(*) from sign_up_request") == [(1,)]


def test_the_page_says_when_the_email_arrives_if_many_near_by_are_signing(site: Site):
    for number in range(20):
        site.press(email=f"p{number}@example.org")
    known = site.get(site.press(email="p3@example.org").location)
    unknown = site.get(site.press(email="new@example.org").location)
    site.world.clock.forward(minutes=58)
    soon = site.get(site.press(email="late@example.org").location)

    said = "Many people near you are signing right now. Your email will arrive at about 11:00 UTC, in 1 hour or sooner."
    assert said in words(known)
    assert said in words(unknown)
    assert 'datetime="2026-11-22T11:00+00:00"' in unknown.text
    assert "Many people near you" not in words(soon)


def test_a_form_that_would_wait_for_more_than_six_hours_is_kept_and_told_to_come_back(site: Site):
    for number in range(140):
        assert site.press(email=f"p{number}@example.org").status_code == 303
    answers = [site.press(email=email, reason="I swim.") for email in ("p3@example.org", "new@example.org")]
    links = site.post("/mine?lang=en", {"email": "p3@example.org"})
    elsewhere = site.client.post(
        f"/p/{SLUG}/sign?lang=en", data=site.form(), environ_base={"REMOTE_ADDR": "198.51.100.7"}
    )

    for answer in answers:
        assert answer.status_code == 429
        assert "Please try again tomorrow, or from another network." in words(answer)
        assert "I swim." in answer.text
    # Links have an allowance of their own.
    assert links.status_code == 303
    assert elsewhere.status_code == 303


def test_the_page_that_is_gone_promises_nothing_to_who_has_confirmed_and_is_forgotten(site: Site):
    path = page_of(site, forget="yes")
    site.world.admit()
    site.post(site.confirm(site.last))
    site.world.sql("update message set state = 'accepted', settled_at = now()")
    forgetting.forget_counted(site.runtime)

    gone = site.get(f"{path}?lang=en")

    assert gone.status_code == 410
    assert "It is kept for one day at most." in words(gone)
    assert "If you haven’t confirmed yet, your email still works" in words(gone)
