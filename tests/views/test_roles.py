"""Every route with every role. A new route is walked by itself; a new kind of argument needs a value here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from campaign.accounts import accounts, kept_forms, sign_in
from campaign.accounts import queries as account_queries
from campaign.accounts.accounts import Account, Role
from campaign.blasts import blasts
from campaign.blasts.rules import BlastText
from campaign.bulk_acts import bulk_acts
from campaign.bulk_acts.rules import Kind, Scope
from campaign.petitions import petitions
from campaign.security.request_keys import new_request_key
from campaign.views.access import Access, rule_of
from tests.kit.sites import borrow_web
from tests.kit.worlds import World

OWN, ANOTHERS = "rivers", "forests"
GUARDED = {Access.ORGANISER, Access.ADMIN}

ROWS = frozenset({"blast_id", "signature_id", "act_id"})
"""Arguments that name a row of the petition in the same address."""

NOWHERE: dict[str, object] = {
    "token": "x", "ref": "x", "mail_id": "x", "filename": "site.css", "threshold": 7, "update_id": 10**6,
    "account_id": 10**6, "message_id": 10**6, "lane": "bulk", "suppression_id": 10**6, "event_id": 10**6, "label": "x",
    "switch": "signing", "colour": "1f3bb3", "name": "x.png", "provider": "x", "secret": "x", "form_id": 10**6,
    "pack_id": 10**6,
}  # fmt: skip
"""A value for each other argument of an address. Rows that are not there answer 404 to whoever may ask."""

ALWAYS_THERE = frozenset({"slug", "lane", "filename", "switch", "colour"}) | ROWS


@dataclass
class House:
    """The application with a client for each role."""

    app: Flask
    world: World
    clients: dict[str, FlaskClient]
    values: dict[str, object]

    def rules(self, *kinds: Access) -> Iterator[tuple[str, Rule]]:
        """Method and route for all routes of some kinds."""
        for rule in self.app.url_map.iter_rules():
            if rule_of(self.app, rule.endpoint) in kinds:
                for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                    yield method, rule

    def ask(self, role: str, method: str, rule: Rule, *, slug: str = OWN, csrf: str | None = None) -> int:
        """The status that a role gets."""
        values = {name: (self.values | {"slug": slug})[name] for name in rule.arguments}
        with self.app.test_request_context():
            path = self.app.url_map.bind("localhost").build(rule.endpoint, values, method=method)
        data = {} if csrf is None else {"csrf": csrf}
        with self.clients[role].open(path, method=method, data=data, buffered=True) as answer:
            return answer.status_code

    def csrf(self, role: str) -> str:
        """The token in the forms of a role."""
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.clients[role].get("/organiser").text)
        assert found is not None
        return found[1]


def _account(world: World, email: str, role: Role) -> Account:
    accounts.create(world.runtime, email=email, name="A Person", role=role)
    found = accounts.find(world.runtime, email)
    assert found is not None
    return found


def _give(world: World, slug: str, account: Account) -> None:
    petition_id = petitions.by_slug(world.runtime, slug).petition.id
    world.read(lambda tx: account_queries.add_member(tx, petition_id, account.id, role="owner"))


@pytest.fixture
def house(world: World) -> House:
    app = borrow_web(world.runtime)
    people = {
        "own": _account(world, "own@example.org", Role.ORGANISER),
        "another": _account(world, "another@example.org", Role.ORGANISER),
        "admin": _account(world, "admin@example.org", Role.ADMIN),
    }
    for slug, name in ((OWN, "own"), (ANOTHERS, "another")):
        world.petition(slug)
        _give(world, slug, people[name])
    clients = {"nobody": app.test_client()}
    for name, account in people.items():
        clients[name] = app.test_client()
        link = sign_in.sign_in_link(world.runtime, account.id)
        assert clients[name].post(link.removeprefix(world.runtime.settings.base_url)).status_code == 303
    return House(app, world, clients, NOWHERE | _rows(world, people["own"]))


def _rows(world: World, owner: Account) -> dict[str, object]:
    """Rows of the own petition."""
    petition_id = petitions.by_slug(world.runtime, OWN).petition.id
    blast_id = blasts.save_draft(
        world.runtime, petition_id, {"en": BlastText("News", "Dear {{name}}")}, by=owner, request_key="walk"
    )
    signature_id = world.signature(OWN, confirmed=True)
    act_id = bulk_acts.begin(
        world.runtime, Kind.REMOVE, Scope(ids=(signature_id,)), reason="other", by=owner,
        request_key=new_request_key(), petition_id=petition_id,
    )  # fmt: skip
    return {"blast_id": blast_id, "signature_id": signature_id, "act_id": act_id}


def test_nobody_reaches_the_desk_or_the_monitor(house: House):
    statuses = {(method, rule.rule): house.ask("nobody", method, rule) for method, rule in house.rules(*GUARDED)}

    assert set(statuses.values()) == {303}, statuses


def test_the_petition_of_another_is_not_there(house: House):
    token = house.csrf("another")

    statuses = {
        (method, rule.rule): house.ask("another", method, rule, csrf=token)
        for method, rule in house.rules(Access.ORGANISER)
        if "slug" in rule.arguments
    }

    assert set(statuses.values()) == {404}, statuses


def test_rows_of_anothers_petition_are_not_there_in_ones_own(house: House):
    token = house.csrf("another")

    statuses = {
        (method, rule.rule): house.ask("another", method, rule, slug=ANOTHERS, csrf=token)
        for method, rule in house.rules(Access.ORGANISER)
        if rule.arguments & ROWS
    }

    assert set(statuses.values()) == {404}, statuses
    assert house.world.sql("select count(*) from audit_entry where action like 'blast.%%'") == [(0,)]
    assert house.world.sql("select state from signature") == [("confirmed",)]


@pytest.mark.parametrize("button", ["unschedule", "pause", "resume", "cancel", "again", "test"])
def test_no_button_reaches_an_update_of_another(house: House, button: str):
    path = f"/organiser/p/{ANOTHERS}/updates/{house.values['blast_id']}/press"

    answer = house.clients["another"].post(path, data={"csrf": house.csrf("another"), "button": button})

    assert answer.status_code == 404


def test_a_petition_that_nobody_has_is_not_told_from_anothers(house: House):
    token = house.csrf("own")

    statuses = {
        house.ask("own", method, rule, slug=slug, csrf=token)
        for slug in (ANOTHERS, "never-written")
        for method, rule in house.rules(Access.ORGANISER)
        if "slug" in rule.arguments
    }

    assert statuses == {404}


@pytest.mark.parametrize("role", ["own", "another"])
def test_an_organiser_reaches_nothing_of_the_monitor(house: House, role: str):
    token = house.csrf(role)

    statuses = {house.ask(role, method, rule, csrf=token) for method, rule in house.rules(Access.ADMIN)}

    assert statuses <= {404}


@pytest.mark.parametrize("role", ["own", "admin"])
def test_organisers_and_admins_reach_every_page_of_their_petition(house: House, role: str):
    # The page of a kept form is there for the account that has one.
    for account in accounts.list_all(house.world.runtime):
        kept_forms.keep(house.world.runtime, account.id, "/organiser/new", [("title", "A title")])
    statuses = {
        rule.rule: house.ask(role, method, rule)
        for method, rule in house.rules(Access.ORGANISER)
        if method == "GET" and rule.arguments <= ALWAYS_THERE
    }

    assert set(statuses.values()) == {200}, statuses


def test_admins_reach_every_page_of_the_monitor(house: House):
    statuses = {
        rule.rule: house.ask("admin", method, rule)
        for method, rule in house.rules(Access.ADMIN)
        if method == "GET" and rule.arguments <= ALWAYS_THERE
    }

    assert set(statuses.values()) <= {200}, statuses


@pytest.mark.parametrize("csrf", [None, "", "0" * 64, "ü"])
def test_no_form_is_taken_without_the_token_of_the_session(house: House, csrf: str | None):
    statuses = {
        rule.rule: house.ask("admin", method, rule, csrf=csrf)
        for method, rule in house.rules(*GUARDED)
        if method != "GET"
    }

    assert set(statuses.values()) == {403}, statuses


def test_the_token_of_another_session_is_worth_nothing(house: House):
    token = house.csrf("another")

    statuses = {house.ask("own", method, rule, csrf=token) for method, rule in house.rules(*GUARDED) if method != "GET"}

    assert statuses == {403}


def test_only_pages_without_a_session_are_exempt_from_the_token(house: House):
    kinds = (Access.PUBLIC, Access.TOKEN, Access.MAILBOX, Access.HOOK)
    exempt = {rule.rule for method, rule in house.rules(*kinds) if method != "GET"}

    assert exempt == {
        "/p/<slug>/sign", "/p/<slug>/code", "/mine", "/resend", "/c/<token>", "/c/<token>/decline", "/me/<token>",
        "/u/<token>", "/sign-in", "/sign-in/<token>", "/p/<slug>/inbox/<ref>/again", "/c/<token>/correct",
        "/move/<token>", "/move-back/<token>", "/n/<token>", "/me/<token>/code", "/me/<token>/open",
        # Providers have no session: each request carries a proof of its own.
        "/hooks/<provider>", "/hooks/<provider>/<secret>",
    }  # fmt: skip


def test_no_page_answers_any_role_with_a_fault_of_ours(house: House):
    tokens = {role: house.csrf(role) for role in ("own", "another", "admin")}

    # Signing out would end the walk.
    faults = [
        (role, method, rule.rule)
        for role in house.clients
        for method, rule in house.rules(*Access)
        if rule.endpoint != "sign_in.leave" and house.ask(role, method, rule, csrf=tokens.get(role)) >= 500
    ]

    assert faults == []
