from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unicodedata import bidirectional

import pytest

from campaign.accounts import accounts
from campaign.database.connection import Store
from campaign.local.seed import example
from campaign.petitions import organisers, petitions
from campaign.settings import LANGUAGES
from campaign.signatures import petition_page
from campaign.states import PetitionState


def test_the_example_is_live_in_four_languages_at_0_of_1000(world):
    slug = example.create_example(world.runtime)

    page = petition_page.show(world.runtime, slug, "en")
    assert page.title == "Stop Hazara Genocide in Pakistan"
    assert page.addressed_to == "Government of Germany"
    assert page.on_behalf_of == "the Hazara community"
    assert (page.state, page.count, page.goal) == (PetitionState.LIVE, 0, 1_000)
    assert set(page.locales) == set(LANGUAGES)


@pytest.mark.parametrize("locale", LANGUAGES)
def test_each_text_asks_three_things_and_stands_in_its_own_script(world, locale):
    slug = example.create_example(world.runtime)

    page = petition_page.show(world.runtime, slug, locale)

    assert page.locale == locale
    assert page.body_html.count("<li>") == 3
    assert page.body_html.count("<h2>") == 3
    strong = [bidirectional(letter) for letter in page.body_html.replace("<", " <") if letter.isalpha()]
    assert (strong.count("AL") > len(strong) / 2) is (locale in {"fa", "ur"})
    assert page.summary
    assert len(page.summary) < 300


def test_a_second_start_makes_no_second_petition_and_no_second_version(world):
    example.create_example(world.runtime)

    example.create_example(world.runtime)

    assert world.sql("select count(*) from petition") == [(1,)]
    assert world.sql("select count(*), max(version) from text_version") == [(len(LANGUAGES), 1)]


def test_a_second_start_leaves_an_edited_petition_alone(world):
    slug = example.create_example(world.runtime)
    edited = replace(example.read_drafts()["de"], title="Ein anderer Titel")
    petitions.edit_text(world.runtime, slug, "de", edited)

    example.create_example(world.runtime)

    assert petition_page.show(world.runtime, slug, "de").title == "Ein anderer Titel"


def test_a_second_start_leaves_a_closed_petition_closed(world):
    slug = example.create_example(world.runtime)
    petitions.close(world.runtime, slug)

    example.create_example(world.runtime)

    assert petitions.by_slug(world.runtime, slug, fresh=True).petition.state is PetitionState.CLOSED


def test_a_start_that_broke_off_before_publishing_is_completed(world):
    petitions.create(world.runtime, example.PETITION, example.read_drafts())

    slug = example.create_example(world.runtime)

    assert petition_page.show(world.runtime, slug, "en").state is PetitionState.LIVE


def test_two_processes_that_start_at_once_make_one_petition(world):
    other = replace(world.runtime, store=Store(world.runtime.settings.database_url))

    with ThreadPoolExecutor(2) as both:
        slugs = list(both.map(example.create_example, [world.runtime, other]))

    other.store.close()
    assert slugs == [example.SLUG] * 2
    assert world.sql("select slug, state from petition") == [(example.SLUG, "live")]


def test_the_example_has_an_organiser_of_its_petition_and_an_admin(world):
    slug = example.create_example(world.runtime)

    first = example.create_accounts(world.runtime)
    second = example.create_accounts(world.runtime)

    people = {account.role: account for account in accounts.list_all(world.runtime)}
    assert first == second == {role: account.id for role, account in people.items()}
    assert organisers.may_organise(world.runtime, people[accounts.Role.ORGANISER], slug)
    assert world.sql("select role from membership") == [("owner",)]


def test_a_disabled_example_account_stays_out(world):
    example.create_example(world.runtime)
    made = example.create_accounts(world.runtime)
    admin = next(account for account in accounts.list_all(world.runtime) if account.is_admin)

    accounts.set_disabled(world.runtime, made[accounts.Role.ORGANISER], disabled=True, by=admin)

    assert set(example.create_accounts(world.runtime)) == {accounts.Role.ADMIN}


def test_the_example_has_one_draft_update_in_every_language_that_stays_as_its_organiser_left_it(world):
    example.create_example(world.runtime)
    example.create_accounts(world.runtime)
    world.sql("update blast_text set subject = 'Changed' where locale = 'en' returning blast_id")

    example.create_accounts(world.runtime)

    assert world.sql("select count(*), count(distinct blast_id) from blast_text") == [(4, 1)]
    assert world.sql("select subject from blast_text where locale = 'en'") == [("Changed",)]
