"""What a server holds of some points, held against them: every value, every type, every moment. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from analysis.influx.point import FieldValue, Point, Tags

INFLUX_TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", float: "float", str: "string"}
EXAMPLES = 3
DIGITS, BESIDE = 1e-11, 1e-15  # relative to a number, and to the largest of its series


@dataclass(slots=True)
class Comparison:
    """Points that are missing there, and points of which other values are there, each with what was found."""

    missing: list[Point] = field(default_factory=list)
    different: list[tuple[Point, str]] = field(default_factory=list)

    @property
    def wrong(self) -> list[Point]:
        """The points that are not there as they should be."""
        return [*self.missing, *(point for point, _ in self.different)]

    @property
    def examples(self) -> list[str]:
        """Some of what differs, in words."""
        return [why for _, why in self.different[:EXAMPLES]]


def compared(points: Iterable[Point], held: Mapping[tuple[Tags, int], Mapping[str, FieldValue]]) -> Comparison:
    """Points of one measurement against what InfluxDB holds, by tags and nanosecond."""
    result = Comparison()
    for point in points:
        there = held.get((point.tags, point.time_ns))
        if there is None:
            result.missing.append(point)
        elif there != point.fields or not _same_kinds(point.fields, there):
            result.different.append((point, _difference(point, there)))
    return result


def wrong_types(points: Sequence[Point], types: Mapping[str, set[str]]) -> dict[str, str]:
    """Fields of points of one measurement that the server holds in another type, each in words.

    An answer in JSON writes 3 for an integer and for a float: only the server's own list of fields tells them apart.
    """
    expected = {name: INFLUX_TYPES[type(value)] for point in points for name, value in point.fields.items()}
    return {
        name: f"{points[0].measurement} {name}: is {kind} here and {' and '.join(sorted(types[name]))} there"
        for name, kind in expected.items()
        if name in types and types[name] != {kind}
    }


def _same_kinds(fields: Mapping[str, FieldValue], there: Mapping[str, FieldValue]) -> bool:
    """True equals 1 in Python, and in no database."""
    return all(isinstance(value, bool) == isinstance(there[name], bool) for name, value in fields.items())


def _difference(point: Point, there: Mapping[str, FieldValue]) -> str:
    names = sorted({*point.fields, *there})
    name = next(
        name
        for name in names
        if point.fields.get(name) != there.get(name) or type(point.fields.get(name)) is not type(there.get(name))
    )
    return (
        f"{point.measurement} {name}: {point.fields.get(name)!r} here, {there.get(name)!r} there, at {point.time_ns}"
    )


Series = tuple[str, Tags]


@dataclass(slots=True)
class NumbersHeld:
    """What a server of numbers and milliseconds holds: samples by series, and how many stand there twice."""

    samples: dict[Series, dict[int, set[float]]] = field(default_factory=dict)
    largest: dict[Series, float] = field(default_factory=dict)
    duplicates: int = 0


def numbers_compared(points: Iterable[Point], held: NumbersHeld) -> Comparison:
    """Points against what victoria-metrics holds: each number, as it keeps it, at its millisecond.

    Of several points of a series in one millisecond it keeps one: its value must be that of one of them.
    """
    known = list(points)
    expected: dict[Series, dict[int, set[float]]] = {}
    for point in known:
        for name, value in point.fields.items():
            if not isinstance(value, str):
                moments = expected.setdefault((f"{point.measurement}_{name}", point.tags), {})
                moments.setdefault(point.time_ns // 1_000_000, set()).add(float(value))
    result = Comparison()
    for point in known:
        _number_compared(point, expected, held, result)
    return result


def _is_one_of(number: float, expected: Iterable[float], largest: float) -> bool:
    """As victoria-metrics keeps it: twelve digits, fewer of what is small beside its neighbours in the series.

    Source: VictoriaMetrics, lib/decimal (conversionPrecision; blocks of decimals with one exponent).
    """
    return any(math.isclose(number, one, rel_tol=DIGITS, abs_tol=largest * BESIDE) for one in expected)


def _number_compared(
    point: Point, expected: Mapping[Series, Mapping[int, set[float]]], held: NumbersHeld, result: Comparison
) -> None:
    ms = point.time_ns // 1_000_000
    for name, value in point.fields.items():
        if isinstance(value, str):
            continue
        series = (f"{point.measurement}_{name}", point.tags)
        there = held.samples.get(series, {}).get(ms)
        if not there:
            result.missing.append(point)
            return
        if not all(_is_one_of(number, expected[series][ms], held.largest.get(series, 0.0)) for number in there):
            result.different.append((point, f"{series[0]}: {value!r} here, {sorted(there)} there, at {ms} ms"))
            return
