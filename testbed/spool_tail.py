"""Reads records as a host writes them, over the management network: for progress, never for results."""

from __future__ import annotations

from collections.abc import Iterator

from instrument.records import Record, RecordError, decode
from testbed.shell import Shell


class SpoolTail:
    """New records of the spool files whose names contain a role, each time it is asked."""

    def __init__(self, shell: Shell, folder: str, role: str) -> None:
        self._shell = shell
        self._folder = folder
        self._role = role
        self._read_bytes: dict[str, int] = {}

    def new_records(self) -> Iterator[Record]:
        """Records written since the last call; an unfinished last line waits for the next one."""
        for file in self._shell.listdir(self._folder):
            if f"-{self._role}-" in file.name and file.name.endswith(".jsonl"):
                yield from self._of(f"{self._folder}/{file.name}")

    def _of(self, path: str) -> Iterator[Record]:
        start = self._read_bytes.get(path, 0)
        block, newline, _unfinished = self._shell.read_bytes(path, offset=start).rpartition(b"\n")
        self._read_bytes[path] = start + len(block) + len(newline)
        for line in block.splitlines():
            try:
                yield decode(line.decode())
            except (RecordError, UnicodeDecodeError):
                continue
