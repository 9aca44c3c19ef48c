"""The samples of a trial's Parquet as rows, some thousands at once: in bounded memory however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.store import SUFFIX, StoreError, read_text
from instrument.records import Sample

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# segment, subject, mono_ns, late_ns, values as JSON
SampleRow = tuple[str, str, int, int, str]
AT_ONCE = 10_000
MEMORY = "100MB"  # of DuckDB itself; what it has to sort beyond goes to the disk
_MARKED = "\ufdd0"
_DISORDERED = """
    SELECT count(*) FROM (
        SELECT segment, mono_ns, lag(segment) OVER () AS before, lag(mono_ns) OVER () AS earlier_ns
        FROM read_parquet(?)
    ) WHERE segment < before OR (segment = before AND mono_ns < earlier_ns)
"""
_ROWS = 'SELECT segment, subject, mono_ns, late_ns, "values" FROM read_parquet(?)'
_SORTED = f"{_ROWS} ORDER BY segment, mono_ns, position"


def sample_rows(records: Path) -> Iterator[list[SampleRow]]:
    """The samples of each segment in order of time. Raises StoreError where the file cannot be read."""
    import duckdb

    path = records / f"{Sample.kind}{SUFFIX}"
    if not path.exists():
        return
    try:
        with duckdb.connect() as connection:
            _limit(connection)
            answer = connection.execute(_query(connection, path), [str(path)])
            while rows := answer.fetchmany(AT_ONCE):
                yield rows if not any(_MARKED in row[0] or _MARKED in row[1] for row in rows) else _unmarked(rows)
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


def _limit(connection: DuckDBPyConnection) -> None:
    """One thread: the order of the file, and a core for the server that is written to."""
    connection.execute(f"SET threads = 1; SET memory_limit = '{MEMORY}'")


def _query(connection: DuckDBPyConnection, path: Path) -> str:
    """Files are stored in order; one that is not is sorted, which costs more."""
    ((disordered,),) = connection.execute(_DISORDERED, [str(path)]).fetchall()
    return _SORTED if disordered else _ROWS


def _unmarked(rows: list[SampleRow]) -> list[SampleRow]:
    return [
        (read_text(segment), read_text(subject), mono, late, values) for segment, subject, mono, late, values in rows
    ]
