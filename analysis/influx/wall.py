"""Moments of a trial in wall time: Unix nanoseconds by the server host's wall clock, which puts hosts on one axis.

The axis of a trial is the server's monotonic clock; its SuperLink's header pairs one reading of it with the wall
clock. That one pair serves the whole trial: a wall clock that is stepped or slewed meanwhile changes no distance. A
host whose clock nothing ties to the server's keeps its own wall clock, by its own headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.load import Records
from analysis.offsets import ClockMap
from analysis.timeline import NOWHERE, Axis
from instrument.records import Segment

Moments = npt.NDArray[np.int64]
_FAR_NS = -(2**59)  # what lies before this was put NOWHERE


@dataclass(frozen=True, slots=True)
class WallClock:
    """One clock's readings in wall time: onto the axis by `onto`, from there by `ahead_ns`."""

    onto: ClockMap
    ahead_ns: int

    def at(self, mono_ns: int) -> int:
        """One reading."""
        return self.onto.at(mono_ns) + self.ahead_ns

    def every(self, mono_ns: Moments) -> Moments:
        """Many readings: the same numbers as `at`."""
        drifted = np.rint(self.onto.drift * (mono_ns - self.onto.origin_ns)).astype(np.int64)
        walls: Moments = mono_ns + drifted + (self.onto.offset_ns + self.ahead_ns)
        return walls


@dataclass(frozen=True, slots=True)
class Wall:
    """Wall time of a trial. `ahead_ns` is the wall less the axis; `own` the same of clocks that are on no axis."""

    axis: Axis | None
    ahead_ns: int
    own: Mapping[str, int]

    def of(self, clock: str) -> WallClock:
        """How the readings of a clock are turned into wall time."""
        onto = self.axis.maps.get(clock) if self.axis is not None else None
        if onto is None or not onto.anchors:
            return WallClock(ClockMap(), self.own[clock])
        return WallClock(onto, self.ahead_ns)

    def at(self, axis_ns: int, clock: str | None = None) -> int:
        """A moment of the axis; `clock` is the one that it was read from, where that may be on no axis."""
        own_ns = None if clock is None else self.own.get(clock)
        if axis_ns < _FAR_NS and own_ns is not None:
            return axis_ns - NOWHERE.offset_ns + own_ns
        return axis_ns + self.ahead_ns


def wall_of(records: Records, axis: Axis | None) -> Wall:
    """The wall time of a trial's records."""
    own: dict[str, int] = {}
    for segment in records.segments:
        own.setdefault(segment.header.clock, _ahead_ns(segment.header))
    if axis is None:
        return Wall(None, 0, own)
    servers = [*records.role("flower-superlink"), *records.role("flwr-serverapp")]
    reference = [segment for segment in servers if segment.header.clock == axis.clock]
    return Wall(axis, _ahead_ns(reference[0].header), own)


def _ahead_ns(header: Segment) -> int:
    return header.wall_ns - header.mono_ns
