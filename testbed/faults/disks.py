"""A small disk of a trial's own below its records, and the filling of it: never of another one. Runs on nodes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from testbed.faults.action import MissedError, complaint

BALLAST = "fedprobe-ballast"
SMALL_DISK = "fedprobe-fault"  # the name by which it is listed in /proc/mounts
LARGEST_DISK_BYTES = 300_000_000
_WRITE_BYTES = 65536


class SmallDisk:
    """Puts a small tmpfs over a folder; undoing keeps what is in it and takes it away."""

    undone_when_told = True

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._folder = Path(asked["folder"])
        self._bytes = int(asked["bytes"])

    def apply(self, told: threading.Event) -> str:
        """Mount it. Raises MissedError."""
        del told
        options = f"size={self._bytes},mode=0777"
        command = ["mount", "-t", "tmpfs", "-o", options, SMALL_DISK, str(self._folder)]
        if said := complaint({"argv": command}):
            raise MissedError(said)
        return f"a disk of {self._bytes} bytes at {self._folder}"

    def undo(self) -> str | None:
        """Copy what is in it beside it, let it go, and put the copies where they were. Raises OSError."""
        kept = self._folder.with_name(f"{self._folder.name}.kept")
        kept.mkdir(exist_ok=True)
        files = [file for file in self._folder.iterdir() if file.is_file() and file.name != BALLAST]
        for file in files:
            shutil.copy2(file, kept / file.name)
        if said := complaint({"argv": ["umount", "-l", str(self._folder)]}):
            raise OSError(said)
        for file in files:
            (kept / file.name).replace(self._folder / file.name)
        kept.rmdir()
        return f"taken away, {len(files)} files kept"


class Fill:
    """Fills a small disk of its own to the last byte: never another one."""

    undone_when_told = True

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._file = Path(asked["folder"]) / BALLAST

    def apply(self, told: threading.Event) -> str:
        """Write until nothing more goes in. Raises MissedError where the folder is no small disk."""
        del told
        folder = self._file.parent
        size = shutil.disk_usage(folder).total
        if not os.path.ismount(folder) or size > LARGEST_DISK_BYTES:
            raise MissedError(f"{folder} is no small disk of its own, and nothing else is ever filled")
        written = 0
        file = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for chunk in (_WRITE_BYTES, 512, 1):
                with _until_full():
                    while True:
                        written += os.write(file, bytes(chunk))
        finally:
            os.close(file)
        return f"{written} bytes, until the disk of {size} was full"

    def undo(self) -> str | None:
        """Make room."""
        self._file.unlink(missing_ok=True)
        return "room again"


@contextlib.contextmanager
def _until_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
