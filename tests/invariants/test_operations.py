"""docs/operations.md against the code: every sentence of the monitor, every command it names."""

import re

import pytest

from campaign.operations import monitor
from campaign.operations.health import Code
from campaign.operations.metrics import exposition
from tests.kit.commands import Shell
from tests.kit.engines import ROOT

TEXT = (ROOT / "docs" / "operations.md").read_text()
COMMAND = re.compile(
    r"countersign ((?:setup|doctor|backup|restore|db|keys|lane|messages|account|monitor|web|worker|mailserver|faults)"
    r"(?: [a-z][a-z-]*)?)"
)


def test_every_sentence_of_the_monitor_says_what_to_do():
    told = re.findall(r"^\|[^|]+\| `([a-z_]+)` \|[^|]+\|[^|]{5,}\|$", TEXT, re.MULTILINE)

    assert set(told) - {"code"} == set(Code)


def test_every_command_that_is_named_is_there(world):
    shell = Shell(world)
    named = {found.strip() for found in COMMAND.findall(TEXT)}

    missing = [name for name in sorted(named) if shell(*name.split(), "--help").status != 0]

    assert missing == []
    assert len(named) > 8


@pytest.mark.parametrize("name", sorted(set(re.findall(r"countersign_([a-z_]+)\{", TEXT))))
def test_every_metric_that_an_alarm_reads_is_there(world, name):
    from_code = exposition(monitor.take(world.runtime)).decode()

    assert f"# TYPE countersign_{name} gauge" in from_code
