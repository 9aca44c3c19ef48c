"""One trial as exports see it: its analysis, its records, and the server host's wall clock, on which all times are.

The axis of the analysis is the server host's monotonic clock. Its wall clock is that axis plus what the two clocks
differed by when the server's process wrote its spool file's header: one number a trial, so that lengths stay exact
and no later step of the wall clock moves anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from analysis.load import Records, SegmentRecords
from analysis.model import TrialTimes
from analysis.timeline import Axis, TimelineError, axis_of
from analysis.trial import read_trial

UNBOUNDED_S = float("inf")


@dataclass(frozen=True, kw_only=True)
class ExportedTrial:
    """A trial to be exported. `axis` and `records` are None where its records cannot be used."""

    campaign: str
    times: TrialTimes
    records: Records | None = None
    axis: Axis | None = None
    wall_less_axis_ns: int = 0
    server: str = "server"
    errors_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The trial's name."""
        return self.times.facts.name

    def wall_ns(self, axis_ns: int) -> int:
        """A moment of the axis as ns since the Unix epoch, on the server host's wall clock."""
        return axis_ns + self.wall_less_axis_ns

    def error_s(self, host: str) -> float:
        """How far off a moment of this host may be on the server's axis; infinite where nothing bounds it."""
        return self.errors_s.get(host, UNBOUNDED_S)

    def moment(self, segment: SegmentRecords, mono_ns: int) -> tuple[int, float]:
        """A reading of a segment's clock as ns since the epoch, and the bound of its error in seconds.

        Where nothing ties that clock to the server's it is the host's own wall clock, without a bound.
        """
        if self.axis is None or not self.axis.known(segment):
            return mono_ns + segment.header.wall_ns - segment.header.mono_ns, UNBOUNDED_S
        clock = self.axis.of(segment)
        return self.wall_ns(clock.at(mono_ns)), clock.error_ns(mono_ns) / 1e9

    @cached_property
    def zero_ns(self) -> int | None:
        """The first configure on the axis, from which faults and scores count; None where there is no round."""
        return self.times.rounds[0].interval.start_ns if self.times.rounds else None


def read_exported(folder: Path, campaign: str) -> ExportedTrial:
    """A trial of a run folder, with the analysis that the report makes. Raises TrialError for no trial."""
    times, records = read_trial(folder)
    return exported(times, records, campaign)


def exported(times: TrialTimes, records: Records | None, campaign: str) -> ExportedTrial:
    """A trial of its analysis and its records."""
    stated = times.facts.settings.get("campaign")
    campaign = stated if isinstance(stated, str) and stated else campaign
    try:
        axis = axis_of(records) if records is not None else None
    except TimelineError:
        axis = None
    if records is None or axis is None:
        return ExportedTrial(campaign=campaign, times=times, records=records)
    reference = (records.role("flower-superlink") or records.role("flwr-serverapp"))[-1].header
    return ExportedTrial(
        campaign=campaign,
        times=times,
        records=records,
        axis=axis,
        wall_less_axis_ns=reference.wall_ns - reference.mono_ns,
        server=reference.host,
        errors_s=_errors_s(records, axis),
    )


def _errors_s(records: Records, axis: Axis) -> dict[str, float]:
    """The worst bound of each host's clocks: a host that was restarted has two."""
    by_clock = {clock: fit.error_s for clock, fit in zip(axis.maps, axis.fits, strict=True)}
    found: dict[str, float] = {}
    for segment in records.segments:
        error_s = by_clock[segment.header.clock]
        found[segment.header.host] = max(error_s, found.get(segment.header.host, 0.0))
    return found
