"""Trials as Parquet, `TABLE/campaign=NAME/trial=NAME/data-0.parquet`: all files of a table have the same columns."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.exports.exported import ExportedTrial
from analysis.exports.hive import partition
from analysis.exports.keys import PARTITIONS
from analysis.exports.table import Cell, Column, Table
from analysis.exports.tables import TABLES
from analysis.revision import revision
from testbed.errors import FedprobeError, UsageError
from testbed.exports.target import MarkedFolder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS_A_FILE = 20_000


def write_parquet(folder: Path, run: Path, trials: Iterable[ExportedTrial]) -> dict[str, int]:
    """Write every table of the trials; returns how many rows each has.

    The partitions of a campaign that this run wrote before are replaced; those of other campaigns stay.
    Raises UsageError where the folder holds a campaign of the same name of another run.
    """
    names = [table.name for table in TABLES]
    target = MarkedFolder(folder, "parquet")
    target.check(names)
    campaigns = dict(target.known.get("campaigns", {}))
    with target.filling() as partial:
        counts, written = _written(partial, trials)
        own = str(run.resolve())
        for campaign in written:
            if campaigns.setdefault(campaign, own) != own:
                raise UsageError(
                    f"{folder} holds campaign {campaign!r} of another run, {campaigns[campaign]}. Trials of two runs "
                    "cannot be told apart there: name another folder with --out."
                )
        about = {"made_by": revision(), "campaigns": campaigns}
        target.mark(names, complete=False, about=about)
        for name in names:
            (folder / name).mkdir(exist_ok=True)
            for campaign in written:
                place = partition("campaign", campaign)
                shutil.rmtree(folder / name / place, ignore_errors=True)
                (partial / name / place).replace(folder / name / place)
    target.mark(names, complete=True, about=about)
    return counts


def _written(partial: Path, trials: Iterable[ExportedTrial]) -> tuple[dict[str, int], list[str]]:
    import duckdb

    counts = {table.name: 0 for table in TABLES}
    campaigns: list[str] = []
    with duckdb.connect() as connection:
        for trial in trials:
            campaigns.append(trial.campaign)
            for table in TABLES:
                place = partial / table.name / partition("campaign", trial.campaign) / partition("trial", trial.name)
                place.mkdir(parents=True)
                counts[table.name] += _write_table(connection, place, table, trial)
    return counts, list(dict.fromkeys(campaigns))


def _write_table(connection: DuckDBPyConnection, place: Path, table: Table, trial: ExportedTrial) -> int:
    """Write a table of one trial, in several files where it is long; a table without rows keeps its columns."""
    count = 0
    for number, rows in enumerate(_blocks(table.rows(trial))):
        columns = {
            column: [_stored(row[at]) for row in rows]
            for at, column in enumerate(table.columns)
            if column.name not in PARTITIONS
        }
        _write_file(connection, place / f"data-{number}.parquet", columns)
        count += len(rows)
    return count


def _blocks(rows: Iterable[list[Cell]]) -> Iterator[list[list[Cell]]]:
    """The rows, some at a time: one empty block where there are none."""
    source = iter(rows)
    block = list(islice(source, ROWS_A_FILE))
    yield block
    while len(block) == ROWS_A_FILE and (block := list(islice(source, ROWS_A_FILE))):
        yield block


def _stored(cell: Cell) -> Cell:
    return cell.replace(tzinfo=None) if isinstance(cell, datetime) else cell


def _write_file(connection: DuckDBPyConnection, path: Path, columns: Mapping[Column, Sequence[Cell]]) -> None:
    import duckdb

    selected = ", ".join(f'unnest(${column.name}::{column.type}[]) AS "{column.name}"' for column in columns)
    values = {column.name: cells for column, cells in columns.items()}
    try:
        connection.sql(f"SELECT {selected}", params=values).write_parquet(str(path), compression="zstd")
    except duckdb.Error as error:
        cause = str(error).partition("\n")[0]
        raise FedprobeError(
            f"{path.name} cannot be written: {cause}. An earlier export is still whole. Make room there, or name "
            "another folder with --out."
        ) from error
