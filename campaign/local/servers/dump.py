"""PostgreSQL's own programs for backups: ``pg_dump`` and ``pg_restore``, new enough for the server."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from campaign.database import contents
from campaign.errors import EngineError
from campaign.local.servers import postgres
from campaign.settings import Settings, child_environment

DEBIAN: Final = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of each major version; PATH has a wrapper that may choose an older one."""

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


def find(program: str, *, version: int) -> Path:
    """The oldest program of at least this major version: of the embedded server, of PATH, or of Debian's packages.

    The oldest, since a dump is best restored by programs of the version that it is for.

    Raises:
        EngineError: there is none, or all are older than the server; says what to install.
    """
    found = {path: major for path in _candidates(program) if (major := _major(path)) is not None}
    fitting = sorted((major, str(path)) for path, major in found.items() if major >= version)
    if fitting:
        return Path(fitting[0][1])
    if not found:
        raise EngineError(
            f"{program} is not installed. On Debian and Ubuntu: sudo apt install postgresql-client, in a version of at "
            f"least {version}, which the server has."
        )
    newest = max(found.values())
    raise EngineError(
        f"{program} is of PostgreSQL {newest}, but the server is PostgreSQL {version}, which an older {program} can't "
        f"read. Install the package postgresql-client-{version}."
    )


def _candidates(program: str) -> Iterator[Path]:
    embedded = postgres.programs()
    if embedded is not None:
        yield embedded / program
    if on_path := shutil.which(program):
        yield Path(on_path)
    yield from DEBIAN.glob(f"*/bin/{program}")


def _major(path: Path) -> int | None:
    try:
        said = subprocess.run([path, "--version"], check=False, capture_output=True, text=True, timeout=30).stdout
    except OSError:
        return None
    found = _VERSION.search(said)
    return int(found[1]) if found else None


def dump(settings: Settings, program: Path, target: BinaryIO) -> None:
    """Write the database as an archive in pg_dump's custom format.

    Raises:
        EngineError: with pg_dump's last words.
        OSError: the target can't be written.
    """
    place, environment = _place(settings)
    command = [str(program), "--format=custom", "--no-owner", "--no-privileges", "--dbname", place]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        try:
            # pg_dump says little, and only at its end: its words fit into the pipe.
            shutil.copyfileobj(process.stdout, target, 1024 * 1024)
            target.flush()
        except OSError:
            process.terminate()
            raise
        words = process.stderr.read().decode("utf-8", "replace")
    if process.returncode != 0:
        raise EngineError(f"The database can't be dumped: {_last(words)}")


def check_archive(program: Path, archive: Path) -> None:
    """Read a dump to its end, before anything is deleted for it.

    Raises:
        EngineError: it is none, or is cut short.
    """
    command: list[str | Path] = [program, "--file", os.devnull, archive]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise EngineError(f"{archive} is no backup that can be restored: {_last(done.stderr)}")


def restore(settings: Settings, program: Path, archive: Path) -> None:
    """Restore an archive into an empty database, in one transaction.

    Raises:
        EngineError: with pg_restore's last words; the database is as empty as before.
    """
    place, environment = _place(settings)
    options = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]
    done = subprocess.run(
        [program, *options, "--dbname", place, archive],
        check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    if done.returncode != 0:
        raise EngineError(f"The backup can't be restored: {_last(done.stderr)}")


def _place(settings: Settings) -> tuple[str, dict[str, str]]:
    place, password = contents.without_password(settings.database_url)
    return place, child_environment(settings) | {"LC_ALL": "C"} | ({"PGPASSWORD": password} if password else {})


def _last(words: str) -> str:
    lines = [line for line in words.strip().splitlines() if line.strip()]
    # Detail of a failed COPY quotes the row, which is sealed, but of signers all the same.
    plain = [line for line in lines if not line.startswith(("DETAIL", "CONTEXT", "LINE", "QUERY"))]
    return plain[-1] if plain else "it gives no reason"
