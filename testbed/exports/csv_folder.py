"""Trials as a folder of CSV files, one for each table, with the description of their columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from analysis.exports.csv_text import csv_blocks
from analysis.exports.exported import ExportedTrial
from analysis.exports.table import Cell
from analysis.exports.tables import DESCRIPTION, TABLES, described
from analysis.revision import revision
from testbed.exports.target import MarkedFolder

COLUMNS = "columns.csv"


def write_csv(folder: Path, trials: Iterable[ExportedTrial]) -> dict[str, int]:
    """Write every table of the trials; returns how many rows each has. Earlier files of this export are replaced."""
    names = [f"{table.name}.csv" for table in TABLES]
    target = MarkedFolder(folder, "csv")
    target.check([*names, COLUMNS])
    about = {"made_by": revision()}
    with target.filling() as partial:
        counts = _written(partial, trials)
        with (partial / COLUMNS).open("w", encoding="utf-8", newline="") as file:
            file.writelines(csv_blocks([DESCRIPTION, *described()]))
        target.mark([*names, COLUMNS], complete=False, about=about)
        for name in (*names, COLUMNS):
            (partial / name).replace(folder / name)
    target.mark([*names, COLUMNS], complete=True, about=about)
    return counts


def _written(partial: Path, trials: Iterable[ExportedTrial]) -> dict[str, int]:
    counts = {table.name: 0 for table in TABLES}
    with ExitStack() as stack:
        files = {
            table.name: stack.enter_context((partial / f"{table.name}.csv").open("w", encoding="utf-8", newline=""))
            for table in TABLES
        }
        for table in TABLES:
            files[table.name].writelines(csv_blocks([[column.name for column in table.columns]]))
        for trial in trials:
            for table in TABLES:
                rows = _Counted(table.rows(trial))
                files[table.name].writelines(csv_blocks(rows))
                counts[table.name] += rows.count
    return counts


class _Counted:
    """Rows that are counted as they go by."""

    def __init__(self, rows: Iterable[list[Cell]]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[list[Cell]]:
        for row in self._rows:
            self.count += 1
            yield row
