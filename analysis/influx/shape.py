"""How samples become lines at the cost of one match: those of the same metrics of the same series have one shape.

A shape is compiled once: a pattern that matches the JSON of its values as `analysis.store` writes it, with a group
for each number, and a line with a place for each of them. The pattern takes only numbers that stand in a line as they
stand in JSON; a sample that it does not match is made into points one value at a time, with the same result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from analysis.influx.line_protocol import field_key, field_value
from analysis.influx.point import FieldValue, Point, Tags
from instrument.metrics import METRICS

LATE, TRIAL = "collector_late_s", "trial"
_INT = r"(0|-?[1-9][0-9]{0,17})"  # which fits 64 bits
_FLOAT = r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:e[-+][0-9]+)?|e[-+][0-9]+))"  # as repr writes a finite one


@dataclass(frozen=True, slots=True)
class Series:
    """One subject in one measurement: `written` are measurement and tags as a line has them, `own` its own fields."""

    measurement: str
    tags: Tags
    written: str
    own: Mapping[str, FieldValue]
    trial: str


@dataclass(frozen=True, slots=True)
class Shape:
    """The samples of a series that have the same metrics: `match` finds their numbers, `template` takes them."""

    series: Series
    match: Callable[[str], re.Match[str] | None]
    template: str


class Sampled(NamedTuple):
    """A sample's point in the making: the numbers in the JSON of its values, how late it was, its moment."""

    shape: Shape
    numbers: Sequence[str]
    values: str
    late_s: float
    time_ns: int

    def line(self) -> str:
        """The line of its point."""
        return self.shape.template % (*self.numbers, self.late_s, self.time_ns)

    def point(self) -> Point:
        """The point."""
        read = {name: METRICS[name].type(value) for name, value in json.loads(self.values).items()}
        series = self.shape.series
        fields = {**read, **last_fields(series, self.late_s)}
        return Point(series.measurement, series.tags, self.time_ns, fields)


def last_fields(series: Series, late_s: float) -> dict[str, FieldValue]:
    """The fields of a sample's point that come after its metrics."""
    return {**series.own, LATE: late_s, TRIAL: series.trial}


def shape_of(series: Series, names: Sequence[str]) -> Shape:
    """The shape of the samples of a series with these metrics, all of the registry and of the series' measurement."""
    kinds = [METRICS[name].type for name in names]
    pairs = (
        f'"{re.escape(name)}": {_INT if kind is int else _FLOAT}' for name, kind in zip(names, kinds, strict=True)
    )
    fields = [f"{field_key(name)}=%s{'i' if kind is int else ''}" for name, kind in zip(names, kinds, strict=True)]
    fields += [_constant(name, value) for name, value in series.own.items()]
    fields += [f"{LATE}=%r", _constant(TRIAL, series.trial)]
    return Shape(
        series=series,
        match=re.compile(rf"\{{{', '.join(pairs)}\}}").fullmatch,
        template=f"{_literal(series.written)} {','.join(fields)} %d",
    )


def _constant(name: str, value: FieldValue) -> str:
    return _literal(f"{field_key(name)}={field_value(value)}")


def _literal(text: str) -> str:
    return text.replace("%", "%%")
