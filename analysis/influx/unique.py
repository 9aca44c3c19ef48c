"""No two points with one key: a server would keep the later of them and lose the other.

A point whose moment its series has already is moved on by 1 ns until it is free. What is moved depends on the order
of the points alone, which is that of the run folder: an export that is repeated moves the same ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

_NEVER = -(2**63)


class InOrder:
    """Moments of series that come in order of time; the last of each is all that is remembered."""

    def __init__(self) -> None:
        self._last: dict[Hashable, int] = {}

    def free_ns(self, series: Hashable, time_ns: int) -> int:
        """The moment, or the next that is free."""
        last_ns = self._last.get(series, _NEVER)
        if time_ns <= last_ns:
            time_ns = last_ns + 1
        self._last[series] = time_ns
        return time_ns


class InAnyOrder:
    """Moments of series that may come in any order, and again from another trial: all are remembered."""

    def __init__(self) -> None:
        self._taken: dict[Hashable, set[int]] = defaultdict(set)

    def free_ns(self, series: Hashable, time_ns: int) -> int:
        """The moment, or the next that is free."""
        taken = self._taken[series]
        while time_ns in taken:
            time_ns += 1
        taken.add(time_ns)
        return time_ns


Moved = InOrder | InAnyOrder
