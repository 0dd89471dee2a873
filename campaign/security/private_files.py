"""Files that only their owner may read: keys and settings."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile


def write(path: Path, content: bytes) -> None:
    """Write a file of mode 0600, on disk as a whole before it gets its name; readers meet the old or the new one.

    A file that is there keeps its owner. A new one is given the owner of its folder if root writes it, so that the
    user of the service may read what root has set up.

    Raises:
        OSError: it can't be written, or not for that owner; then the file is as it was.
    """
    path = path.resolve()
    is_new = not path.exists()
    owner = (path.parent if is_new else path).stat()
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        draft = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if (not is_new and owner.st_uid != os.geteuid()) or os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            draft.replace(path)
        except OSError as problem:
            draft.unlink(missing_ok=True)
            raise OSError(problem.errno, problem.strerror, str(path)) from None
