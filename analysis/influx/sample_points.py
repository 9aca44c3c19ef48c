"""A trial's samples as points of system, process and link: one for each sample, in bounded memory."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np

from analysis.influx.chunk import AT_ONCE, Chunk
from analysis.influx.labels import OTHER, Labels
from analysis.influx.left_out import UNKNOWN, LeftOut
from analysis.influx.line_protocol import series as written
from analysis.influx.point import FieldValue, Point, Tags
from analysis.influx.sample_rows import SampleRow
from analysis.influx.schema import SAMPLED
from analysis.influx.shape import Sampled, Series, Shape, last_fields, shape_of
from analysis.influx.source import Source
from analysis.influx.typed import typed_point
from analysis.influx.unique import Moved
from instrument.identity import ROLES
from instrument.metrics import METRICS

WHOLE_HOST = ("host", "all")  # the subjects of samples that are of no one part of a host
SHAPES = 8  # of one subject: beyond, samples are made one value at a time
_PROCESS = re.compile(r"(.*):(\d+)", re.DOTALL)
Held = Sampled | Point


def sample_chunks(source: Source, labels: Labels, moved: Moved, left_out: LeftOut) -> Iterator[Chunk]:
    """The points of all samples, host after host."""
    headers = {segment.name: segment.header for segment in source.records.segments}
    waiting: dict[str, list[Held]] = defaultdict(list)
    node = ""
    for rows in source.samples():
        for name, of_segment in groupby(rows, key=itemgetter(0)):
            header = headers[name]
            if header.host != node:
                yield from _chunks(source, node, waiting, at_least=1)
                node, subjects = header.host, _Subjects(source, labels, header.host, moved, left_out)
            samples = list(of_segment)
            moments = source.wall.of(header.clock).every(np.array([row[2] for row in samples], dtype=np.int64))
            for row, moment in zip(samples, moments.tolist(), strict=True):
                for measurement, held in subjects.held(row, moment):
                    waiting[measurement].append(held)
            yield from _chunks(source, node, waiting, at_least=AT_ONCE)
    yield from _chunks(source, node, waiting, at_least=1)


def _chunks(source: Source, node: str, waiting: dict[str, list[Held]], *, at_least: int) -> Iterator[Chunk]:
    """What waits, where it is enough for a chunk; it waits no longer then."""
    for measurement in SAMPLED.values():
        while len(held := waiting[measurement]) >= at_least:
            waiting[measurement] = held[AT_ONCE:]
            yield Chunk(source.facts.name, measurement, node, held[:AT_ONCE])


class _Subjects:
    """What was sampled on one host, and the shapes that its samples have had until now."""

    def __init__(self, source: Source, labels: Labels, host: str, moved: Moved, left_out: LeftOut) -> None:
        self._source = source
        self._labels = labels
        self._host = host
        self._moved = moved
        self._left_out = left_out
        self._shapes: dict[str, list[Shape]] = defaultdict(list)
        self._series: dict[tuple[str, str], Series] = {}

    def held(self, row: SampleRow, time_ns: int) -> Sequence[tuple[str, Held]]:
        """The points of one sample with their measurements."""
        _, subject, _, late_ns, values = row
        for shape in self._shapes[subject]:
            if found := shape.match(values):
                series = shape.series
                free_ns = self._moved.free_ns(series.written, time_ns)
                return ((series.measurement, Sampled(shape, found.groups(), values, late_ns / 1e9, free_ns)),)
        return self._of_new_shape(row, time_ns)

    def _of_new_shape(self, row: SampleRow, time_ns: int) -> Sequence[tuple[str, Held]]:
        _, subject, _, late_ns, text = row
        values = json.loads(text)
        parts = self._by_measurement(values)
        if len(parts) == 1 and len(self._shapes[subject]) < SHAPES:
            ((measurement, of_one),) = parts.items()
            shape = shape_of(self._series_of(measurement, subject), list(of_one))
            if len(of_one) == len(values) and shape.match(text):
                self._shapes[subject].append(shape)
                return self.held(row, time_ns)
        made = (self._point(name, subject, of_one, late_ns, time_ns) for name, of_one in parts.items())
        return [(point.measurement, point) for point in made if point is not None]

    def _by_measurement(self, values: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """The values by the measurement that their metrics are of."""
        parts: dict[str, dict[str, float]] = defaultdict(dict)
        for name, value in values.items():
            if name in METRICS:
                parts[SAMPLED[METRICS[name].subject]][name] = value
            else:
                self._left_out.add("sample", name, UNKNOWN)
        return parts

    def _point(
        self, measurement: str, subject: str, values: Mapping[str, float], late_ns: int, time_ns: int
    ) -> Point | None:
        series = self._series_of(measurement, subject)
        measured = typed_point(measurement, series.tags, time_ns, values, self._left_out)
        if measured is None:
            return None
        fields = {**measured.fields, **last_fields(series, late_ns / 1e9)}
        return Point(measurement, series.tags, self._moved.free_ns(series.written, time_ns), fields)

    def _series_of(self, measurement: str, subject: str) -> Series:
        if (measurement, subject) not in self._series:
            tags, own = self._described(measurement, subject)
            text = written(Point(measurement, tags, 0, own))
            held = typed_point(measurement, tags, 0, {**own, "trial": self._source.facts.name}, self._left_out)
            fields = dict(held.fields) if held is not None else {}
            trial = str(fields.pop("trial", ""))
            self._series[measurement, subject] = Series(measurement, tags, text, fields, trial)
        return self._series[measurement, subject]

    def _described(self, measurement: str, subject: str) -> tuple[Tags, Mapping[str, FieldValue]]:
        """The tags of a subject's points, and the fields that say what has no tag."""
        labels, host = self._labels, self._host
        of_process = _PROCESS.fullmatch(subject)
        role = labels.role_of(host)
        own: dict[str, FieldValue] = {}
        iface = None
        if measurement == SAMPLED["interface"]:
            iface, own = labels.network_of(host, subject), {"device": subject}
        elif of_process and of_process[1] in ROLES:
            role, own = of_process[1], {"pid": int(of_process[2])}
        elif subject not in WHOLE_HOST:
            role, own = OTHER if of_process else role, {"subject": subject}
        return labels.tags(measurement, node=host, role=role, iface=iface), own
