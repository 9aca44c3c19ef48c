"""No two points with one key: a server would keep the later of them and lose the other.

A point whose moment its series has already is moved on by 1 ns until it is free. What is moved depends on the order
of the points alone, which is that of the run folder: an export that is repeated moves the same ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

_NEVER = -(2**63)
Free = Callable[[int], int]


class InOrder:
    """Moments of series that come in order of time; the last of each is all that is remembered."""

    def __init__(self) -> None:
        self._series: dict[str, _Ordered] = defaultdict(_Ordered)

    def of(self, series: str) -> Free:
        """What gives a series, as a line has it, a moment or the next that is free."""
        return self._series[series].free_ns


class InAnyOrder:
    """Moments of series that may come in any order, and again from another trial: all are remembered."""

    def __init__(self) -> None:
        self._series: dict[str, _Unordered] = defaultdict(_Unordered)

    def of(self, series: str) -> Free:
        """What gives a series, as a line has it, a moment or the next that is free."""
        return self._series[series].free_ns


class _Ordered:
    __slots__ = ("_last_ns",)

    def __init__(self) -> None:
        self._last_ns = _NEVER

    def free_ns(self, time_ns: int) -> int:
        if time_ns <= self._last_ns:
            time_ns = self._last_ns + 1
        self._last_ns = time_ns
        return time_ns


class _Unordered:
    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def free_ns(self, time_ns: int) -> int:
        while time_ns in self._taken:
            time_ns += 1
        self._taken.add(time_ns)
        return time_ns


Moved = InOrder | InAnyOrder
