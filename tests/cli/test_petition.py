import json

import pytest

from campaign.petitions import petitions
from campaign.signatures import petition_page
from campaign.states import PetitionState
from campaign.variables import ROOT
from tests.kit.commands import Shell

LAKE = ("--slug", "lake", "--author", "Friends of the Lake")
HEADED = "---\ntitle: Save the lake\naddressed_to: The City\nsummary: It dries up.\n---\n\nPlease **act**.\n"


@pytest.fixture
def shell(world):
    return Shell(world)


def test_a_petition_is_created_from_a_file_with_a_head_then_published_and_closed(world, shell, tmp_path):
    (tmp_path / "lake.md").write_text(HEADED)

    created = shell("petition", "create", *LAKE, "--body-file", str(tmp_path / "lake.md"))
    published = shell("petition", "publish", "lake")
    page = petition_page.show(world.runtime, "lake", "en")
    closed = shell("petition", "close", "lake")

    assert [created.status, published.status, closed.status] == [0, 0, 0]
    assert "countersign petition publish lake" in created.out
    assert "http://localhost:8000/p/lake" in published.out
    assert "24 hours" in closed.out
    assert "90 days" in closed.out
    assert (page.title, page.addressed_to, page.summary) == ("Save the lake", "The City", "It dries up.")
    assert page.body_html == "<p>Please <strong>act</strong>.</p>"
    assert petitions.by_slug(world.runtime, "lake", fresh=True).petition.state is PetitionState.CLOSED


def test_options_are_stronger_than_the_head_and_the_text_may_come_from_standard_input(world, shell):
    ran = shell(
        "petition", "create", *LAKE, "--title", "Another title", "--goal", "300", "--on-behalf-of", "the fish",
        "--locale", "de", "--body-file", "-", "--publish", stdin=HEADED,
    )  # fmt: skip

    page = petition_page.show(world.runtime, "lake", "de")
    assert (ran.status, ran.err) == (0, "")
    assert (page.locale, page.title, page.goal, page.on_behalf_of) == ("de", "Another title", 300, "the fish")


def test_the_files_of_the_example_add_languages(world, shell):
    files = ROOT / "examples" / "hazara"
    shell("petition", "create", *LAKE, "--body-file", str(files / "en.md"), "--publish")

    first = shell("petition", "text", "lake", "--locale", "ur", "--body-file", str(files / "ur.md"))
    second = shell("petition", "text", "lake", "--locale", "ur", "--body-file", str(files / "ur.md"))
    third = shell("petition", "text", "lake", "--locale", "ur", "--title", "عنوان", "--body-file", str(files / "ur.md"))

    assert first.out == "Saved version 1 of lake in ur.\n"
    assert second.out.startswith("Nothing to change")
    assert third.out == "Saved version 2 of lake in ur.\n"
    assert petition_page.show(world.runtime, "lake", "ur").title == "عنوان"


def test_every_problem_is_named_at_once_in_a_sentence(world, shell):
    ran = shell("petition", "create", "--slug", "No Blanks", "--author", " ", "--body-file", "-", "--goal", "0")

    assert ran.status == 2
    assert ran.out == ""
    assert "--slug: use 1 to 80 small letters" in ran.err
    assert "--author: say who asks" in ran.err
    assert "--goal: choose a number" in ran.err
    assert "--title: give a title" in ran.err
    assert "--body-file: there is no text in it" in ran.err
    assert world.sql("select count(*) from petition") == [(0,)]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "--title: give a title"),
        ("---\ntitle: A\naddressed_to: B\n---\n", "--body-file: there is no text in it"),
        ("---\ntitle: A\n", "no second --- ends it"),
        ("---\nSave the lake\n---\nBody", "must be like"),
        ("---\nauthor: A\n---\nBody", "'author' in its head is not one of title, addressed_to, summary"),
        ("---\ntitle: A\ntitle: B\n---\nBody", "'title' in its head is there twice"),
        (b"\xff\xfe", "not text in UTF-8"),
        (f"---\ntitle: {'A' * 141}\naddressed_to: B\n---\nBody", "at most 140 characters"),
        ("---\ntitle: A\naddressed_to: B\n---\n" + "x" * 100_001, "longer than 100,000 characters"),
        (
            "---\ntitle: A\naddressed_to: B\n---\nOne\n\nSee [it](page.html)",
            "line 3, character 10 of its text: the link to 'page.html' leads nowhere",
        ),
        ("---\ntitle: A\naddressed_to: B\n---\n" + "> " * 30 + "x", "nested more than 10 levels deep"),
    ],
)
def test_a_text_that_can_not_be_used_is_refused_with_the_reason(world, shell, source, sentence):
    ran = shell("petition", "create", *LAKE, "--body-file", "-", stdin=source)

    assert ran.status == 2
    assert sentence in ran.err
    assert "Traceback" not in ran.err
    assert world.sql("select count(*) from petition") == [(0,)]


def test_a_taken_slug_is_said_so(world, shell):
    world.petition("lake")

    ran = shell("petition", "create", *LAKE, "--body-file", "-", stdin=HEADED)

    assert (ran.status, ran.out) == (2, "")
    assert "another petition has this slug already" in ran.err


def test_moves_that_a_state_forbids_and_petitions_that_are_not_there_fail_with_1(world, shell):
    world.petition("lake")

    ran = [shell("petition", *arguments) for arguments in (("publish", "lake"), ("close", "sea"), ("publish", "sea"))]

    assert [each.status for each in ran] == [1, 1, 1]
    assert "the petition is live" in ran[0].err
    assert "there is no such petition" in ran[1].err
    assert all(each.out == "" for each in ran)


def test_the_list_shows_drafts_too_aligned_and_as_json(world, shell):
    world.petition("lake", locales=("en", "de"))
    world.petition("a-longer-slug", live=False)

    table, listed = shell("petition", "list"), shell("petition", "list", "--json")

    lines = table.out.splitlines()
    assert lines[0].split() == ["SLUG", "STATE", "SIGNED", "GOAL", "LANGUAGES", "TITLE"]
    assert len({line.index(word) for line, word in zip(lines[1:], ("draft", "live"), strict=True)}) == 1
    found = {item["slug"]: item for item in json.loads(listed.out)}
    assert found["lake"]["locales"] == ["de", "en"]
    assert (found["lake"]["state"], found["lake"]["count"], found["lake"]["goal"]) == ("live", 0, 1000)
    assert found["a-longer-slug"]["published_at"] is None


def test_an_empty_list_says_what_to_do_and_is_still_json(world, shell):
    assert "petition create" in shell("petition", "list").err
    assert json.loads(shell("petition", "list", "--json").out) == []


def test_a_database_that_does_not_answer_is_a_sentence_and_status_1(world, shell):
    ran = shell("petition", "list", DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")

    assert ran.status == 1
    assert "Nothing answers at the host and port of DATABASE_URL" in ran.err


@pytest.mark.parametrize("command", ["create", "text", "publish", "close", "list"])
def test_each_command_has_help_with_an_example(world, shell, command):
    ran = shell("petition", command, "--help")

    assert ran.status == 0
    assert f"Example: countersign petition {command}" in ran.out
