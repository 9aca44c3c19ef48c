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
from analysis.influx.shape import TRIAL, Sampled, Series, Shape, last_fields, shape_of
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
    host = _Host("", source, labels, moved, left_out)
    for rows in source.samples():
        for name, of_segment in groupby(rows, key=itemgetter(0)):
            header = headers[name]
            if header.host != host.name:
                yield from host.chunks(at_least=1)
                host = _Host(header.host, source, labels, moved, left_out)
            samples = list(of_segment)
            moments = source.wall.of(header.clock).every(np.array([row[2] for row in samples], dtype=np.int64))
            host.take(samples, moments.tolist())
            yield from host.chunks(at_least=AT_ONCE)
    yield from host.chunks(at_least=1)


class _Host:
    """One host's samples: the shapes that they have had until now, and the points that wait to become a chunk."""

    def __init__(self, name: str, source: Source, labels: Labels, moved: Moved, left_out: LeftOut) -> None:
        self.name = name
        self._trial = source.facts.name
        self._labels = labels
        self._moved = moved
        self._left_out = left_out
        self._shapes: dict[str, list[Shape]] = defaultdict(list)
        self._series: dict[tuple[str, str], Series] = {}
        self._waiting: dict[str, list[Held]] = {measurement: [] for measurement in SAMPLED.values()}

    def chunks(self, *, at_least: int) -> Iterator[Chunk]:
        """What waits, where it is so many points; they wait no longer then."""
        for measurement, held in self._waiting.items():
            while len(held) >= at_least:
                yield Chunk(self._trial, measurement, self.name, held[:AT_ONCE])
                del held[:AT_ONCE]

    def take(self, rows: Sequence[SampleRow], moments: Sequence[int]) -> None:
        """Make points of some samples, one of each as a rule."""
        known = self._shapes
        for row, moment in zip(rows, moments, strict=True):
            _, subject, _, late_ns, values = row
            for shape in known[subject]:
                if found := shape.match(values):
                    late_s, free_ns = late_ns / 1e9, shape.series.free_ns(moment)
                    line = shape.template % (*found.groups(), late_s, free_ns)
                    shape.waiting.append((line, shape, values, late_s, free_ns))
                    break
            else:
                self._take_unknown(row, moment)

    def _take_unknown(self, row: SampleRow, moment: int) -> None:
        """A sample of a shape that was not seen yet, or of none."""
        _, subject, _, late_ns, text = row
        values = json.loads(text)
        parts = self._by_measurement(values)
        if len(parts) == 1 and len(self._shapes[subject]) < SHAPES:
            ((measurement, of_one),) = parts.items()
            if len(of_one) == len(values):
                shape = shape_of(self._series_of(measurement, subject), list(of_one), self._waiting[measurement])
                if shape.match(text):
                    self._shapes[subject].append(shape)
                    self.take([row], [moment])
                    return
        for measurement, of_one in parts.items():
            point = self._point(self._series_of(measurement, subject), of_one, late_ns / 1e9, moment)
            if point is not None:
                self._waiting[measurement].append(point)

    def _by_measurement(self, values: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """The values by the measurement that their metrics are of."""
        parts: dict[str, dict[str, float]] = defaultdict(dict)
        for name, value in values.items():
            if name in METRICS:
                parts[SAMPLED[METRICS[name].subject]][name] = value
            else:
                self._left_out.add("sample", name, UNKNOWN)
        return parts

    def _point(self, series: Series, values: Mapping[str, float], late_s: float, moment: int) -> Point | None:
        measured = typed_point(series.measurement, series.tags, moment, values, self._left_out)
        if measured is None:
            return None
        fields = {**measured.fields, **last_fields(series, late_s)}
        return Point(series.measurement, series.tags, series.free_ns(moment), fields)

    def _series_of(self, measurement: str, subject: str) -> Series:
        if (measurement, subject) not in self._series:
            tags, own = self._described(measurement, subject)
            told = typed_point(measurement, tags, 0, {**own, TRIAL: self._trial}, self._left_out)
            fields = {} if told is None else told.fields
            text = written(Point(measurement, tags, 0, fields))
            self._series[measurement, subject] = Series(measurement, tags, text, fields, self._moved.of(text))
        return self._series[measurement, subject]

    def _described(self, measurement: str, subject: str) -> tuple[Tags, Mapping[str, FieldValue]]:
        """The tags of a subject's points, and the fields that say what has no tag."""
        labels, host = self._labels, self.name
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
