"""Reads spool folders of one or several hosts into one container: the records of each process, in its order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from instrument.records import End, Record, Segment
from instrument.spool import SegmentFile, SpoolError, read_segment, spool_files

RecordT = TypeVar("RecordT")


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
class Records:
    """All segments of one trial, by name; `empty` names files whose process was ended before their first line."""

    segments: Sequence[SegmentRecords]
    empty: Sequence[str] = ()

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

    Raises SpoolError, naming every damaged file, or where there is nothing to read.
    """
    paths = sorted({path.resolve() for folder in folders for path in spool_files(folder)})
    if not paths:
        where = ", ".join(str(folder) for folder in folders)
        raise SpoolError(f"no spool file (*.jsonl) below {where}: was the run started under 'fedprobe instrument'?")
    segments: dict[str, SegmentRecords] = {}
    empty, damage = [], []
    for path in paths:
        try:
            segment = _segment(path)
        except SpoolError as error:
            damage.append(str(error))
            continue
        if segment is None:
            empty.append(path.stem)
        elif segment.name in segments:
            damage.append(f"{path}: a second file of segment {segment.name}: give one copy of a run, not two")
        else:
            segments[segment.name] = segment
    if damage:
        raise SpoolError(f"{len(damage)} of {len(paths)} spool files cannot be used:\n  " + "\n  ".join(damage))
    return Records(segments=tuple(segments[name] for name in sorted(segments)), empty=tuple(empty))


def _segment(path: Path) -> SegmentRecords | None:
    if b"\n" not in path.read_bytes():
        return None
    return _from_file(read_segment(path))


def _from_file(file: SegmentFile) -> SegmentRecords:
    return SegmentRecords(
        name=file.path.stem,
        header=file.header,
        records=tuple(file.records),
        end=file.end,
        torn_bytes=file.torn_bytes,
    )
