"""Clock offsets out of what chrony said on both hosts: two wall clocks, known to a bound, tie the monotonic ones.

A weak source beside exchanges on a laboratory's own network, and the only one where hosts never spoke to each other.
It is put into the form of an exchange that took no time: its limits are the offset less and plus both bounds.
Source of the bound: chrony's FAQ; RFC 5905, section 4 (root distance).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.load import SegmentRecords
from analysis.offsets import MAX_DRIFT, FourStamps
from instrument.records import Sample


@dataclass(frozen=True, slots=True)
class Disciplined:
    """One reading of a host: at `mono_ns` its wall clock was ahead by `wall_less_mono_ns`, right to `bound_ns`."""

    mono_ns: int
    wall_less_mono_ns: int
    bound_ns: float

    @property
    def wall_ns(self) -> int:
        """The wall clock at that moment."""
        return self.mono_ns + self.wall_less_mono_ns


def disciplined(segments: Iterable[SegmentRecords]) -> list[Disciplined]:
    """What chrony said of a host, in order of time."""
    found = [
        Disciplined(
            sample.mono_ns,
            int(sample.values["clock_wall_less_monotonic_ns"]),
            float(sample.values["chrony_error_bound_s"]) * 1e9,
        )
        for segment in segments
        for sample in segment.of(Sample)
        if sample.collector == "chrony"
    ]
    return sorted(found, key=lambda one: one.mono_ns)


def chrony_exchanges(node: Sequence[Disciplined], server: Sequence[Disciplined]) -> list[FourStamps]:
    """One for each of the node's readings, with the server's reading nearest to it by their wall clocks."""
    found = []
    for one in node:
        other = min(server, key=lambda theirs: abs(theirs.wall_ns - one.wall_ns), default=None)
        if other is None:
            continue
        apart_ns = abs(other.wall_ns - one.wall_ns)
        slack_ns = round(one.bound_ns + other.bound_ns + 2 * MAX_DRIFT * apart_ns) + 1
        there_ns = one.wall_ns - other.wall_less_mono_ns
        found.append(FourStamps(one.mono_ns, there_ns + slack_ns, there_ns - slack_ns, one.mono_ns))
    return found
