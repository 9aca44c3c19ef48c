"""Rows as CSV by RFC 4180: quoted where needed, lines ended by CR LF, floats as the shortest text that reads back."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import StringIO

from analysis.exports.table import Cell

ROWS_A_BLOCK = 1000


def csv_blocks(rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The text of the rows, some at a time; None is an empty field, and so is empty text."""
    page = StringIO(newline="")
    writer = csv.writer(page, lineterminator="\r\n")
    for place, row in enumerate(rows, start=1):
        writer.writerow([_field(cell) for cell in row])
        if place % ROWS_A_BLOCK == 0:
            yield page.getvalue()
            page.seek(0)
            page.truncate()
    yield page.getvalue()


def _field(cell: Cell) -> str | int:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case float():
            return repr(cell)
        case datetime():
            return f"{cell:%Y-%m-%dT%H:%M:%S.%f}Z"
    return cell
