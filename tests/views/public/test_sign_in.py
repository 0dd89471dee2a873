import re
from dataclasses import dataclass

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from campaign.accounts import accounts, sign_in
from campaign.accounts.accounts import Role
from tests.kit.sites import borrow_web
from tests.kit.worlds import World, make_world


def link_of(world: World, account_id: int) -> str:
    """The path of a one-time link."""
    return sign_in.sign_in_link(world.runtime, account_id).removeprefix(world.runtime.settings.base_url)


@dataclass
class Door:
    """The application, seen by somebody who wants in."""

    world: World
    client: FlaskClient
    olga: int

    def link(self) -> str:
        return link_of(self.world, self.olga)

    def desk(self) -> TestResponse:
        return self.client.get("/organiser")

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.desk().text)
        assert found is not None
        return found[1]


@pytest.fixture
def door(world: World) -> Door:
    olga = accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    return Door(world, borrow_web(world.runtime).test_client(), olga)


def test_nobody_is_led_to_the_sign_in_page(door: Door):
    answer = door.desk()

    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")


def test_an_address_with_an_account_and_one_without_get_the_same_answer(door: Door):
    known = door.client.post("/sign-in?lang=en", data={"email": "olga@example.org"})
    unknown = door.client.post("/sign-in?lang=en", data={"email": "oscar@example.org"})

    assert known.status_code == unknown.status_code == 200
    assert known.text == unknown.text
    door.world.admit()
    assert door.world.sql("select kind from message") == [("sign_in",)]


def test_a_broken_address_is_said_so_at_the_field_and_kept(door: Door):
    answer = door.client.post("/sign-in?lang=en", data={"email": "olga@"})

    assert answer.status_code == 422
    assert 'value="olga@"' in answer.text
    assert "Enter an email address like" in answer.text


def test_a_mail_scanner_does_not_use_up_the_link(door: Door):
    path = door.link()

    looked = [method(path) for method in (door.client.get, door.client.head) for _ in range(3)]
    entered = door.client.post(path)

    assert {answer.status_code for answer in looked} == {200}
    assert entered.status_code == 303
    assert door.desk().status_code == 200


def test_a_link_opens_one_session_only(door: Door):
    path = door.link()
    door.client.post(path)

    again = door.client.post(path)

    assert again.status_code == 410
    assert "Set-Cookie" not in again.headers


@pytest.mark.parametrize("path", ["/sign-in/nonsense", "/sign-in/AAAA.AAAA", "/sign-in/%00"])
def test_a_link_that_is_none_is_refused_kindly(door: Door, path: str):
    assert door.client.get(path).status_code == 410
    assert door.client.post(path).status_code == 410


def test_an_expired_link_is_refused(door: Door):
    path = door.link()
    door.world.clock.forward(hours=13)

    assert door.client.get(path).status_code == 410


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(door: Door):
    cookie = door.client.post(door.link()).headers["Set-Cookie"]

    assert cookie.startswith("countersign=")
    for part in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"):
        assert part in cookie
    assert "Domain" not in cookie


def test_on_https_the_cookie_is_bound_to_the_host(database_url, tmp_path):
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----\nnever read here\n")
    world = make_world(database_url, tmp_path, base_url="https://petitions.example.org", dkim_key_file=str(key))
    olga = accounts.create(world.runtime, email="olga@example.org", name="Olga", role=Role.ORGANISER)
    client = borrow_web(world.runtime).test_client()

    cookie = client.post(link_of(world, olga), base_url="https://petitions.example.org").headers["Set-Cookie"]

    assert cookie.startswith("__Host-countersign=")
    assert "Secure" in cookie
    world.runtime.close()


def test_a_form_sent_by_another_site_signs_nobody_in(door: Door):
    path = door.link()

    answers = [
        door.client.post(path, headers={"Sec-Fetch-Site": "cross-site"}),
        door.client.post(path, headers={"Origin": "https://evil.example"}),
        door.client.post("/sign-in", data={"email": "olga@example.org"}, headers={"Sec-Fetch-Site": "cross-site"}),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert all("Set-Cookie" not in answer.headers for answer in answers)
    assert door.world.sql("select 1 from message") == []


def test_signing_in_again_ends_the_session_before(door: Door):
    door.client.post(door.link())

    door.client.post(door.link())

    assert door.world.sql("select count(*) from session") == [(1,)]


def test_signing_out_ends_the_session_on_the_server(door: Door):
    door.client.post(door.link())

    answer = door.client.post("/sign-out", data={"csrf": door.csrf()})

    assert answer.status_code == 303
    assert door.world.sql("select count(*) from session") == [(0,)]
    assert door.desk().status_code == 303


def test_a_session_ends_after_twelve_hours_of_rest(door: Door):
    door.client.post(door.link())

    door.world.clock.forward(hours=11)
    awake = door.desk()
    door.world.clock.forward(hours=12, minutes=1)
    asleep = door.desk()

    assert (awake.status_code, asleep.status_code) == (200, 303)


def test_a_disabled_account_is_out_at_once(door: Door):
    door.client.post(door.link())
    admin_id = accounts.create(door.world.runtime, email="ada@example.org", name="Ada", role=Role.ADMIN)
    admin = next(account for account in accounts.list_all(door.world.runtime) if account.id == admin_id)

    accounts.set_disabled(door.world.runtime, door.olga, disabled=True, by=admin)

    assert door.desk().status_code == 303


def test_nobody_is_sent_elsewhere_after_signing_in(door: Door):
    entered = door.client.post(f"{door.link()}?next=https://evil.example/")

    assert entered.headers["Location"] == "/organiser"


def test_whoever_is_signed_in_need_not_sign_in(door: Door):
    door.client.post(door.link())

    assert door.client.get("/sign-in").headers["Location"] == "/organiser"


def test_pages_of_the_desk_are_kept_by_no_cache(door: Door):
    door.client.post(door.link())

    assert door.desk().headers["Cache-Control"] == "no-store"


def test_language_and_time_zone_are_the_visitors_own(door: Door):
    door.client.post(door.link())

    saved = door.client.post(
        "/organiser/account", data={"csrf": door.csrf(), "locale": "de", "time_zone": "Europe/Berlin"}
    )
    refused = door.client.post("/organiser/account", data={"csrf": door.csrf(), "locale": "xx", "time_zone": "Mars"})

    account = accounts.find(door.world.runtime, "olga@example.org")
    assert saved.status_code == 303
    assert refused.status_code == 422
    assert account is not None
    assert (account.locale, account.time_zone) == ("de", "Europe/Berlin")


def test_a_link_leads_an_organiser_to_the_desk_and_an_admin_to_the_monitor(door: Door):
    ada = accounts.create(door.world.runtime, email="ada@example.org", name="Ada", role=Role.ADMIN)

    landed = {
        role: door.client.post(link_of(door.world, account_id)).headers["Location"]
        for role, account_id in (("organiser", door.olga), ("admin", ada))
    }

    assert landed == {"organiser": "/organiser", "admin": "/admin"}
    assert door.client.get("/sign-in").headers["Location"] == "/admin"


def test_a_link_of_before_an_account_was_disabled_never_works_again(door: Door):
    path = door.link()
    ada = accounts.create(door.world.runtime, email="ada@example.org", name="Ada", role=Role.ADMIN)
    by = accounts.find(door.world.runtime, "ada@example.org")
    assert by is not None
    assert by.id == ada

    for disabled in (True, False):
        accounts.set_disabled(door.world.runtime, door.olga, disabled=disabled, by=by)

    assert door.client.get(path).status_code == 410
    assert door.client.post(path).status_code == 410
    assert door.client.post(door.link()).status_code == 303


def test_public_pages_lead_to_the_sign_in_page_in_their_language(site):
    page = site.get("/", query_string={"lang": "de"}).text

    assert re.search(r'<footer.*<a href="/sign-in\?lang=de">Anmelden</a>.*</footer>', page, re.DOTALL)
