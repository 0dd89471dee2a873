"""No other site sends a form for its visitors; what browsers and programs rightly send is taken."""

import pytest

from tests.kit.sites import borrow_web
from tests.kit.worlds import make_world
from tests.views.conftest import SLUG, Site

FOREIGN = [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}]


def public_posts(site: Site) -> set[str]:
    """Every address of a supporter's page that takes a form, with tokens that work."""
    ref = site.press().location.partition("/inbox/")[2].partition("?")[0]
    site.world.admit()
    values = {"slug": SLUG, "ref": ref}
    tokens = {"/c/": site.confirm(site.last), "/me/": site.own(site.last), "/u/": site.unsubscribe(site.last)}
    paths = set()
    for rule in site.app.url_map.iter_rules():
        if "POST" in (rule.methods or set()) and not rule.rule.startswith(("/organiser", "/admin", "/sign-out")):
            known = next((path for start, path in tokens.items() if rule.rule.startswith(start)), "/x/sign-in-token")
            path = rule.rule.replace("<slug>", SLUG).replace("<ref>", values["ref"])
            paths.add(path.replace("<token>", known.split("/")[2]))
    return paths


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_form_of_another_site_is_taken(site: Site, headers: dict[str, str]):
    paths = public_posts(site)
    before = [site.world.sql(f"select count(*) from {table}") for table in ("sign_up_request", "message", "signature")]

    statuses = {path: site.post(path, {"email": "zahra@example.org"}, headers=headers).status_code for path in paths}

    assert len(paths) > 8
    assert {f"/p/{SLUG}/code", "/resend", "/sign-in"} <= paths
    # One-click unsubscribe (RFC 8058) is sent by the mail provider; its token is the authority.
    assert {status for path, status in statuses.items() if not path.startswith("/u/")} == {403}
    after = [site.world.sql(f"select count(*) from {table}") for table in ("sign_up_request", "message", "signature")]
    assert after == before
    assert site.states() == ["pending"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "null"}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin", "Origin": "null"}],
)
def test_the_button_of_a_private_page_works_in_every_browser(site: Site, headers: dict[str, str]):
    path = site.confirm(site.signature())

    assert site.post(path, headers=headers).status_code == 303
    assert site.states() == ["confirmed"]


def test_one_click_unsubscribe_is_taken_from_everywhere(site: Site):
    signature_id = site.signature(confirmed=True, wants_updates="yes")
    form = {"List-Unsubscribe": "One-Click"}

    answer = site.post(site.unsubscribe(signature_id), form, headers={"Origin": "https://mail.example"})

    assert answer.status_code == 200
    assert site.world.row(signature_id).wants_updates is False


def test_metrics_behind_a_proxy_open_by_the_token_alone(database_url, tmp_path):
    world = make_world(database_url, tmp_path, metrics_token="a-long-secret-token", proxies="1")
    client = borrow_web(world.runtime).test_client()

    statuses = [
        client.get("/metrics", headers=headers).status_code
        for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"Authorization": "Bearer a-long-secret-token"})
    ]

    assert statuses == [401, 401, 200]
    world.runtime.close()
