"""Spool files: one append-only JSON-lines file for each process, on the host's own disk.

Form of a file: a `segment` header line, record lines, an `end` trailer line with their count and SHA-256.
A file without its trailer is readable; it says that its process was cut off. What was written survives the process,
and what was synced survives the power: the file with its name, which `sync` puts on the disk too.

A cut file ends in a torn tail, which is dropped and counted: an unterminated last line (a process killed in the
middle of a write), or all from the first NUL byte on. No record has a NUL byte: it stands where a block did not reach
the disk before the power went, and what follows it was never synced either.

Two processes never share a file: its name has the host, the process and its start, a file that exists is refused, and
a forked process cannot write to its parent's.

A reader reads files of its own SCHEMA_VERSION only: a field that it does not know may change what the others mean.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from instrument.folders import made_folder, sync_folders
from instrument.identity import package_version
from instrument.records import SCHEMA_VERSION, End, Record, RecordError, Segment, decode, encode
from instrument.values import record

SUFFIX = ".jsonl"


class SpoolError(OSError):
    """A spool file cannot be written or is not what its trailer says."""


class SchemaError(SpoolError):
    """A spool file was written in another version of the schema of records."""


class NoHeaderError(SpoolError):
    """A spool file holds no whole line: its process was ended before it wrote one, or before it was synced."""


class SegmentWriter:
    """Writes one spool file. Not thread-safe: one writer thread of one process owns it.

    A write that fails (a full disk) leaves the file as it was before that write and raises SpoolError; the
    caller still holds the lines and may try again.
    """

    def __init__(self, path: Path, header: Segment) -> None:
        self.path = path
        self._pid = os.getpid()
        self._digest = hashlib.sha256()
        self._records = 0
        self._bytes = 0
        self._synced_bytes = 0
        self._torn = False
        self._header = encode(header)
        try:
            self._unsynced_folders = made_folder(path.parent)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SpoolError(error.errno, f"cannot create spool file {path}: {error.strerror}") from error

    @property
    def unsynced(self) -> bool:
        """Whether a power cut would lose something that was written."""
        return self._bytes > self._synced_bytes

    def append(self, lines: Sequence[str]) -> None:
        """Write record lines; the header goes before the first. Raises SpoolError, with nothing written."""
        pending = [self._header, *lines] if self._bytes == 0 else list(lines)
        if not pending:
            return
        block = "".join(f"{line}\n" for line in pending).encode()
        self._write(block)
        self._digest.update(block)
        self._records += len(lines)

    def sync(self) -> None:
        """Put what was written on the disk, the first time with the file's name. Raises SpoolError."""
        try:
            os.fsync(self._file)
            sync_folders(self._unsynced_folders)
        except OSError as error:
            raise SpoolError(error.errno, f"cannot sync {self.path}: {error.strerror}") from error
        self._unsynced_folders = []
        self._synced_bytes = self._bytes

    def end(self, trailer: End) -> None:
        """Write the trailer, with the count and digest of what precedes it, and close. Raises SpoolError."""
        self.append([])
        whole = replace(trailer, records=self._records, sha256=self._digest.hexdigest())
        self._write(f"{encode(whole)}\n".encode())
        self.sync()
        os.close(self._file)

    def _write(self, block: bytes) -> None:
        if os.getpid() != self._pid:
            raise SpoolError(
                errno.EPERM, f"{self.path} belongs to process {self._pid}, from which this one was forked"
            )
        written = 0
        try:
            self._take_back_torn()
            while written < len(block):
                written += os.write(self._file, block[written:])
        except OSError as error:
            self._torn = True
            with suppress(OSError):  # then it is done before the next write
                self._take_back_torn()
            raise SpoolError(error.errno, f"cannot write to {self.path}: {error.strerror}") from error
        self._bytes += len(block)

    def _take_back_torn(self) -> None:
        """Remove what a write that failed has left behind: the next line must not be appended to half a line."""
        if self._torn:
            os.ftruncate(self._file, self._bytes)
            os.lseek(self._file, self._bytes, os.SEEK_SET)
            self._torn = False


@record
class SegmentFile:
    """One spool file, read: its header, its records in order, its trailer or None, and the bytes of a torn tail."""

    path: Path
    header: Segment
    records: list[Record]
    end: End | None
    torn_bytes: int = 0

    @property
    def whole(self) -> bool:
        """Whether the process ended in order and every record it made is here."""
        return self.end is not None and self.end.dropped == 0


def segment_name(header: Segment) -> str:
    """File name of a segment: host, role, process id and start, unique on a host."""
    safe_host = re.sub(r"[^A-Za-z0-9_.-]", "_", header.host)
    return f"{safe_host}-{header.role}-{header.pid}-{header.mono_ns}{SUFFIX}"


def read_segment(path: Path) -> SegmentFile:
    """Read one spool file; a torn tail is dropped and counted.

    Raises SpoolError where a whole line is damaged, or the trailer's count or digest does not match what precedes it,
    NoHeaderError where there is no whole line, and SchemaError for a file of another schema version.
    """
    content = path.read_bytes()
    body, newline, _ = content.partition(b"\0")[0].rpartition(b"\n")
    torn_bytes = len(content) - len(body) - len(newline)
    lines = body.split(b"\n") if newline else []
    if not lines:
        raise NoHeaderError(f"{path}: no header line: the process was ended before it wrote anything")
    _check_schema(path, lines[0])
    records = list(_decoded(path, lines))
    header, rest = records[0], records[1:]
    if not isinstance(header, Segment):
        raise SpoolError(f"{path}: does not start with a segment header")
    end = rest.pop() if rest and isinstance(rest[-1], End) else None
    assert end is None or isinstance(end, End)
    if end is not None:
        _check(path, end, lines, len(rest))
    return SegmentFile(path=path, header=header, records=rest, end=end, torn_bytes=torn_bytes)


def spool_files(folder: Path) -> list[Path]:
    """The spool files of a folder, in name order, its sub-folders included."""
    return sorted(folder.rglob(f"*{SUFFIX}"))


def header_fields(line: bytes) -> dict[str, Any]:
    """What a header line says, whatever its schema version; empty where it is no header.

    For naming a file that cannot be read. Nothing may be measured by it.
    """
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) and body.get("kind") == Segment.kind else {}


def _check_schema(path: Path, line: bytes) -> None:
    header = header_fields(line)
    version = header.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        versions = header.get("versions")
        writer = versions.get("fedprobe", "") if isinstance(versions, dict) else ""
        raise SchemaError(
            f"{path}: its records have schema version {version}, and fedprobe {_own_version()} reads version "
            f"{SCHEMA_VERSION}. Report it with the fedprobe that wrote it{f', {writer}' if writer else ''}."
        )


def _own_version() -> str:
    return package_version("fedprobe") or "of this checkout"


def _decoded(path: Path, lines: Iterable[bytes]) -> Iterator[Record]:
    for number, line in enumerate(lines, start=1):
        try:
            yield decode(line.decode())
        except (RecordError, UnicodeDecodeError) as error:
            raise SpoolError(f"{path}:{number}: {error}") from error


def _check(path: Path, end: End, lines: Sequence[bytes], records: int) -> None:
    if end.records != records:
        raise SpoolError(f"{path}: the trailer counts {end.records} records, the file holds {records}")
    digest = hashlib.sha256(b"".join(line + b"\n" for line in lines[:-1])).hexdigest()
    if digest != end.sha256:
        raise SpoolError(f"{path}: SHA-256 {digest[:12]} of the records is not the trailer's {end.sha256[:12]}")
