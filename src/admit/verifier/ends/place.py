"""Whether a file is ours alone to write: what stands in it decides who is refused, and what is missing who is not."""

import os
import stat
from pathlib import Path

from admit.errors import EndStoreError

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def check_file(status: os.stat_result) -> None:
    """Hold that it is a plain file of this account (or root's) that nobody else can write.

    Raises:
        EndStoreError: it is not.
    """
    if not stat.S_ISREG(status.st_mode):
        raise EndStoreError("a store of ends is a plain file")
    check_owner(status)
    check_modes(status)


def check_modes(status: os.stat_result) -> None:
    """Raise EndStoreError for a file that others can write: whoever can might take an end out again."""
    if status.st_mode & _OTHERS:
        raise EndStoreError("others can write the file of a store of ends: chmod go-w")


def check_folder(path: Path) -> None:
    """Hold that nobody else can put another file in its place.

    Raises:
        EndStoreError: the folder is missing, another's, or others can rename files in it.
    """
    try:
        status = os.stat(path)
    except OSError:
        raise EndStoreError("the folder of a store of ends is missing or closed") from None
    if not stat.S_ISDIR(status.st_mode):
        raise EndStoreError("the folder of a store of ends is none")
    if status.st_mode & _OTHERS and not status.st_mode & stat.S_ISVTX:
        raise EndStoreError("others can replace files in the folder of a store of ends: chmod go-w")
    if not status.st_mode & stat.S_ISVTX:
        check_owner(status)


def check_owner(status: os.stat_result) -> None:
    """Raise EndStoreError unless it belongs to this account, or to root."""
    if status.st_uid not in (os.geteuid(), 0):
        raise EndStoreError("the file or folder of a store of ends belongs to another account")
