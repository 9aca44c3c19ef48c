"""Sets of stretches of the axis: union, length, overlap, and the tiling of a stretch by the first that covers it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from analysis.model import Interval


def between(start_ns: int, end_ns: int) -> Interval:
    """The stretch from start to end; empty, at its end, where the end lies before the start."""
    return Interval(min(start_ns, end_ns), end_ns)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Their union: disjoint, in order; empty ones are dropped, touching ones joined."""
    union: list[Interval] = []
    for interval in sorted(intervals, key=lambda item: (item.start_ns, item.end_ns)):
        if interval.start_ns == interval.end_ns:
            continue
        if union and interval.start_ns <= union[-1].end_ns:
            union[-1] = Interval(union[-1].start_ns, max(union[-1].end_ns, interval.end_ns))
        else:
            union.append(interval)
    return union


def union_ns(intervals: Iterable[Interval]) -> int:
    """Length of their union."""
    return sum(interval.end_ns - interval.start_ns for interval in merged(intervals))


def overlaps(one: Interval, other: Interval) -> bool:
    """Whether they share more than a point."""
    return one.start_ns < other.end_ns and other.start_ns < one.end_ns


def span_of(intervals: Iterable[Interval]) -> Interval:
    """First start to last end. Raises ValueError where there is none."""
    kept = list(intervals)
    return Interval(min(item.start_ns for item in kept), max(item.end_ns for item in kept))


def tiled(window: Interval, layers: Sequence[tuple[str, Interval]], rest: str) -> list[tuple[str, Interval]]:
    """The window cut into stretches, each named after the first layer that covers it, else `rest`.

    The result is in order, disjoint, without empty stretches, and its lengths sum to the window's exactly.
    """
    edges = {window.start_ns, window.end_ns}
    for _, layer in layers:
        edges.update(edge for edge in (layer.start_ns, layer.end_ns) if window.start_ns < edge < window.end_ns)
    cuts = sorted(edges)
    tiles: list[tuple[str, Interval]] = []
    for start, end in pairwise(cuts):
        name = next((name for name, layer in layers if layer.start_ns <= start and end <= layer.end_ns), rest)
        if tiles and tiles[-1][0] == name:
            tiles[-1] = (name, Interval(tiles[-1][1].start_ns, end))
        else:
            tiles.append((name, Interval(start, end)))
    return tiles
