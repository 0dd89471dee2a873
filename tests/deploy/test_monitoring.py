"""deploy/prometheus and deploy/grafana name what /metrics exports, and nothing else."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign.database import counters
from campaign.operations import metrics, monitor
from campaign.outbox.counted import MessageOutcome
from tests.kit.engines import ROOT
from tests.kit.skipping import skip_loudly

ALERTS = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
BOARD = json.loads((ROOT / "deploy" / "grafana" / "countersign.json").read_text())

METRIC = re.compile(r"\bcountersign_[a-z_]+")
MATCHED = re.compile(r"(countersign_[a-z_]+)\{([^}]*)\}")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


def rules() -> dict[str, str]:
    """The expression of each alert by its name; one that begins with ``>-`` goes on below."""
    found = {}
    for block in ALERTS.split("- alert: ")[1:]:
        expression = re.search(r"expr: (?:>-\n)?(.*?)\n        (?:for|labels):", block, re.DOTALL)
        assert expression is not None, block
        found[block.split("\n")[0]] = " ".join(expression[1].split())
    return found


def panels() -> Iterator[tuple[str, str]]:
    """Title and expression of every target of the dashboard."""
    for panel in BOARD["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


EXPRESSIONS = [*rules().items(), *panels()]


@pytest.fixture
def exported(world) -> set[str]:
    text = metrics.exposition(monitor.take(world.runtime), metrics.read_counts(world.runtime)).decode()
    types = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    return {f"{name}{suffix}" for name, kind in types for suffix in SUFFIXES[kind]}


def test_every_metric_of_an_alert_or_a_panel_is_exported(exported: set[str]):
    named = {name for _title, expression in EXPRESSIONS for name in METRIC.findall(expression)}
    board = set(METRIC.findall(json.dumps(BOARD)))

    assert sorted(named - exported) == []
    assert sorted(board - exported) == []
    assert len(named) > 15


def test_counters_are_asked_for_by_labels_and_outcomes_that_they_have():
    labels = {f"countersign_{what.name}": {*what.labels, "le"} for what in counters.ALL}
    outcomes = {*map(str, MessageOutcome), "requested", "admitted", "refused", "confirmed"}
    looked = 0
    for title, expression in EXPRESSIONS:
        for name, inside in MATCHED.findall(expression):
            known = labels.get(name.removesuffix("_bucket"))
            for label, operator, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', inside):
                if known is None:
                    continue
                looked += 1
                assert label in known, (title, label)
                if label == "outcome":
                    alike = [
                        word for word in outcomes if re.fullmatch(value if "~" in operator else re.escape(value), word)
                    ]
                    assert alike, (title, value)
    assert looked > 10


def test_each_alert_says_what_is_wrong_and_what_to_do():
    blocks = ALERTS.split("- alert: ")[1:]

    assert len(blocks) == len(rules()) == len({block.split("\n")[0] for block in blocks})
    for block in blocks:
        assert re.search(r"severity: (page|ticket)\n", block), block
        assert re.search(r'summary: ".+\."\n', block), block
        assert re.search(r'description: ".+\."\n', block), block
    assert f"has {len(blocks)} alerts" in (ROOT / "docs" / "operations.md").read_text()


def test_an_alert_names_no_page_and_no_command_that_there_is_not(world):
    text = ALERTS
    pages = set(re.findall(r"(?<![\w.])/admin[a-z/]*", text))
    commands = set(re.findall(r"`countersign ([a-z]+)`", text))

    assert pages <= {"/admin", "/admin/networks", "/admin/feedback"}
    assert commands == {"monitor"}


def test_the_panels_of_the_dashboard_do_not_overlap_and_use_its_data_source():
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_prometheus_itself_takes_the_rules_and_the_expressions_of_the_dashboard(tmp_path: Path):
    program = shutil.which("promtool")
    if program is None:
        skip_loudly("deploy/prometheus/ and deploy/grafana/ by Prometheus itself: it needs the program promtool")
    (tmp_path / "alerts.yml").write_text(ALERTS)
    expressions = [expression.replace("$__rate_interval", "5m").replace("$lane", ".*") for _, expression in panels()]
    records = [{"record": f"panel:{n}", "expr": expression} for n, expression in enumerate(expressions)]
    # JSON is YAML.
    (tmp_path / "board.yml").write_text(json.dumps({"groups": [{"name": "board", "rules": records}]}))

    for name in ("alerts.yml", "board.yml"):
        done = subprocess.run(
            [program, "check", "rules", tmp_path / name], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
