"""docs/operations.md against the code: every sentence of the monitor, every command it names."""

import re

from campaign.operations import monitor
from campaign.operations.health import Code
from campaign.operations.metrics import exposition
from campaign.outbox.counted import MessageOutcome
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


def test_every_metric_that_is_named_is_there(world):
    text = exposition(monitor.take(world.runtime), {}).decode()

    named = set(re.findall(r"`countersign_([a-z_]+)`", TEXT))

    assert len(named) >= 6
    assert [name for name in sorted(named) if f"# TYPE countersign_{name} " not in text] == []


def test_the_words_for_outcomes_are_those_of_the_code():
    row = next(line for line in TEXT.splitlines() if line.startswith("| `countersign_messages_total`"))

    assert set(re.findall(r"`([a-z_]+)`", row)) - {"countersign_messages_total"} == {
        str(word) for word in MessageOutcome
    }
