"""Folders whose entries survive a power cut.

A file that was synced is on the disk; its name is in its folder, which is another file, and has to be synced as well.
Source: fsync(2), "Calling fsync() does not necessarily ensure that the entry in the directory containing the file has
also reached disk. For that an explicit fsync() on a file descriptor for the directory is also needed."
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

# a file system that cannot sync a folder (some network and FUSE ones), and a folder that may be entered but not read
_CANNOT = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM))


def made_folder(folder: Path) -> list[Path]:
    """Make a folder, and those above it. Returns the folders that have to be synced for a name in it to survive.

    The folder itself comes last, after the one that was there already and those that were made. Raises OSError.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return [missing[-1].parent, *reversed(missing)] if missing else [folder]


def sync_folders(folders: Iterable[Path]) -> None:
    """Ask the kernel to put the entries of folders on the disk, in this order. Raises OSError."""
    for folder in folders:
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Ask the kernel to put the entries of a folder on the disk, where its file system can. Raises OSError."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
