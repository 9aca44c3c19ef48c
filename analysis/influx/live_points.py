"""Points of a trial that still runs, of its server host alone, from its records as they are written.

Only what the export of the whole trial makes again: with the same measurement, tags and time, the same values, and no
field that it might not have. So samples are of the server's own clock, and a round is told when the next one begins,
with its length where each of its parts was aggregated, and with scores whose names leave no doubt. Whatever makes the
mapping doubtful (a second SuperLink, ServerApp or collector in one trial) ends this, not the export.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analysis.document import SCORES
from analysis.influx.labels import SERVER, Labels
from analysis.influx.left_out import LeftOut
from analysis.influx.line_protocol import line
from analysis.influx.message_points import round_fields
from analysis.influx.points import labels_in
from analysis.influx.sample_points import sample_chunks
from analysis.influx.source import TRIAL_FILE, Source
from analysis.influx.trial_points import SOURCES
from analysis.influx.typed import typed_point
from analysis.influx.unique import InOrder
from analysis.influx.wall import wall_of
from analysis.load import Records, SegmentRecords
from analysis.model import TrialTimes
from analysis.offsets import IDENTITY
from analysis.timeline import Axis
from analysis.trial import trial_facts
from instrument.records import Dispatch, End, Record, Sample, Score, Segment, Span

SUPERLINK, SERVER_APP, COLLECTOR = "flower-superlink", "flwr-serverapp", "collector"


class LivePoints:
    """The lines of one trial. Raises TrialError where its trial.json cannot be read."""

    def __init__(self, run_dir: Path, trial: str) -> None:
        self._run_dir = run_dir
        self._facts = trial_facts(run_dir / "trials" / trial / TRIAL_FILE)
        self._headers: dict[str, Segment] = {}
        self._doubtful: set[str] = set()
        self._moved = InOrder()
        self._source: Source | None = None
        self._labels: Labels | None = None
        self._rounds: dict[int, _Round] = defaultdict(_Round)
        self._told = 0

    def lines(self, records: Iterable[Record]) -> list[str]:
        """The lines of what is known now and was not before, without line breaks at their end."""
        found: list[str] = []
        samples: list[Sample] = []
        for record in records:
            match record:
                case Segment():
                    self._begin(record)
                case Sample():
                    samples.append(record)
                case Span() | Dispatch() | Score() | End():
                    found += self._round_lines(record)
        return [*found, *self._sample_lines(samples)]

    def _begin(self, header: Segment) -> None:
        if header.role in self._headers:
            self._doubtful.add(header.role)
            return
        self._headers[header.role] = header
        if header.role == SUPERLINK:
            segment = SegmentRecords(name=SUPERLINK, header=header, records=(), end=None)
            records = Records(segments=(segment,))
            axis = Axis(header.clock, {header.clock: IDENTITY}, ())
            times = TrialTimes(facts=self._facts, messages=(), rounds=(), clocks=())
            self._source = Source(self._facts, times, records, wall_of(records, axis), None)
            self._labels = labels_in(self._run_dir, self._source)

    def _mapped(self, role: str) -> tuple[Source, Labels, Segment] | None:
        """What makes points of a process' records; None where they cannot be placed, or not for certain."""
        header = self._headers.get(role)
        source, labels = self._source, self._labels
        if header is None or source is None or labels is None or {role, SUPERLINK} & self._doubtful:
            return None
        same_clock = header.clock == self._headers[SUPERLINK].clock
        return (source, labels, header) if same_clock else None

    def _sample_lines(self, samples: list[Sample]) -> Iterator[str]:
        mapped = self._mapped(COLLECTOR)
        if mapped is None or not samples:
            return
        source, labels, header = mapped
        segment = SegmentRecords(name=COLLECTOR, header=header, records=tuple(samples), end=None)
        batch = Source(source.facts, source.times, Records(segments=(segment,)), source.wall, None)
        for chunk in sample_chunks(batch, labels, self._moved, LeftOut()):
            yield from chunk.lines()

    def _round_lines(self, record: Span | Dispatch | Score | End) -> Iterator[str]:
        match record:
            case Span(name="configure" | "aggregate", round=int(number)) if number > 0:
                if record.name == "configure":
                    yield from self._ended(before=number)
                self._rounds[number].span(record)
            case Dispatch():
                self._rounds[record.round].parts.add(record.message_type.partition(".")[0])
            case Score():
                self._rounds[record.round].scores.setdefault(record.source, record.metrics)
            case End():
                yield from self._ended(before=max(self._rounds, default=0) + 1)

    def _ended(self, before: int) -> Iterator[str]:
        """The rounds that are over, each once."""
        mapped = self._mapped(SERVER_APP)
        for number in sorted(number for number in self._rounds if number < before):
            done = self._rounds.pop(number)
            extent = done.extent_ns()
            if mapped is None or extent is None or number <= self._told:
                continue
            self._told = number
            source, labels, header = mapped
            start_ns, end_ns = extent
            tags = labels.tags("fl_round", node=labels.server, role=SERVER)
            values = {
                "duration_s": (end_ns - start_ns) / 1e9,
                **done.scored(),
                **round_fields(source, number),
            }
            point = typed_point("fl_round", tags, source.wall.of(header.clock).at(start_ns), values, LeftOut())
            if point is not None:
                yield line(point)


@dataclass(slots=True)
class _Round:
    """What the ServerApp's records tell of one round: its parts that sent messages, their spans, scores by source."""

    parts: set[str] = field(default_factory=set)
    configures: dict[str, Span] = field(default_factory=dict)
    aggregates: dict[str, Span] = field(default_factory=dict)
    repeated: bool = False
    scores: dict[str, Mapping[str, float]] = field(default_factory=dict)

    def span(self, span: Span) -> None:
        """A configure or an aggregate."""
        seen = self.configures if span.name == "configure" else self.aggregates
        part = span.message_type or ""
        self.repeated |= part in seen
        seen[part] = span

    def extent_ns(self) -> tuple[int, int] | None:
        """First configure to last aggregate of the parts that sent messages, where each was aggregated, and once."""
        if not self.parts or self.repeated:
            return None
        if not self.parts <= self.configures.keys() & self.aggregates.keys():
            return None
        if any(self.aggregates[part].count == 0 for part in self.parts):
            return None
        starts = (self.configures[part].start_mono_ns for part in self.parts)
        return min(starts), max(self.aggregates[part].end_mono_ns for part in self.parts)

    def scored(self) -> dict[str, object]:
        """Accuracy and loss under exactly these names, of the first source that has anything like them."""
        for by in SOURCES:
            metrics = self.scores.get(by, {})
            if any("acc" in name.lower() or "loss" in name.lower() for name in metrics):
                named = (("accuracy", SCORES[0]), ("loss", "loss"))
                found: dict[str, object] = {to: metrics[name] for to, name in named if name in metrics}
                return {**found, "score_source": by} if found else {}
        return {}
