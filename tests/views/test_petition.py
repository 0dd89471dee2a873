from tests.views.conftest import SLUG, Site, words


def test_the_page_says_that_nobody_has_signed_and_where_to_go(site: Site):
    page = site.get(f"/p/{SLUG}?lang=en")

    assert page.status_code == 200
    assert "0 have signed. Let's get to 1,000!" in words(page)
