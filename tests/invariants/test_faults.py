"""docs/faults.md against the code: no fault without a test, no word of a script without its meaning."""

import ast
import re
from dataclasses import fields

from campaign.local.mailserver.protocol import ConnectionFault
from campaign.local.mailserver.provider_profiles import EVERYBODY, MIXES
from campaign.local.mailserver.script import GARBAGE, PHASES, Fault
from tests.faults.guards import GUARDS, table
from tests.kit.engines import ROOT

TEXT = (ROOT / "docs" / "faults.md").read_text()
DELIVERY = {*range(1, 16), 18, 19, 20, 21, 23, 24, 25, 26, 30, 49, 50, 53, 59, 60, 61, 62, 63, 66}
"""The faults of the delivery, by number."""

ELSEWHERE = {29, *range(31, 40), 41, 42, 43, 44, 47, 48, 51, 55, 56, 58, 67, 68, 69, 70}


def names_of_tests():
    """The names of the tests in tests/faults."""
    trees = [ast.parse(path.read_text()) for path in sorted((ROOT / "tests" / "faults").glob("test_*.py"))]
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_fault_of_the_delivery_has_a_test_and_says_what_happens():
    numbers = {int(found[1]) for name in names_of_tests() if (found := re.match(r"test_f(\d+)_", name))}
    told = {int(number) for number in re.findall(r"^\| F(\d+) \| [^|]{20,} \|$", TEXT, re.MULTILINE)}

    assert numbers == DELIVERY
    assert told == DELIVERY


def test_every_fault_of_the_delivery_has_a_guard_whose_loss_a_test_notices():
    assert {int(each.fault[1:]) for each in GUARDS} == DELIVERY
    assert {each.test for each in GUARDS} <= {name for name in names_of_tests() if name.startswith("test_f")}
    assert [each.words for each in GUARDS if (ROOT / each.file).read_text().count(each.old) != 1] == []


def test_the_table_of_guards_is_the_one_that_is_tried():
    assert re.findall(r"^\| F\d+ \|.*`test_f.*$", TEXT, re.MULTILINE) == table()


def test_the_other_faults_are_held_by_files_that_are_there():
    rows = re.findall(r"^\| F(\d+) [a-zA-Z][^|]* \| (`[^|]*) \|$", TEXT, re.MULTILINE)

    assert {int(number) for number, _ in rows} == ELSEWHERE
    assert [path for _, paths in rows for path in re.findall("`([^`]+)`", paths) if not (ROOT / path).exists()] == []


def test_every_word_of_a_script_and_every_mix_is_explained():
    words = re.findall(r"^\| `([a-z]+)` \|", TEXT, re.MULTILINE)
    [phases] = re.findall(r"^\| `phase` \| (.*) \|$", TEXT, re.MULTILINE)
    [does] = re.findall(r"^\| `does` \| (.*) \|$", TEXT, re.MULTILINE)

    assert words == [*MIXES, EVERYBODY, *(field.name for field in fields(Fault))]
    assert re.findall("`([a-z]+)`", phases) == list(PHASES)
    assert set(re.findall("`([a-z]+)`", does)) == {*map(str, ConnectionFault), GARBAGE}
    assert all(f"| {mix.about} |" in TEXT for mix in MIXES.values())
