"""A network whose people answer nothing is under the shield: its forms are proven, or wait."""

import base64
import html
import json
import re
from datetime import timedelta

import pytest
from altcha import v1

from campaign.petitions import petitions
from tests.kit.sites import make_web
from tests.kit.worlds import make_world
from tests.views.conftest import SLUG, TEXTS, Site, words


@pytest.fixture
def flooded(database_url, redis_url, redis_prefix, tmp_path):
    """A site where 20 emails of the visitor's network were not answered for an hour."""
    world = make_world(database_url, tmp_path, redis_url=redis_url, redis_prefix=redis_prefix)
    petitions.create(world.runtime, petitions.NewPetition(slug=SLUG, author="River Watch"), TEXTS)
    petitions.publish(world.runtime, SLUG)
    app = make_web(world.runtime)
    site = Site(app, app.test_client(), world)
    for number in range(20):
        site.press(email=f"p{number}@example.org")
    world.clock.forward(hours=1)
    yield site
    world.runtime.close()


def solve(page: str) -> str:
    """What a browser sends for the challenge of a page."""
    found = re.search(r"data-challenge='([^']+)'", page)
    assert found is not None
    asked = json.loads(html.unescape(found[1]))
    number = v1.solve_challenge(asked["challenge"], asked["salt"], asked["algorithm"], asked["most"]).number
    answer = {name: asked[name] for name in ("algorithm", "challenge", "salt", "signature")} | {"number": number}
    return base64.b64encode(json.dumps(answer).encode()).decode()


def dues(site: Site) -> list[timedelta]:
    now = site.world.clock.now
    return [due - now for (due,) in site.world.sql("select due_at from sign_up_request order by id offset 20")]


def test_a_form_is_shown_once_more_with_a_sum_that_makes_it_go_at_once(flooded: Site):
    asked = flooded.press(email="zahra@example.org", reason="I swim.")

    taken = flooded.press(email="zahra@example.org", altcha=solve(asked.text))

    assert asked.status_code == 429
    assert "Few emails to your network were answered today" in words(asked)
    assert "I swim." in asked.text
    assert taken.status_code == 303
    assert dues(flooded) == [timedelta()]


def test_without_javascript_the_email_comes_half_an_hour_later(flooded: Site):
    taken = flooded.press(email="zahra@example.org", wait="1")

    assert "Your email will arrive at about 11:30 UTC" in words(flooded.get(taken.location))
    assert dues(flooded) == [timedelta(minutes=30)]


def test_an_answer_is_good_for_one_form_and_for_a_short_time(flooded: Site):
    first, second = (solve(flooded.press(email="zahra@example.org").text) for _ in range(2))
    forged = base64.b64encode(json.dumps({"algorithm": "SHA-256", "number": 1, "salt": 5}).encode()).decode()

    answers = [
        flooded.press(email=f"q{n}@example.org", altcha=sent) for n, sent in enumerate((first, first, forged, "5"))
    ]
    flooded.world.clock.forward(minutes=21)
    late = flooded.press(email="q9@example.org", altcha=second)

    assert [answer.status_code for answer in answers] == [303, 429, 429, 429]
    assert late.status_code == 429


def test_a_shielded_network_has_five_places_an_hour(flooded: Site):
    for number in range(7):
        asked = flooded.press(email=f"q{number}@example.org")
        flooded.press(email=f"q{number}@example.org", altcha=solve(asked.text))

    assert dues(flooded) == [timedelta()] * 5 + [timedelta(hours=1)] * 2


def test_other_networks_see_no_shield(flooded: Site):
    answer = flooded.client.post(
        f"/p/{SLUG}/sign?lang=en", data=flooded.form(), environ_base={"REMOTE_ADDR": "198.51.100.7"}
    )

    assert answer.status_code == 303
