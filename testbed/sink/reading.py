"""Reads back what a server holds of a chunk of points, and tells what is missing or different there.

InfluxDB is asked in InfluxQL, victoria-metrics by its export. Source: VictoriaMetrics, "How to export data in JSON
line format" and "How to send data from InfluxDB-compatible agents": a series for each field, `measurement_field`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from analysis.influx.point import FieldValue, Point, Tags
from instrument.clock import sleep_s
from testbed.sink.comparison import Comparison, NumbersHeld, compared, numbers_compared, wrong_types
from testbed.sink.errors import AbsentError, AwayError, SinkError
from testbed.sink.http import Http
from testbed.sink.influxql import between, blocks, identifier, rows, selected, text
from testbed.sink.server import Found
from testbed.token import Token

VISIBLE_S = 1.0  # after a flush, until victoria-metrics shows what it was given


class Reader(Protocol):
    """Reads points back. Raises SinkError."""

    keeps: str
    overwrites: bool  # a point that is sent again replaces the one that is there

    def settle(self, looks: int = 0) -> None:
        """Have the server show all that it has acknowledged; so many looks at it found something wrong."""

    def life(self) -> str:
        """Which life of the server's process this is, where its sudden end loses what was read back; else empty."""

    def compared(self, points: Sequence[Point]) -> Comparison:
        """Points of one measurement against what is there."""

    def surplus(self, measurement: str, trial: str, campaign: str, span_ns: tuple[int, int], points: int) -> int:
        """How many points are there of a trial beside those that belong there, so many, in a span of time."""

    def close(self) -> None:
        """Close its connections."""


def reader(server: Found, token: Token) -> Reader:
    """How that server is read from."""
    http = Http(server.target, token)
    return VictoriaReader(http) if server.kind == "victoria-metrics" else InfluxReader(http)


def readable(server: Found, token: Token) -> str:
    """Empty where what is written can be read back; else why not."""
    if server.kind == "victoria-metrics":
        return ""
    http = Http(server.target, token)
    try:
        list(rows(http, "SHOW MEASUREMENTS LIMIT 1"))
    except AwayError:
        raise
    except (SinkError, AbsentError) as error:
        return (
            f"it does not answer InfluxQL for {server.target.bucket!r} ({str(error)[:200]}). On 2.x that takes a "
            f"mapping: influx v1 dbrp create --db {server.target.bucket} --rp autogen --default --bucket-id ID"
        )
    finally:
        http.close()
    return ""


class InfluxReader:
    """InfluxQL at `/query`."""

    keeps = "every type and the nanosecond"
    overwrites = True

    def __init__(self, http: Http) -> None:
        self._http = http
        self._types: dict[str, dict[str, set[str]]] = {}

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def settle(self, looks: int = 0) -> None:
        """It shows at once what it has acknowledged; the types of fields are asked for anew."""
        self._types = {}

    def life(self) -> str:
        """Its log is on the disk before it acknowledges."""
        return ""

    def compared(self, points: Sequence[Point]) -> Comparison:
        """Points of one measurement against what is there."""
        result = compared(points, self._held(points))
        wrong = wrong_types(points, self._types_of(points[0].measurement))
        if wrong:
            seen = {id(point) for point in result.wrong}
            for point in points:
                name = next((name for name in point.fields if name in wrong), None)
                if name is not None and id(point) not in seen:
                    result.different.append((point, wrong[name]))
        return result

    def _held(self, points: Sequence[Point]) -> dict[tuple[Tags, int], dict[str, FieldValue]]:
        """What is there in the span of these points, of those alone that are asked for."""
        wanted = {(point.tags, point.time_ns) for point in points}
        names = [name for name, _ in points[0].tags]
        statement = selected("*", points[0].measurement, between(*_span(points), _shared(points)))
        held: dict[tuple[Tags, int], dict[str, FieldValue]] = {}
        for columns, values in blocks(self._http, statement):
            place = {name: number for number, name in enumerate(columns)}
            if not all(name in place for name in names):
                continue
            time, tag_places = place["time"], [(name, place[name]) for name in names]
            fields = [(name, number) for name, number in place.items() if name != "time" and name not in names]
            for row in values:
                key = (tuple((name, row[number]) for name, number in tag_places), row[time])
                if key in wanted:
                    there = {name: row[number] for name, number in fields if row[number] is not None}
                    held.setdefault(key, {}).update(there)
        return held

    def surplus(self, measurement: str, trial: str, campaign: str, span_ns: tuple[int, int], points: int) -> int:
        """How many points are there of a trial beside those that belong there, so many, in a span of time."""
        clause = between(*span_ns, {"campaign": campaign})
        statement = selected('COUNT("trial")', measurement, f'{clause} AND "trial" = {text(trial)}')
        return max(0, sum(int(row["count"]) for row in rows(self._http, statement)) - points)

    def _types_of(self, measurement: str) -> Mapping[str, set[str]]:
        if measurement not in self._types:
            types: dict[str, set[str]] = defaultdict(set)
            for row in rows(self._http, f"SHOW FIELD KEYS FROM {identifier(measurement)}"):
                types[str(row["fieldKey"])].add(str(row["fieldType"]))
            self._types[measurement] = types
        return self._types[measurement]


class VictoriaReader:
    """The export of victoria-metrics."""

    keeps = (
        "numbers to twelve digits and times to the millisecond; no strings, true and false as 1 and 0, of a series' "
        "points in one millisecond one"
    )
    overwrites = False

    def __init__(self, http: Http) -> None:
        self._http = http
        self._duplicates: dict[tuple[str, str], int] = defaultdict(int)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def settle(self, looks: int = 0) -> None:
        """Have it show all that it has acknowledged: after a sudden end its index comes seconds behind its values."""
        self._http.get("/internal/force_flush")
        sleep_s(VISIBLE_S * 2**looks)

    def life(self) -> str:
        """When its process was started, in seconds: what it holds in memory alone is lost with it."""
        lines = self._http.get("/metrics").data.decode("utf-8", "replace").split("\n")
        return next((line for line in lines if line.startswith("process_start_time_seconds ")), "")

    def compared(self, points: Sequence[Point]) -> Comparison:
        """Points of one measurement against what is there."""
        held = NumbersHeld()
        first_ns, last_ns = _span(points)
        measurement = points[0].measurement
        of = {
            "match[]": _matcher(measurement, _shared(points)),
            "start": _seconds(first_ns // 1_000_000),
            "end": _seconds(last_ns // 1_000_000),
        }
        wanted = {point.tags for point in points}
        for document in self._http.lines("/api/v1/export", parameters=of):
            self._take(document, wanted, held)
        self._duplicates[measurement, dict(points[0].tags).get("campaign", "")] += held.duplicates
        return numbers_compared(points, held)

    def _take(self, document: Mapping[str, Any], wanted: set[Tags], held: NumbersHeld) -> None:
        labels = dict(document["metric"])
        name = labels.pop("__name__")
        tags = tuple(sorted(labels.items()))
        if tags not in wanted:
            return
        samples = held.samples.setdefault((name, tags), {})
        for ms, value in zip(document["timestamps"], document["values"], strict=True):
            held.duplicates += ms in samples
            samples.setdefault(ms, set()).add(float(value))
        held.largest[name, tags] = max(map(abs, document["values"]), default=0.0)

    def surplus(self, measurement: str, trial: str, campaign: str, span_ns: tuple[int, int], points: int) -> int:
        """Samples of a series that stand there twice in a millisecond, as the comparisons have seen them."""
        return self._duplicates.pop((measurement, campaign), 0)


def _shared(points: Sequence[Point]) -> dict[str, str]:
    """The tags that all of these points have the same value of."""
    first = points[0].tags
    others = {point.tags for point in points} - {first}
    return {name: value for place, (name, value) in enumerate(first) if all(of[place][1] == value for of in others)}


def _span(points: Sequence[Point]) -> tuple[int, int]:
    moments = [point.time_ns for point in points]
    return min(moments), max(moments)


def _matcher(measurement: str, labels: Mapping[str, str]) -> str:
    """A selector of series. Source: Prometheus, "Querying basics": strings as in Go."""
    own = "".join(f",{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
    return f'{{__name__=~"{measurement}_.*"{own}}}'


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"
