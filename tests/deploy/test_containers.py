"""deploy/Containerfile and deploy/compose.yaml: what they name is there, and an image holds no secret."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from campaign.settings import VARIABLES
from tests.kit import plain_yaml
from tests.kit.commands import Shell
from tests.kit.engines import ROOT
from tests.kit.skipping import skip_loudly

DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
COMPOSE = plain_yaml.load((DEPLOY / "compose.yaml").read_text())
PAGE = (ROOT / "docs" / "containers.md").read_text()
OURS = ("migrate", "web", "urgent", "bulk", "command")


def instructions() -> list[tuple[str, str]]:
    """Name and rest of each instruction of the Containerfile."""
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in CONTAINERFILE.splitlines() if not line.startswith("#")))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]  # type: ignore[misc]


def words_of(command: list[str]) -> list[str]:
    """The words of a command of Countersign, without program and settings file."""
    return [word for word in command if word not in {"CMD", "countersign", "--env-file", ENV_FILE}]


ENV_FILE = "/etc/countersign/countersign.env"


def exists(world, words: list[str]) -> bool:
    """Whether a command takes these words; options are looked for in its help."""
    shell = Shell(world)
    names = words[: words.index(first)] if (first := next((w for w in words if w.startswith("-")), None)) else words
    said = shell(*names, "--help")
    options = [word for word in words if word.startswith("--")]
    return said.status == 0 and all(option in said.out for option in options)


def test_every_service_of_ours_runs_a_command_that_there_is(world):
    for name in OURS:
        service = COMPOSE["services"][name]
        assert service["image"] == "countersign"
        if name == "command":
            continue
        assert exists(world, service["command"]), service["command"]
        if name != "migrate":
            assert exists(world, words_of(service["healthcheck"]["test"])), name
    commands = [COMPOSE["services"][name]["command"] for name in OURS[1:4]]
    assert commands == [["web"], ["worker", "--lane", "urgent"], ["worker", "--lane", "bulk"]]


def test_programs_start_after_the_migration_on_a_read_only_root_and_with_no_more_rights_than_they_need():
    for name in OURS:
        service = COMPOSE["services"][name]
        assert service["read_only"] == "true"
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "data:/var/lib/countersign" in service["volumes"]
        wanted = {"database"} if name == "migrate" else {"database", "redis"}
        assert wanted <= service["depends_on"].keys()
    for name in ("web", "urgent", "bulk"):
        service = COMPOSE["services"][name]
        assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert service["stop_grace_period"] == "60s"
        assert "./config:/etc/countersign:ro" in service["volumes"]
    assert COMPOSE["services"]["web"]["ports"] == ["127.0.0.1:8000:8000"]


def test_what_a_service_depends_on_and_mounts_is_declared():
    services = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= services.keys()
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], other
        named = {volume.partition(":")[0] for volume in service.get("volumes", []) if not volume.startswith(".")}
        assert named <= COMPOSE["volumes"].keys()
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()


def test_only_settings_that_there_are_are_set_and_none_of_them_is_a_secret():
    known = {variable.name for variable in VARIABLES.values()}
    baked = {
        found for name, rest in instructions() if name == "ENV" for found in re.findall(r"(?:^| )([A-Z_]+)=", rest)
    }
    given = {name for key in OURS for name in COMPOSE["services"][key].get("environment", {})}

    assert {name for name in baked | given if name.startswith("COUNTERSIGN_")} <= known
    assert baked - known == {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    assert given <= {"REDIS_URL"}
    secret = {"COUNTERSIGN_KEYS", "DATABASE_URL", "SMTP_URL", "COUNTERSIGN_METRICS_TOKEN", "RETURN_MAILBOX_URL"}
    assert not secret & baked
    assert "PASSWORD" not in CONTAINERFILE


def test_the_image_runs_as_a_user_without_rights_from_files_that_the_user_can_not_change():
    found = instructions()
    last = [rest for name, rest in found if name == "USER"]
    copies = [rest for name, rest in found if name == "COPY"]

    assert last == ["10001:10001"]
    assert found.index(("USER", "10001:10001")) > max(n for n, (name, _) in enumerate(found) if name in {"RUN", "COPY"})
    assert not any("--chown" in rest for rest in copies)
    assert sum(name == "FROM" for name, _ in found) == 2
    assert json.loads(dict(found)["ENTRYPOINT"]) == ["countersign", "--env-file", ENV_FILE]


def test_the_entry_point_of_the_image_is_a_command_that_there_is(world):
    [command] = [json.loads(rest) for name, rest in instructions() if name == "CMD"]

    assert exists(world, command)


def test_what_is_copied_is_there_and_is_let_through_and_nothing_else_is():
    copied = {
        source.rstrip("/")
        for name, rest in instructions() if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }  # fmt: skip
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    let_through = {line[1:] for line in lines if line.startswith("!")}

    assert lines[0] == "*"
    assert let_through == copied
    assert [name for name in sorted(copied) if not (ROOT / name).exists()] == []
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks", "docs"}
    assert {*packages, "web.py", "worker.py", "templates", "static", "translations", "examples"} <= copied


def test_the_page_names_files_services_and_commands_that_there_are(world):
    for service in re.findall(r"run --rm ([a-z]+)", PAGE):
        assert service in COMPOSE["services"]
    for words in re.findall(r"run --rm command ([a-z]+(?: [a-z]+)?)", PAGE):
        names = words.split()
        assert exists(world, names) or exists(world, names[:1]), words
    for path in re.findall(r"deploy/[A-Za-z.]+", PAGE):
        assert path == "deploy/config" or (ROOT / path.rstrip(".")).exists(), path


def test_the_reader_of_the_compose_file_understands_it_whole():
    raw = (DEPLOY / "compose.yaml").read_text()

    assert len(COMPOSE["services"]) == len(
        re.findall(r"^  [a-z]+:$", raw.partition("services:")[2].partition("\nvolumes:")[0], re.MULTILINE)
    )
    for broken in ("a: 1\na: 2", "a: *b", "a:\n\tb: 1", "a: 'b'"):
        with pytest.raises((ValueError, KeyError)):
            plain_yaml.load(broken)


def builder() -> str:
    """A program that can build an image here."""
    for name in ("docker", "podman"):
        program = shutil.which(name)
        if program and subprocess.run([program, "info"], capture_output=True, timeout=60, check=False).returncode == 0:
            return program
    return skip_loudly("deploy/Containerfile as an image: it needs docker with its daemon, or podman")


def test_the_image_builds_and_holds_nothing_of_this_checkout_that_is_not_the_product(tmp_path: Path):
    program = builder()
    image = f"countersign-test-{os.getpid()}"
    done = subprocess.run(
        [program, "build", "--file", DEPLOY / "Containerfile", "--tag", image, ROOT],
        capture_output=True, text=True, timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    try:
        ran = subprocess.run(
            [program, "run", "--rm", "--read-only", "--entrypoint", "sh", image, "-c",
             "id -u; countersign --version; ls -A /srv/countersign"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        user, version, *files = ran.stdout.split("\n")
        assert (user, version.startswith("countersign")) == ("10001", True)
        assert set(files) & {".env", "var", ".git", "tests", "bootstrap", "docs"} == set()
    finally:
        subprocess.run([program, "rmi", image], capture_output=True, timeout=120, check=False)


def test_docker_compose_itself_takes_the_file(tmp_path: Path):
    program = shutil.which("docker")
    asked = program and subprocess.run([program, "compose", "version"], capture_output=True, timeout=60, check=False)
    if not program or not asked or asked.returncode != 0:
        skip_loudly("deploy/compose.yaml by docker compose itself: it is not installed")
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    (tmp_path / "deploy" / "config").mkdir()
    (tmp_path / "deploy" / "config" / "database-password").write_text("x")

    done = subprocess.run(
        [program, "compose", "--file", tmp_path / "deploy" / "compose.yaml", "--profile", "command", "config", "-q"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
