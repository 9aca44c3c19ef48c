"""Reads spool folders of one or several hosts into one container: the records of each process, in its order.

A file that cannot be read as a whole (damaged, or of another schema version) is left out and named: what one process
wrote is used whole or not at all, and never costs what the others wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from instrument.identity import ROLES
from instrument.records import End, Record, Segment
from instrument.spool import NoHeaderError, SegmentFile, SpoolError, header_fields, read_segment, spool_files

RecordT = TypeVar("RecordT")
_OTHER_SCHEMA = "its records have schema version"  # what instrument.spool.SchemaError says
_NAME = re.compile(rf"(.+)-({'|'.join((*ROLES, 'collector'))})-\d+-\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecords:
    """What one process wrote. `end` is None and `torn_bytes` perhaps positive where the process was cut off."""

    name: str
    header: Segment
    records: Sequence[Record]
    end: End | None
    torn_bytes: int = 0

    @property
    def cut(self) -> bool:
        """Whether the process was ended before it could write its trailer."""
        return self.end is None

    def of(self, kind: type[RecordT]) -> Iterator[RecordT]:
        """Its records of one kind, in the order written."""
        return (record for record in self.records if isinstance(record, kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A spool file of which nothing is used, and why. Host and role are empty where neither file nor name tells."""

    name: str
    host: str
    role: str
    reason: str

    @property
    def other_schema(self) -> bool:
        """Whether it is whole, and of a fedprobe that writes other records than this one reads."""
        return _OTHER_SCHEMA in self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """All segments of one trial, by name; `empty` names files whose process was ended before their first line."""

    segments: Sequence[SegmentRecords]
    empty: Sequence[str] = ()
    unreadable: Sequence[Unreadable] = ()

    def of(self, kind: type[RecordT]) -> Iterator[tuple[SegmentRecords, RecordT]]:
        """Every record of one kind with the segment it stands in."""
        return ((segment, record) for segment in self.segments for record in segment.of(kind))

    def role(self, *roles: str) -> list[SegmentRecords]:
        """The segments of processes with one of these roles, in order of their names."""
        return [segment for segment in self.segments if segment.header.role in roles]

    @property
    def count(self) -> int:
        """How many records there are, headers and trailers not counted."""
        return sum(len(segment.records) for segment in self.segments)


def load_spools(*folders: Path) -> Records:
    """Read every spool file below the folders; a file that two folders share is read once.

    Files that cannot be read are named in `unreadable`. Raises SpoolError where two files are of one segment, or
    where there is nothing to read, naming every file that cannot be.
    """
    paths = sorted({path.resolve() for folder in folders for path in spool_files(folder)})
    if not paths:
        where = ", ".join(str(folder) for folder in folders)
        raise SpoolError(f"no spool file (*.jsonl) below {where}: was the run started under 'fedprobe instrument'?")
    segments: dict[str, SegmentRecords] = {}
    empty: list[str] = []
    unreadable: list[Unreadable] = []
    for path in paths:
        try:
            segment = _segment(path)
        except SpoolError as error:
            unreadable.append(_unreadable(path, str(error)))
            continue
        if segment is None:
            empty.append(path.stem)
        elif segment.name in segments:
            raise SpoolError(f"{path}: a second file of segment {segment.name}: give one copy of a run, not two")
        else:
            segments[segment.name] = segment
    if unreadable and not segments:
        reasons = "\n  ".join(file.reason for file in unreadable)
        raise SpoolError(f"none of {len(paths)} spool files can be used:\n  {reasons}")
    return Records(
        segments=tuple(segments[name] for name in sorted(segments)), empty=tuple(empty), unreadable=tuple(unreadable)
    )


def _unreadable(path: Path, reason: str) -> Unreadable:
    """Whose file it is: by its header, which may be of another schema version, else by its name."""
    header = header_fields(path.read_bytes().partition(b"\n")[0])
    named = _NAME.fullmatch(path.stem)
    host, role = header.get("host"), header.get("role")
    return Unreadable(
        name=path.stem,
        host=host if isinstance(host, str) else named[1] if named else "",
        role=role if isinstance(role, str) else named[2] if named else "",
        reason=reason.replace(str(path), path.name),
    )


def _segment(path: Path) -> SegmentRecords | None:
    try:
        return _from_file(read_segment(path))
    except NoHeaderError:
        return None


def _from_file(file: SegmentFile) -> SegmentRecords:
    return SegmentRecords(
        name=file.path.stem,
        header=file.header,
        records=tuple(file.records),
        end=file.end,
        torn_bytes=file.torn_bytes,
    )
