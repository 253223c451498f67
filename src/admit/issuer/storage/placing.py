"""Give a finished draft its name: all of it or nothing, and never over what is there."""

import errno
import os
from pathlib import Path
from typing import Final

_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})


def place(draft: Path, target: Path) -> None:
    """Name `draft` `target`, which survives a power cut. Raises FileExistsError when the name is taken, OSError."""
    try:
        os.link(draft, target)  # unlike a rename, it fails when somebody was first
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(draft, target)  # file systems without hard links
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut. Raises OSError."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
