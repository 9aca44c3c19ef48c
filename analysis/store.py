"""Records to Parquet and back, exactly: one file for each kind of record, the process it came from in `segment`.

Files of a folder: `segment.parquet` (headers, with `torn_bytes`), `end.parquet` (trailers), one for each other kind
that occurs, `empty.parquet` for files whose process wrote nothing, and `unreadable.parquet` for those that could not
be read: a trial whose spool was damaged stays marked so. `position` is the record's place in its segment. Integers
are BIGINT, lists VARCHAR[], mappings JSON text, which keeps apart 3 and 3.0.
"""

from __future__ import annotations

import json
import shutil
import types
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from analysis.load import Records, SegmentRecords, Unreadable
from instrument.records import KINDS, SCHEMA_VERSION, End, Record, RecordError, Segment

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EMPTY = "empty"
UNREADABLE = "unreadable"
SUFFIX = ".parquet"
_TYPES = {int: "BIGINT", float: "DOUBLE", str: "VARCHAR", bool: "BOOLEAN", list[str]: "VARCHAR[]"}
_MARK = "\ufdd0json:"  # a noncharacter: no name and no message begins with it
Columns = dict[str, tuple[str, list[Any]]]
Rows = list[dict[str, Any]]


class StoreError(ValueError):
    """A folder of Parquet files is not what `write` made."""


def write(records: Records, folder: Path) -> None:
    """Store the records below the folder, which is replaced as a whole: it is never half written."""
    import duckdb

    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with duckdb.connect() as connection:
        for name, columns in _tables(records).items():
            _write_table(connection, partial / f"{name}{SUFFIX}", columns)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def load(folder: Path, *, only: Mapping[str, str] | None = None) -> Records:
    """The records that `write` stored, identical to those it was given; of some kinds those of an SQL condition only.

    Raises StoreError where the folder holds no headers or records of another schema version, and RecordError where a
    file holds fields that are not of this one.
    """
    import duckdb

    if not (folder / f"{Segment.kind}{SUFFIX}").exists():
        raise StoreError(f"{folder} holds no records (no {Segment.kind}{SUFFIX}): convert the trial's spool again")
    with duckdb.connect() as connection:
        conditions = only or {}
        tables = {
            path.stem: _read_table(connection, path, conditions.get(path.stem, "TRUE"))
            for path in sorted(folder.glob(f"*{SUFFIX}"))
        }
    _check_schema(folder, tables[Segment.kind])
    empty = tuple(row["segment"] for row in tables.pop(EMPTY, []))
    unreadable = tuple(
        Unreadable(**{name: read_text(value) for name, value in row.items()}) for row in tables.pop(UNREADABLE, [])
    )
    return Records(segments=tuple(_segments(tables)), empty=empty, unreadable=unreadable)


def wall_extents(folder: Path) -> list[tuple[int, int]]:
    """First and last moment of each process, by its host's wall clock; the first alone where it was cut off.

    Raises StoreError where the folder holds no headers.
    """
    import duckdb

    headers, trailers = folder / f"{Segment.kind}{SUFFIX}", folder / f"{End.kind}{SUFFIX}"
    with duckdb.connect() as connection:
        begun = _read_table(connection, headers, "TRUE")
        ended = _read_table(connection, trailers, "TRUE") if trailers.exists() else []
    last_ns = {row["segment"]: row["mono_ns"] for row in ended}
    return [
        (row["wall_ns"], row["wall_ns"] + max(0, last_ns.get(row["segment"], 0) - row["mono_ns"])) for row in begun
    ]


def _check_schema(folder: Path, headers: Rows) -> None:
    versions = sorted({row["schema_version"] for row in headers} - {SCHEMA_VERSION})
    if versions:
        raise StoreError(
            f"{folder}: its records have schema version {versions[0]}, this fedprobe reads version {SCHEMA_VERSION}. "
            "Report it with the fedprobe that wrote it."
        )


def _segments(tables: Mapping[str, Rows]) -> Iterator[SegmentRecords]:
    torn = {row["segment"]: row.pop("torn_bytes") for row in tables[Segment.kind]}
    found: dict[str, list[tuple[int, Record]]] = defaultdict(list)
    for kind, rows in tables.items():
        if kind not in KINDS:
            raise RecordError(f"{kind}{SUFFIX} is no known kind of record: stored by another version of fedprobe?")
        hints = _hints(KINDS[kind])
        for row in rows:
            segment, position = row.pop("segment"), row.pop("position")
            found[segment].append((position, _record(KINDS[kind], hints, row)))
    for name in sorted(torn):
        yield _segment(name, torn[name], [record for _, record in sorted(found[name], key=lambda item: item[0])])


def _segment(name: str, torn_bytes: int, records: Sequence[Record]) -> SegmentRecords:
    header = next(record for record in records if isinstance(record, Segment))
    end = next((record for record in records if isinstance(record, End)), None)
    body = tuple(record for record in records if not isinstance(record, Segment | End))
    return SegmentRecords(name=name, header=header, records=body, end=end, torn_bytes=torn_bytes)


def _tables(records: Records) -> dict[str, Columns]:
    """The content of each file, by its name."""
    rows: dict[str, list[tuple[str, int, Record]]] = defaultdict(list)
    for segment in records.segments:
        trailer = [] if segment.end is None else [segment.end]
        for position, record in enumerate([segment.header, *segment.records, *trailer], start=-1):
            rows[record.kind].append((segment.name, position, record))
    tables = {kind: _columns(KINDS[kind], of_kind) for kind, of_kind in rows.items()}
    if records.segments:
        tables[Segment.kind]["torn_bytes"] = ("BIGINT", [segment.torn_bytes for segment in records.segments])
    if records.empty:
        tables[EMPTY] = {"segment": ("VARCHAR", list(records.empty))}
    if records.unreadable:
        tables[UNREADABLE] = {
            item.name: ("VARCHAR", [_text(getattr(file, item.name)) for file in records.unreadable])
            for item in fields(Unreadable)
        }
    return tables


def _columns(kind: type[Record], rows: Sequence[tuple[str, int, Record]]) -> Columns:
    columns: Columns = {
        "segment": ("VARCHAR", [segment for segment, _, _ in rows]),
        "position": ("BIGINT", [position for _, position, _ in rows]),
    }
    for name, hint in _hints(kind).items():
        values = [getattr(record, name) for _, _, record in rows]
        columns[name] = (_TYPES.get(hint, "VARCHAR"), [_stored(value, hint) for value in values])
    return columns


def _hints(kind: type[Record]) -> dict[str, Any]:
    """The fields of a kind with their types, None taken out of unions."""
    hints = get_type_hints(kind)
    return {item.name: _without_none(hints[item.name]) for item in fields(kind)}


def _without_none(hint: Any) -> Any:
    if get_origin(hint) is not types.UnionType:
        return hint
    (only,) = (part for part in get_args(hint) if part is not type(None))
    return only


def _stored(value: Any, hint: Any) -> Any:
    if hint not in _TYPES:
        return json.dumps(value)
    if value is None:
        return None
    if hint == list[str]:
        return [_text(item) for item in value]
    return _text(value) if hint is str else float(value) if hint is float else value


def _loaded(stored: Any, hint: Any) -> Any:
    if hint not in _TYPES:
        return json.loads(stored)
    if hint is str and stored is not None:
        return read_text(stored)
    return [read_text(item) for item in stored] if hint == list[str] else stored


def _text(value: str) -> str:
    """The text itself; as marked JSON where it holds what UTF-8 refuses (file names of unknown encoding)."""
    whole = value.encode("utf-8", "replace").decode() == value and not value.startswith(_MARK)
    return value if whole else _MARK + json.dumps(value)


def read_text(stored: str) -> str:
    """The text of a stored one."""
    return str(json.loads(stored.removeprefix(_MARK))) if stored.startswith(_MARK) else stored


def _record(kind: type[Record], hints: Mapping[str, Any], row: Mapping[str, Any]) -> Record:
    if unknown := row.keys() - hints.keys():
        raise RecordError(f"{kind.kind} has no field {sorted(unknown)}: stored by another version of fedprobe?")
    return kind(**{name: _loaded(value, hints[name]) for name, value in row.items()})


def _write_table(connection: DuckDBPyConnection, path: Path, columns: Columns) -> None:
    import duckdb

    selected = ", ".join(f'unnest(${name}::{kind}[]) AS "{name}"' for name, (kind, _) in columns.items())
    values = {name: column for name, (_, column) in columns.items()}
    try:
        connection.sql(f"SELECT {selected}", params=values).write_parquet(str(path), compression="zstd")
    except duckdb.Error as error:
        raise StoreError(f"{path}: these records do not fit: {error}") from error


def _read_table(connection: DuckDBPyConnection, path: Path, condition: str) -> Rows:
    import duckdb

    try:
        query = f"SELECT * FROM read_parquet(?) WHERE {condition}"  # noqa: S608
        answer = connection.execute(query, [str(path)])
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    except duckdb.Error as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
