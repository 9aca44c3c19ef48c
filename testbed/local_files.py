"""The files of this machine, as transfers need them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from testbed.shell import RemoteFile
from testbed.transfers import BLOCK_BYTES


class LocalFiles:
    """Files by their path, a relative one below `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def size_bytes(self, path: str) -> int | None:
        """How long a file is; None: there is none."""
        try:
            return (self._home / path).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, path: str, start: int, end: int | None) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, or to the end of the file."""
        with (self._home / path).open("rb") as file:
            file.seek(start)
            while block := file.read(BLOCK_BYTES if end is None else min(BLOCK_BYTES, end - file.tell())):
                yield block

    def write(self, path: str, start: int, blocks: Iterable[bytes]) -> None:
        """Keep the first `start` bytes of a file and write these after them."""
        with (self._home / path).open("r+b" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            for block in blocks:
                file.write(block)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in place of a file that has it."""
        (self._home / old).replace(self._home / new)

    def remove(self, path: str) -> None:
        """Remove a file."""
        (self._home / path).unlink()

    def entries(self, path: str) -> list[RemoteFile]:
        """What is in a folder; links are not followed."""
        with os.scandir(self._home / path) as found:
            return [
                RemoteFile(one.name, one.stat(follow_symlinks=False).st_size, one.is_dir(follow_symlinks=False))
                for one in found
            ]

    def close(self) -> None:
        """Nothing is kept open."""
