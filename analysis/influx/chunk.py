"""Some points of one trial, measurement and host: what is written, and read back and compared, at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analysis.influx.line_protocol import line
from analysis.influx.point import Point
from analysis.influx.shape import Sampled, sampled_point

AT_ONCE = 1000  # what the processor's cache holds; a writer puts several into one request


@dataclass(frozen=True, slots=True)
class Chunk:
    """One point or more of one trial, measurement and node, each series of them in order of time.

    A run folder gives the same chunks each time. Chunks of one measurement and node follow each other in time, unless
    the host had two collectors at once, or trials lie over each other.
    """

    trial: str
    measurement: str
    node: str
    held: Sequence[Sampled | Point]

    def __len__(self) -> int:
        """How many points."""
        return len(self.held)

    @property
    def first_ns(self) -> int:
        """The earliest moment of a point."""
        return min(_moment(one) for one in self.held)

    @property
    def last_ns(self) -> int:
        """The latest."""
        return max(_moment(one) for one in self.held)

    def lines(self) -> list[str]:
        """Their lines, without line breaks at the end: what `line` says of the points, faster.

        A line may hold a line break inside a string.
        """
        return [one[0] if isinstance(one, tuple) else line(one) for one in self.held]

    def points(self) -> Iterator[Point]:
        """The points, in the order of the lines."""
        return (sampled_point(one) if isinstance(one, tuple) else one for one in self.held)


def _moment(held: Sampled | Point) -> int:
    return held[-1] if isinstance(held, tuple) else held.time_ns
