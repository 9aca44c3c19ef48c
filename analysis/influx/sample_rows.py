"""The samples of a trial's Parquet as rows, some thousands at once: in bounded memory however many there are."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from analysis.load import Records
from analysis.starvation import ESTIMATED, METRIC, Readings
from analysis.store import SUFFIX, StoreError, read_text
from instrument.records import Sample

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# segment, subject, mono_ns, late_ns, values as JSON
SampleRow = tuple[str, str, int, int, str]
AT_ONCE = 2048  # the size of DuckDB's own vectors: larger ones leave the processor's cache
MEMORY = "100MB"  # of DuckDB itself; what it has to sort beyond goes to the disk
_LOOKED_AT = """
    SELECT
        count_if(segment < before OR (segment = before AND mono_ns < earlier_ns)),
        count_if(starts_with(subject, '\ufdd0') OR starts_with(segment, '\ufdd0'))
    FROM (
        SELECT segment, subject, mono_ns, lag(segment) OVER () AS before, lag(mono_ns) OVER () AS earlier_ns
        FROM read_parquet(?)
    )
"""
_WAITS = """
    SELECT segment, subject, mono_ns, "values" ->> ('$.' || $2) AS waited FROM read_parquet($1)
    WHERE waited IS NOT NULL AND list_contains($3, split_part(subject, ':', 1))
"""
_LIVING_ON = {role for roles in ESTIMATED.values() for role in roles}
_ROWS = 'SELECT segment, subject, mono_ns, late_ns, "values" FROM read_parquet(?)'
_SORTED = f"{_ROWS} ORDER BY segment, mono_ns, position"


def sample_rows(records: Path) -> Iterator[list[SampleRow]]:
    """The samples of each segment in order of time. Raises StoreError where the file cannot be read."""
    import duckdb

    path = records / f"{Sample.kind}{SUFFIX}"
    if not path.exists():
        return
    try:
        with duckdb.connect() as connection, TemporaryDirectory(prefix="fedprobe-") as overflow:
            _limit(connection)
            connection.execute(f"SET temp_directory = '{overflow}'")
            query, plain = _query(connection, path)
            answer = connection.execute(query, [str(path)])
            while rows := answer.fetchmany(AT_ONCE):
                yield rows if plain else _unmarked(rows)
    except duckdb.Error as error:
        raise StoreError(f"{path} cannot be read: {error}") from error


def count_of(records: Path) -> int:
    """How many samples are stored."""
    import duckdb

    path = records / f"{Sample.kind}{SUFFIX}"
    if not path.exists():
        return 0
    with duckdb.connect() as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchall()
        return int(count)


def sampling_segments(records: Path) -> list[str]:
    """The segments that hold samples."""
    import duckdb

    path = records / f"{Sample.kind}{SUFFIX}"
    if not path.exists():
        return []
    with duckdb.connect() as connection:
        _limit(connection)
        answer = connection.execute("SELECT DISTINCT segment FROM read_parquet(?) ORDER BY segment", [str(path)])
        return [read_text(name) for (name,) in answer.fetchall()]


def waits_of(records: Path, headers: Records) -> Readings:
    """What `starvation.readings_of` would find in these samples, for the processes of which it estimates."""
    import duckdb

    path = records / f"{Sample.kind}{SUFFIX}"
    found: dict[tuple[str, str], tuple[array[int], array[int]]] = {}
    if not path.exists():
        return {}
    hosts = {segment.name: segment.header.host for segment in headers.segments}
    with duckdb.connect() as connection:
        _limit(connection)
        answer = connection.execute(_WAITS, [str(path), METRIC, sorted(_LIVING_ON)])
        while rows := answer.fetchmany(AT_ONCE):
            for segment, subject, mono_ns, waited in rows:
                moments, waits = found.setdefault((hosts[read_text(segment)], subject), (array("q"), array("q")))
                moments.append(mono_ns)
                waits.append(round(float(waited) * 1e9))
    return {key: list(zip(*columns, strict=True)) for key, columns in found.items()}


def _limit(connection: DuckDBPyConnection) -> None:
    """One thread: the order of the file, and a core for the server that is written to."""
    connection.execute(f"SET threads = 1; SET memory_limit = '{MEMORY}'")


def _query(connection: DuckDBPyConnection, path: Path) -> tuple[str, bool]:
    """How to ask for the rows, and whether their texts are plain.

    Files are stored in order; one that is not is sorted, which costs more.
    """
    ((disordered, marked),) = connection.execute(_LOOKED_AT, [str(path)]).fetchall()
    return (_SORTED if disordered else _ROWS), not marked


def _unmarked(rows: list[SampleRow]) -> list[SampleRow]:
    return [
        (read_text(segment), read_text(subject), mono, late, values) for segment, subject, mono, late, values in rows
    ]
