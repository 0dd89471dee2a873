import json

import pytest

from tests.kit import ledgers
from tests.kit.commands import Shell

UNCERTAIN = {"state": "uncertain", "settled_at": -60, "phase": "dot", "reason": "no_outcome"}


@pytest.fixture
def shell(world):
    return Shell(world)


@pytest.fixture
def fresh(world):
    """The shell looks at the real clock, so the ledger is written by it too."""
    world.clock.now = world.sql("select now()")[0][0]
    return world


def test_a_lane_is_paused_and_resumed_from_the_shell(world, shell):
    paused = shell("lane", "pause", "bulk", "--reason", "new provider")
    again = shell("lane", "pause", "bulk", "--reason", "another")
    held = world.sql("select paused_by, paused_reason from lane where name = 'bulk'")
    resumed = shell("lane", "resume", "bulk")
    nothing = shell("lane", "resume", "bulk")

    assert [each.status for each in (paused, again, resumed, nothing)] == [0, 1, 0, 1]
    assert held == [("cli", "new provider")]
    assert "countersign lane resume bulk" in paused.out
    assert "paused already" in again.err
    assert world.sql("select action, actor from audit_entry where subject = 'lane' order by id") == [
        ("lane.pause", "cli"), ("lane.resume", "cli"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [("pause", "bulk"), ("pause", "bulk", "--reason", " "), ("pause", "fast", "--reason", "x"), ("resume",)],
)
def test_a_lane_command_that_is_wrong_says_how(world, shell, arguments):
    ran = shell("lane", *arguments)

    assert ran.status == 2
    assert world.sql("select count(*) from lane where paused_at is not null") == [(0,)]


def test_causes_are_listed_as_a_table_and_as_json_without_an_address(fresh, shell):
    ledgers.put(fresh, 3, **UNCERTAIN)
    ledgers.put(fresh, 2, state="rejected", settled_at=-3 * 86_400, phase="rcpt", reply_code=550, reason="no such user")

    table, listed = shell("messages", "list"), shell("messages", "list", "--hours", "96", "--json")

    head, row = table.out.splitlines()
    assert head.split() == ["KEY", "EMAILS", "LANE", "KIND", "STATE", "PHASE", "CODE", "OLDEST", "REASON"]
    assert row.split()[1:6] == ["3", "urgent", "thank_you", "uncertain", "dot"]
    found = json.loads(listed.out)
    assert [(group["state"], group["messages"]) for group in found] == [("uncertain", 3), ("rejected", 2)]
    assert found[0]["key"] == row.split()[0]


def test_an_empty_list_says_so_and_is_still_json(shell):
    assert "No delivery problems" in shell("messages", "list").err
    assert json.loads(shell("messages", "list", "--json").out) == []


@pytest.mark.parametrize(("press", "state"), [("retry", "planned"), ("accept", "accepted"), ("cancel", "cancelled")])
def test_a_cause_is_moved_from_the_shell(fresh, shell, press, state):
    ledgers.put(fresh, 3, **UNCERTAIN)
    [group] = json.loads(shell("messages", "list", "--json").out)

    ran = shell("messages", press, "--group", group["key"])

    assert (ran.status, ran.out.split()[-1]) == (0, "3")
    assert fresh.sql("select distinct cast(state as text) from message") == [(state,)]
    assert fresh.sql("select action, actor from audit_entry where subject = 'message'") == [(f"message.{press}", "cli")]


def test_single_messages_are_moved_by_their_number(fresh, shell):
    first, second, third = ledgers.put(fresh, 3, **UNCERTAIN)

    ran = shell("messages", "accept", "--id", str(first), "--id", str(second), "--id", str(first))
    late = shell("messages", "accept", "--id", str(first))
    missing = shell("messages", "retry", "--id", "4711")

    assert (ran.status, ran.out) == (0, "Marked as delivered: 2\n")
    assert (late.status, missing.status) == (1, 1)
    assert f"message {first} is accepted" in late.err
    assert fresh.sql(f"select cast(state as text) from message where id = {third}") == [("uncertain",)]


@pytest.mark.parametrize("arguments", [(), ("--group", "x", "--id", "1"), ("--id", "0"), ("--id", "x")])
def test_a_press_without_a_clear_aim_is_used_wrongly(shell, arguments):
    assert shell("messages", "retry", *arguments).status == 2


def test_a_cause_that_is_gone_fails_with_1(shell):
    ran = shell("messages", "retry", "--group", "0" * 12)

    assert (ran.status, "nothing of this cause is left" in ran.err) == (1, True)


@pytest.mark.parametrize(
    "command",
    [("lane", "pause"), ("lane", "resume"), *(("messages", name) for name in ("list", "retry", "accept", "cancel"))],
)
def test_each_command_has_help_with_an_example(shell, command):
    ran = shell(*command, "--help")

    assert ran.status == 0
    assert f"Example: countersign {' '.join(command)}" in " ".join(ran.out.split())
