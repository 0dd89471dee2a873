import json

import pytest

from tests.kit.commands import Shell


@pytest.fixture
def shell(world):
    return Shell(world)


def test_a_setting_is_set_shown_and_given_back_by_commands(shell):
    done = shell("site", "set", "rate", "20")
    shown = json.loads(shell("site", "show", "--json").out)["settings"]["rate"]
    back = shell("site", "set", "rate", "--default")
    wrong = shell("site", "set", "rate", "many")

    assert (done.status, done.out) == (0, "rate: 20 (admin)\n")
    assert shown == {"value": "20", "from": "admin", "variable": "COUNTERSIGN_RATE"}
    assert back.out == "rate: 0 (default)\n"
    assert (wrong.status, wrong.out) == (2, "")


def test_a_switch_is_stopped_by_a_command_and_said_by_the_monitor(shell):
    stopped = shell("site", "switch", "signing", "stop", "--reason", "forged sign-ups")
    again = shell("site", "switch", "signing", "stop", "--reason", "forged sign-ups")

    assert (stopped.status, again.status) == (0, 1)
    assert json.loads(shell("monitor", "--json").out)["switches"][0]["name"] == "signing"
    assert "forged sign-ups" in shell("monitor").out
    assert json.loads(shell("site", "show", "--json").out)["switches"]["signing"]["stopped"] is True
