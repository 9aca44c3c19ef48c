"""What Grafana does between a dashboard's JSON and the database: variables are put in, macros expanded, rows read.

Sources, of grafana: pkg/tsdb/influxdb/models/query.go (macros), pkg/tsdb/influxdb/influxql (rows of a table: the
columns of the first series for all), packages/grafana-data's variable formats (regex), public/app/plugins/datasource/
influxdb (a variable's list is that of the first series).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Picked = Mapping[str, Sequence[str]]
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")
_SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}/]")


def as_regex(values: Sequence[str]) -> str:
    """Grafana's format `regex`: what is picked, escaped, one of several in brackets."""
    escaped = [_SPECIAL.sub(r"\\\g<0>", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def substituted(text: str, picked: Picked, all_values: Mapping[str, str]) -> str:
    """A text with its variables put in; `$__all` stands for the variable's allValue, which is not escaped."""

    def put_in(found: re.Match[str]) -> str:
        name, form = found[1], found[2]
        values = picked[name]
        if list(values) == ["$__all"]:
            return all_values[name]
        if form == "regex":
            return as_regex(values)
        assert form is None
        assert len(values) == 1, f"{name} without a format takes one value"
        return values[0]

    return _VARIABLE.sub(put_in, text)


def expanded(text: str, *, begin_ms: int, end_ms: int, interval: str = "2s") -> str:
    """A text with Grafana's macros of InfluxQL expanded."""
    text = text.replace("$timeFilter", f"time >= {begin_ms}ms and time <= {end_ms}ms")
    return text.replace("$interval", interval).replace("$__interval", interval)


@dataclass(frozen=True)
class Table:
    """Rows of one answer, read as Grafana reads a target of resultFormat table."""

    columns: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)


def as_table(series: Sequence[Mapping[str, Any]]) -> Table:
    """All series under each other; the columns are Time, the tags, and the values of the first series."""
    if not series:
        return Table([])
    first = series[0]
    tags = list(first.get("tags") or {})
    names = ["Time" if name == "time" else name for name in first["columns"]]
    rows = [
        {**(one.get("tags") or {}), **dict(zip(names, row, strict=True))} for one in series for row in one["values"]
    ]
    return Table([names[0], *tags, *names[1:]], rows)


def as_series(series: Sequence[Mapping[str, Any]], alias: str) -> dict[str, list[Any]]:
    """One list of values for each series and column, by the name that its alias makes, as of time_series."""
    found: dict[str, list[Any]] = {}
    for one in series:
        for place, column in enumerate(one["columns"][1:], start=1):
            name = alias.replace("$col", column)
            for tag, value in (one.get("tags") or {}).items():
                name = re.sub(rf"\$tag_{tag}\b", lambda _, text=value: text, name)
            found.setdefault(name, []).extend(row[place] for row in one["values"])
    return found


def listed(series: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a variable offers: of the first series alone."""
    assert len(series) <= 1, "Grafana reads the first series only"
    return [str(row[1]) for one in series for row in one["values"]]
