"""The keys of an installation: instance keys that wrap all others, and the DKIM keys of the local default."""

import os
import secrets
from pathlib import Path
from tempfile import NamedTemporaryFile

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from campaign.errors import CountersignError, SettingsError
from campaign.security import private_files
from campaign.settings import Settings
from campaign.variables import InvalidError, Key, format_keys, parse_keys

INSTANCE = "instance"
RETENTION = "retention"
DKIM_RSA = "dkim-rsa.pem"
DKIM_ED25519 = "dkim-ed25519.pem"

_RSA_BITS = 2048
"""RFC 8301 3.2 asks for at least 1024 and advises 2048; longer keys do not fit into one DNS string."""


class KeyFileError(CountersignError):
    """Raised when a key file can't be read or written; says which and what to do."""


def new_key() -> Key:
    """Draw an instance key."""
    return Key(f"k{secrets.token_hex(3)}", secrets.token_bytes(32))


def instance_file(settings: Settings) -> Path:
    """The file of the instance keys of a local installation: the same text as COUNTERSIGN_KEYS, mode 0600."""
    return settings.key_folder / INSTANCE


def ensure_local_keys(settings: Settings) -> Settings:
    """Fill in the keys that settings do not name, and make those that are not there yet.

    Returns:
        The settings with instance keys and, for a site that only this machine can reach, DKIM keys.

    Raises:
        KeyFileError: a file in the key folder can't be read or written.
    """
    folder = settings.key_folder
    try:
        if not settings.keys:
            _write_once(folder / INSTANCE, format_keys([new_key()]).encode() + b"\n")
        if settings.is_local and settings.dkim_key_file is None:
            if not (folder / DKIM_RSA).exists():
                _write_once(folder / DKIM_RSA, _pem(generate_private_key(65537, _RSA_BITS)))
            _write_once(folder / DKIM_ED25519, _pem(Ed25519PrivateKey.generate()))
    except OSError as problem:
        raise _unusable(problem) from problem
    return read_local_keys(settings)


def make_dkim_key(path: Path, *, ed25519: bool = False) -> None:
    """Write a new DKIM key in PEM, RSA with 2048 bits or Ed25519; mode 0600.

    Raises:
        KeyFileError: the file can't be written.
    """
    key = Ed25519PrivateKey.generate() if ed25519 else generate_private_key(65537, _RSA_BITS)
    try:
        private_files.write(path, _pem(key))
    except OSError as problem:
        raise KeyFileError(f"The key file {path} can't be written: {problem.strerror}.") from problem


def read_local_keys(settings: Settings) -> Settings:
    """Fill in the keys that settings do not name, as far as they are in the key folder; make none.

    Raises:
        KeyFileError: the file of instance keys can't be read.
        SettingsError: it does not hold keys.
    """
    folder = settings.key_folder
    if not settings.keys and settings.retention_keys is None:
        settings = settings.replace(retention_keys=folder / RETENTION)
    try:
        if not settings.keys and (folder / INSTANCE).exists():
            settings = settings.replace(keys=_parsed((folder / INSTANCE).read_text()))
        if settings.is_local and settings.dkim_key_file is None and (folder / DKIM_RSA).exists():
            second = settings.dkim_ed25519_key_file or folder / DKIM_ED25519
            settings = settings.replace(dkim_key_file=folder / DKIM_RSA, dkim_ed25519_key_file=second)
    except OSError as problem:
        raise _unusable(problem) from problem
    return settings


def _parsed(text: str) -> tuple[Key, ...]:
    try:
        return parse_keys(text)
    except InvalidError as problem:
        raise SettingsError([f"the instance key {problem}"]) from problem


def rotate(settings: Settings) -> tuple[Key, ...]:
    """Put a new instance key in front of the present ones; written if they live in the key folder.

    The old keys stay: they open what is not wrapped anew yet, and the links in mails that were sent.

    Raises:
        KeyFileError: there are no keys yet, or the file can't be written.
    """
    present = read_local_keys(settings).keys
    if not present:
        raise KeyFileError("There are no instance keys yet. Make some with `countersign keys generate`.")
    rotated = (new_key(), *present)
    if not settings.keys:
        try:
            _replace(instance_file(settings), format_keys(rotated).encode() + b"\n")
        except OSError as problem:
            raise _unusable(problem) from problem
    return rotated


def _unusable(problem: OSError) -> KeyFileError:
    return KeyFileError(
        f"The key file {problem.filename} can't be used: {problem.strerror}. "
        "Run the command as the user who owns it, or set COUNTERSIGN_KEYS."
    )


def _pem(key: Ed25519PrivateKey | RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_once(path: Path, content: bytes) -> None:
    """Write a file that appears as a whole, or keep the one that is there."""
    if path.exists():
        return
    draft = _draft(path, content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # Another process was first; its key counts.
    finally:
        draft.unlink()


def replace_file(path: Path, content: bytes) -> None:
    """Write a key file, or write it anew; readers meet the old or the new one as a whole.

    Raises:
        KeyFileError: it can't be written.
    """
    try:
        _replace(path, content)
    except OSError as problem:
        raise _unusable(problem) from problem


def _replace(path: Path, content: bytes) -> None:
    _draft(path, content).replace(path)


def _draft(path: Path, content: bytes) -> Path:
    """Write a file of mode 0600 beside ``path``, and have it on disk before anybody may rely on it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(file.name)
