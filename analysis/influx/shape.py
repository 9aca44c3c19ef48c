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
from typing import Any

from analysis.influx.line_protocol import field_key, field_value
from analysis.influx.point import FieldValue, Point, Tags
from instrument.metrics import METRICS

LATE, TRIAL = "collector_late_s", "trial"
_INT = r"(0|-?[1-9][0-9]{0,17})"  # which fits 64 bits
_FLOAT = r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:e[-+][0-9]+)?|e[-+][0-9]+))"  # as repr writes a finite one


@dataclass(frozen=True, slots=True)
class Series:
    """One subject in one measurement. `written` are measurement and tags as a line has them, `own` fields that never
    change, the trial's name last; `free_ns` gives a moment that no other point of the series has.
    """

    measurement: str
    tags: Tags
    written: str
    own: Mapping[str, FieldValue]
    free_ns: Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Shape:
    """The samples of a series that have the same metrics: `match` finds their numbers, `template` takes them.

    `waiting` is where their points wait to be written.
    """

    series: Series
    match: Callable[[str], re.Match[str] | None]
    template: str
    waiting: list[Any]


# a sample's point: its line, and what makes it in full: its shape, the JSON of its values, how late it was in s and
# when. A plain tuple, which costs a fifth of a class to make, millions of times.
Sampled = tuple[str, Shape, str, float, int]


def sampled_point(sampled: Sampled) -> Point:
    """The point of a sample, made of its values one by one."""
    _, shape, values, late_s, time_ns = sampled
    read = {name: METRICS[name].type(value) for name, value in json.loads(values).items()}
    series = shape.series
    return Point(series.measurement, series.tags, time_ns, {**read, **last_fields(series, late_s)})


def last_fields(series: Series, late_s: float) -> dict[str, FieldValue]:
    """The fields of a sample's point that come after its metrics."""
    return {LATE: late_s, **series.own}


def shape_of(series: Series, names: Sequence[str], waiting: list[Any]) -> Shape:
    """The shape of the samples of a series with these metrics, all of the registry and of the series' measurement."""
    kinds = [METRICS[name].type for name in names]
    pairs = (
        f'"{re.escape(name)}": {_INT if kind is int else _FLOAT}' for name, kind in zip(names, kinds, strict=True)
    )
    fields = [f"{field_key(name)}=%s{'i' if kind is int else ''}" for name, kind in zip(names, kinds, strict=True)]
    fields += [f"{LATE}=%r", *(_constant(name, value) for name, value in series.own.items())]
    return Shape(
        series=series,
        match=re.compile(rf"\{{{', '.join(pairs)}\}}").fullmatch,
        template=f"{_literal(series.written)} {','.join(fields)} %d",
        waiting=waiting,
    )


def _constant(name: str, value: FieldValue) -> str:
    return _literal(f"{field_key(name)}={field_value(value)}")


def _literal(text: str) -> str:
    return text.replace("%", "%%")
