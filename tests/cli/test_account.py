import json

import pytest

from campaign.accounts import sign_in
from campaign.outbox import relays
from tests.kit.commands import Shell

ADA = ("--email", "ada@example.org", "--name", "Ada", "--role", "admin")


@pytest.fixture
def shell(world):
    return Shell(world)


def test_an_account_is_created_listed_and_let_in(world, shell):
    created = shell("account", "create", *ADA, "--locale", "de")
    listed = shell("account", "list", "--json")
    link = shell("account", "sign-in-link", "ada@example.org")

    [found] = json.loads(listed.out)
    token = link.out.strip().rpartition("/")[2]
    assert (created.status, link.status) == (0, 0)
    assert (found["email"], found["role"], found["locale"], found["enabled"]) == (
        "ada@example.org",
        "admin",
        "de",
        True,
    )
    assert link.out.startswith("http://localhost:8000/sign-in/")
    assert sign_in.sign_in(world.runtime, token)


def test_an_address_has_one_account(shell):
    shell("account", "create", *ADA)

    ran = shell("account", "create", *ADA)

    assert ran.status == 2
    assert "has an account already" in ran.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "--email", "ada@", "--name", "Ada", "--role", "admin"), "name@example.org"),
        (("create", "--email", "ada@example.org", "--name", " ", "--role", "admin"), "--name: say"),
        (("create", "--email", "ada@example.org", "--name", "Ada", "--role", "queen"), "queen"),
        (("sign-in-link", "nonsense"), "name@example.org"),
    ],
)
def test_what_can_not_be_used_is_said_in_a_sentence(shell, arguments, sentence):
    ran = shell("account", *arguments)

    assert (ran.status, ran.out) == (2, "")
    assert sentence in ran.err


def test_no_link_is_made_for_nobody(shell):
    ran = shell("account", "sign-in-link", "nobody@example.org")

    assert (ran.status, ran.out) == (1, "")
    assert "there is no account" in ran.err


def test_the_list_is_a_table_and_says_what_to_do_when_empty(shell):
    empty = shell("account", "list")
    shell("account", "create", *ADA)
    table = shell("account", "list")

    assert "account create" in empty.err
    assert table.out.splitlines()[0].split() == ["ID", "ROLE", "LANGUAGE", "ENABLED", "EMAIL", "NAME"]
    assert "ada@example.org" in table.out


def test_an_address_that_the_mail_server_can_not_take_is_refused_and_nothing_is_created(world, shell):
    names = relays.relay_names(world.runtime.settings.smtp_url)
    world.read(lambda tx: relays.note(tx, dict.fromkeys(names, False), now=world.clock.now))

    ran = shell("account", "create", "--email", "jürgen@example.org", "--name", "Jürgen", "--role", "admin")

    assert ran.status == 2
    assert "SMTPUTF8" in ran.err
    assert shell("account", "list").out == ""


def test_a_domain_that_imitates_another_is_told_when_the_account_is_made_listed_and_monitored(shell):
    made = shell("account", "create", "--email", "ada@раураl.com", "--name", "Ada", "--role", "admin")
    shell("account", "create", *ADA)

    listed, documents = shell("account", "list").out, json.loads(shell("account", "list", "--json").out)
    watched = shell("monitor").out

    told = "ada@xn--l-7sba6dbr.com (reads раураl.com, with letters that look like others)"
    assert made.status == 0
    assert told in made.err
    assert told in listed
    assert [one["lookalike"] for one in documents] == ["раураl.com", None]
    assert f"Accounts whose domain looks like another: {documents[0]['id']};" in watched
    assert "xn--" not in watched
