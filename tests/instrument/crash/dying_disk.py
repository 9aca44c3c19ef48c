"""The disk of one process, as `instrument.spool` sees it: kills its process at a given call, or is full for a while.

What a power cut would leave is written into memory that the parent shares: how many bytes of the file were synced,
and whether the names on the way to it were.
"""

from __future__ import annotations

import errno
import mmap
import os
import signal
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIELDS = ("emitted", "written", "synced", "durable_bytes", "named", "calls", "refused")


class Account:
    """Numbers that outlive the process that writes them."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8 * len(FIELDS))  # anonymous and shared: a forked process writes the same one

    def __getitem__(self, name: str) -> int:
        return int(struct.unpack_from("<q", self._memory, 8 * FIELDS.index(name))[0])

    def __setitem__(self, name: str, value: int) -> None:
        struct.pack_into("<q", self._memory, 8 * FIELDS.index(name), value)

    def facts(self) -> dict[str, int]:
        return {name: self[name] for name in FIELDS}


@dataclass(frozen=True)
class Death:
    """At which call of the disk the process is killed: before it, after it, or after so many bytes of a write."""

    call: int
    when: str
    share: float = 0.0


@dataclass
class Fullness:
    """From which call on the disk takes only `room_bytes` more, and from which it takes all again."""

    first: int
    last: int
    room_bytes: int


class DyingDisk:
    """Stands in for the `os` module in `instrument.spool` and `instrument.folders`."""

    def __init__(
        self, account: Account, base: Path, death: Death | None = None, full: Fullness | None = None
    ) -> None:
        self._account = account
        self._base = base
        self._death = death
        self._full = full
        self._folder: Path | None = None
        self._synced_folders: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            with self._call():
                self._folder = Path(path).parent
                return os.open(path, flags, *mode)
        return os.open(path, flags, *mode)

    def write(self, file: int, block: bytes) -> int:
        with self._call() as call:
            if call.dies("inside"):
                os.write(file, block[: int(len(block) * self._death.share)])  # type: ignore[union-attr]
                die()
            full = self._full
            if full is not None and full.first <= self._account["calls"] < full.last:
                if full.room_bytes == 0:
                    raise OSError(errno.ENOSPC, "No space left on device")
                block, full.room_bytes = block[: full.room_bytes], max(0, full.room_bytes - len(block))
            return self._write(file, block)

    def _write(self, file: int, block: bytes) -> int:
        try:
            return os.write(file, block)
        except OSError:
            self._account["refused"] += 1
            raise

    def ftruncate(self, file: int, size: int) -> None:
        with self._call():
            os.ftruncate(file, size)

    def fsync(self, file: int) -> None:
        with self._call():
            found = os.fstat(file)
            os.fsync(file)
            if stat.S_ISDIR(found.st_mode):
                self._synced_folders.add(found.st_ino)
                self._account["named"] = int(self._names_needed() <= self._synced_folders)
            else:
                self._account["durable_bytes"] = found.st_size

    def _names_needed(self) -> set[int]:
        """The folders that hold the file's name, its folder's name, and so on up to the one that was there before."""
        assert self._folder is not None
        above = [self._folder, *self._folder.parents]
        return {one.stat().st_ino for one in above[: above.index(self._base) + 1]}

    def _call(self) -> _Call:
        self._account["calls"] += 1
        return _Call(self._death if self._death and self._death.call == self._account["calls"] else None)


class _Call:
    def __init__(self, death: Death | None) -> None:
        self._death = death

    def dies(self, when: str) -> bool:
        return self._death is not None and self._death.when == when

    def __enter__(self) -> _Call:
        if self.dies("before"):
            die()
        return self

    def __exit__(self, *_: object) -> None:
        if self._death is not None:
            die()


def die() -> None:
    """SIGKILL, which nothing can catch."""
    os.kill(os.getpid(), signal.SIGKILL)
