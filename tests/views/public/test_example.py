"""The example over the web: its pages name the petitioner in the reader's language, also above its update."""

import pytest

from campaign.accounts import accounts
from campaign.blasts import blasts
from campaign.blasts import running as blast_running
from campaign.local.seed import example
from campaign.petitions import petitions
from campaign.settings import LANGUAGES
from tests.views.conftest import Site, words


@pytest.fixture
def update(site: Site) -> str:
    """The path of the example's update, sent."""
    world = site.world
    slug = example.create_example(world.runtime)
    example.create_accounts(world.runtime)
    organiser = accounts.find(world.runtime, "organiser@example.org")
    petition_id = petitions.by_slug(world.runtime, slug).petition.id
    blast_id = world.sql("select id from blast")[0][0]
    blasts.send_now(world.runtime, blast_id, petition_id, by=organiser)
    world.clock.forward(seconds=31)
    blast_running.look(world.runtime)
    return f"/p/{slug}/updates/{blast_id}"


@pytest.mark.parametrize("locale", LANGUAGES)
def test_the_petition_and_its_update_name_the_community_in_the_language_of_the_page(
    site: Site, update: str, locale: str
):
    byline = example.read_drafts()[locale].byline
    petition = words(site.get(f"/p/{example.SLUG}?lang={locale}"))
    news = words(site.get(f"{update}?lang={locale}"))

    assert byline in petition
    assert byline in news
    assert ("the Hazara community" in news) is (locale == "en")
