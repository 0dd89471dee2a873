"""A16: addresses that the mail server can't take are refused at the field, in the reader's language."""

import pytest

from campaign.outbox import relays
from tests.views.conftest import Site, words


def learn(site: Site, *, smtputf8: bool) -> None:
    names = relays.relay_names(site.runtime.settings.smtp_url)
    site.world.read(lambda tx: relays.note(tx, dict.fromkeys(names, smtputf8), now=site.world.clock.now))


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", "we can’t send to addresses with such letters before the @ yet"),
        ("de", "An E-Mail-Adressen mit solchen Buchstaben vor dem @ können wir noch nichts senden"),
        ("fa", "هنوز نمی‌توانیم به آدرس ایمیل‌هایی با چنین حروفی"),
        ("ur", "ہم ابھی ایسے ای میل ایڈریس پر ای میل نہیں بھیج سکتے"),
    ],
)
def test_a_relay_without_smtputf8_makes_the_form_say_so_at_the_field(site: Site, lang: str, said: str):
    learn(site, smtputf8=False)

    answer = site.press(lang=lang, email="زهرا@example.org")

    assert answer.status_code == 422
    assert said in words(answer)
    assert 'value="زهرا@example.org"' in answer.text
    assert site.world.sql("select count(*) from sign_up_request") == [(0,)]


@pytest.mark.parametrize("known", [True, None])
def test_where_smtputf8_is_offered_or_nothing_is_known_the_address_is_accepted(site: Site, *, known: bool | None):
    if known is not None:
        learn(site, smtputf8=known)

    answer = site.press(email="jürgen@example.org")

    assert answer.status_code == 303


def test_asking_for_a_new_link_or_to_sign_in_says_it_too(site: Site):
    learn(site, smtputf8=False)

    answers = [site.post(f"/{page}?lang=en", {"email": "jürgen@example.org"}) for page in ("resend", "sign-in")]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert all("we can’t send to addresses with such letters" in words(answer) for answer in answers)


@pytest.mark.parametrize("typed", ["ali۱۲۳@example.org", "ali١٢٣@example.org", "ali123@example۱.org"])
def test_persian_and_arabic_digits_in_an_ascii_address_are_plain_digits(site: Site, typed: str):
    learn(site, smtputf8=False)

    site.sign(email=typed)

    wanted = "ali123@example1.org" if "۱.org" in typed else "ali123@example.org"
    assert len(site.world.rows("clean-rivers", wanted)) == 1
