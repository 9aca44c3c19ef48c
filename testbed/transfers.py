"""Copies a file between two places: continued where it was cut off, and whole or not there at all."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from testbed.errors import DigestError
from testbed.shell import RemoteFile

PART = ".part"
"""What an unfinished copy is called, after the name of the file."""
BLOCK_BYTES = 256 * 1024


class Files(Protocol):
    """The files of a host. Raises OSError: ConnectionError where the host is lost, TimeoutError where it is mute."""

    def size_bytes(self, path: str) -> int | None:
        """How long a file is; None: there is none."""
        ...

    def read(self, path: str, start: int, end: int | None) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, or to the end of the file."""
        ...

    def write(self, path: str, start: int, blocks: Iterable[bytes]) -> None:
        """Keep the first `start` bytes of a file and write these after them."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in place of a file that has it."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file."""
        ...

    def entries(self, path: str) -> list[RemoteFile]:
        """What is in a folder; links are not followed."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


@dataclass(frozen=True, slots=True)
class End:
    """One end of a copy. `digest` tells the SHA-256, in hexadecimal, of so many first bytes of a file."""

    files: Files
    path: str
    digest: Callable[[str, int], str]


def copy(source: End, target: End) -> None:
    """Copy a file, as long as it is at the start, by way of a partial file beside the target.

    A partial file that begins as the source does is continued. Raises OSError, and DigestError where the content that
    arrived is not the one that is there.
    """
    size_bytes = source.files.size_bytes(source.path)
    if size_bytes is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source.path)
    part = target.path + PART
    start = _usable_bytes(source, target, part, size_bytes)
    target.files.write(part, start, source.files.read(source.path, start, size_bytes))
    there, here = source.digest(source.path, size_bytes), target.digest(part, size_bytes)
    if there != here or target.files.size_bytes(part) != size_bytes:
        target.files.remove(part)
        raise DigestError(
            f"the {size_bytes} bytes that arrived have the SHA-256 {here[:16]}… and not {there[:16]}…: the file was "
            "changed while it was copied, or a disk or memory is at fault. Copy it again"
        )
    target.files.rename(part, target.path)


def digest_of(files: Files, path: str, size_bytes: int) -> str:
    """The SHA-256, in hexadecimal, of the first bytes of a file, by reading them. Raises OSError."""
    digest = hashlib.sha256()
    for block in files.read(path, 0, size_bytes):
        digest.update(block)
    return digest.hexdigest()


def _usable_bytes(source: End, target: End, part: str, size_bytes: int) -> int:
    """How much of a partial file is the beginning of the source."""
    have = target.files.size_bytes(part) or 0
    if not 0 < have <= size_bytes:
        return 0
    return have if source.digest(source.path, have) == target.digest(part, have) else 0
