"""A table of an export: columns with their types, units and meanings, and how its rows are made of a trial."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from analysis.exports.exported import ExportedTrial

Cell = int | float | str | bool | datetime | None
BIGINT, DOUBLE, VARCHAR, BOOLEAN, TIMESTAMP = "BIGINT", "DOUBLE", "VARCHAR", "BOOLEAN", "TIMESTAMP"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its SQL type, its unit ("" where it has none), its meaning, and its value of one row's subject."""

    name: str
    type: str
    unit: str
    meaning: str
    of: Callable[[Any], Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: `subjects` yields what each row of a trial is made of. A cell is None where nothing was measured."""

    name: str
    meaning: str
    columns: Sequence[Column]
    subjects: Callable[[ExportedTrial], Iterable[Any]]

    def rows(self, trial: ExportedTrial) -> Iterable[list[Cell]]:
        """The rows of one trial, in order."""
        return ([column.of(subject) for column in self.columns] for subject in self.subjects(trial))


def whole(name: str, unit: str, meaning: str, of: Callable[[Any], int | None]) -> Column:
    """A column of integers."""
    return Column(name, BIGINT, unit, meaning, of)


def number(name: str, unit: str, meaning: str, of: Callable[[Any], float | None]) -> Column:
    """A column of doubles; an integer among them becomes one."""

    def value(subject: Any) -> float | None:
        found = of(subject)
        return None if found is None else float(found)

    return Column(name, DOUBLE, unit, meaning, value)


def text(name: str, meaning: str, of: Callable[[Any], str | None]) -> Column:
    """A column of text. What UTF-8 refuses (file names of unknown encoding) is written as escapes."""

    def value(subject: Any) -> str | None:
        found = of(subject)
        return None if found is None else found.encode("utf-8", "backslashreplace").decode("utf-8")

    return Column(name, VARCHAR, "", meaning, value)


def flag(name: str, meaning: str, of: Callable[[Any], bool | None]) -> Column:
    """A column of true and false."""
    return Column(name, BOOLEAN, "", meaning, of)


def moment(name: str, meaning: str, of: Callable[[Any], int | None]) -> tuple[Column, Column]:
    """Two columns of one moment given in ns since the epoch: exact as an integer, and to the µs as a time."""

    def at(subject: Any) -> datetime | None:
        ns = of(subject)
        return None if ns is None else _EPOCH + timedelta(microseconds=ns // 1000)

    return (
        whole(f"{name}_ns", "ns since 1970-01-01 UTC", meaning, of),
        Column(f"{name}_time", TIMESTAMP, "UTC", "the same moment, cut to microseconds", at),
    )
