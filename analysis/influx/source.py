"""One trial as it is read for a database: what the report's analysis knows of it, and where its samples lie.

Samples are the mass of a trial and are not loaded: only chrony's are, which the analysis needs, and of the processes
that live on how long they waited for a core, where a message asks for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from analysis import store
from analysis.influx.sample_rows import SampleRow, count_of, sample_rows, sampling_segments, waits_of
from analysis.influx.wall import Wall, wall_of
from analysis.load import Records, load_spools
from analysis.model import TrialFacts, TrialTimes
from analysis.timeline import TimelineError, axis_of
from analysis.trial import UNUSABLE, TrialError, analyse, spool_facts, trial_facts, unusable
from instrument.records import Sample, Segment

TRIAL_FILE, RECORDS, SPOOL = "trial.json", "records", "spool"
_NEEDED = {Sample.kind: "collector = 'chrony'"}


@dataclass(frozen=True, slots=True)
class Source:
    """One trial: its numbers, its records without the mass of samples, wall time, and the folder of its Parquet.

    `stored` is None where the samples are among the records.
    """

    facts: TrialFacts
    times: TrialTimes
    records: Records
    wall: Wall
    stored: Path | None

    @property
    def server(self) -> str:
        """The host of the trial's server; empty where it left no records."""
        axis = self.wall.axis
        if axis is None:
            return ""
        servers = (*self.records.role("flower-superlink"), *self.records.role("flwr-serverapp"))
        return next(one.header.host for one in servers if one.header.clock == axis.clock)

    @property
    def has_two_collectors(self) -> bool:
        """Whether samples of one host come from two processes."""
        hosts = {segment.name: segment.header.host for segment in self.records.segments}
        sampling = [hosts[name] for name in self._sampling()]
        return len(sampling) > len(set(sampling))

    def _sampling(self) -> list[str]:
        if self.stored is not None:
            return sampling_segments(self.stored)
        return [segment.name for segment in self.records.segments if any(segment.of(Sample))]

    def samples(self) -> Iterator[list[SampleRow]]:
        """All samples in the order of the processes that made them, some thousands at once."""
        if self.stored is not None:
            yield from sample_rows(self.stored)
            return
        for segment in self.records.segments:
            yield [
                (segment.name, sample.subject, sample.mono_ns, sample.late_ns, json.dumps(sample.values))
                for sample in segment.of(Sample)
            ]


def trial_folders(run_dir: Path, trials: Iterable[str] | None = None) -> list[Path]:
    """The folders of a run's trials in the order of their names; a spool folder is its own only trial.

    Raises TrialError for a name that is none of them, and for a folder without any.
    """
    if not (run_dir / "trials").is_dir():
        return [run_dir]
    found = sorted(path for path in (run_dir / "trials").iterdir() if (path / TRIAL_FILE).exists())
    if trials is None:
        return found
    names = list(trials)
    if missing := [name for name in names if name not in {path.name for path in found}]:
        raise TrialError(f"{run_dir} has no trial {', '.join(missing)}: it has {_listed(found)}")
    return [path for path in found if path.name in names]


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(path.name for path in folders) or "none that was begun"


def source_of(folder: Path) -> Source:
    """Read one trial: of a run folder, or the spool folder that `fedprobe instrument` wrote.

    Records that cannot be used leave a trial without numbers, as in the report. Raises TrialError where the folder
    is no trial, and SpoolError where a spool folder holds nothing.
    """
    if not (folder / TRIAL_FILE).exists():
        records = load_spools(folder)
        return _source(spool_facts(folder.resolve().name, records), records, None)
    facts = trial_facts(folder / TRIAL_FILE)
    stored = folder / RECORDS
    try:
        if not stored.is_dir():
            return _source(facts, load_spools(folder / SPOOL), None)
        return _source(facts, store.load(stored, only=_NEEDED), stored)
    except UNUSABLE as error:
        times = unusable(facts, error)
        return Source(times.facts, times, Records(segments=()), Wall(None, 0, {}), None)


def _source(facts: TrialFacts, records: Records, stored: Path | None) -> Source:
    try:
        read = None if stored is None else partial(waits_of, stored, records)
        times, axis = analyse(records, facts, read_waits=read), axis_of(records)
    except TimelineError as error:
        times, axis = unusable(facts, error), None
    if stored is not None:
        others = sum(1 for _ in records.of(Sample))
        times = replace(times, records=times.records - others + count_of(stored))
    return Source(times.facts, times, records, wall_of(records, axis), stored)


def extent_ns(folder: Path) -> tuple[int, int]:
    """First and last wall time that a trial's processes may have recorded, each by its own host's wall clock.

    Cheap: of stored records the headers and trailers are read, of spool files their first and last lines. Empty,
    (0, -1), where there are none.
    """
    headers = folder / RECORDS / f"{Segment.kind}{store.SUFFIX}"
    if headers.exists():
        return _stored_extent(headers, headers.stat().st_mtime_ns)
    return _whole(_spool_extents(folder))


@lru_cache(maxsize=10_000)
def _stored_extent(headers: Path, written_ns: int) -> tuple[int, int]:
    """Of one file once: an export asks trial by trial, and each time of all."""
    try:
        return _whole(store.wall_extents(headers.parent))
    except store.StoreError:
        return _whole([])


def _whole(spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return (min(low for low, _ in spans), max(high for _, high in spans)) if spans else (0, -1)


_MONO = re.compile(rb'mono_ns":(\d+)')


def _spool_extents(folder: Path) -> list[tuple[int, int]]:
    spans = []
    for path in sorted(folder.rglob("*.jsonl")):
        lines = path.read_bytes().splitlines()
        try:
            header = json.loads(lines[0])
            ahead = header["wall_ns"] - header["mono_ns"]
            last = max([header["mono_ns"], *(int(found) for found in _MONO.findall(lines[-1]))])
        except (IndexError, ValueError, KeyError, TypeError):
            continue
        spans.append((header["wall_ns"], last + ahead))
    return spans
