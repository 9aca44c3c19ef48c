"""What one figure is, and what figures share: colours of the page, marks, logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# replaced by the page's own colours, light or dark
INK, PAPER, GRID = "@ink", "@paper", "@grid"
MARKS = ("circle", "square", "diamond")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure: traces and layout for plotly.js, its key of (colour, name), caption, and words in its place.

    `rounds` is the timeline's own data, from which the page draws whichever round is chosen.
    """

    name: str
    title: str
    caption: str
    words: str
    height: int
    key: Sequence[tuple[str, str]] = ()
    traces: Sequence[Mapping[str, Any]] = ()
    layout: Mapping[str, Any] = field(default_factory=dict)
    rounds: Sequence[Mapping[str, Any]] = ()
    half: bool = False


def log_axis(low: float, high: float) -> dict[str, Any]:
    """A logarithmic axis from below `low` to above `high` with a handful of round ticks inside."""
    start, end = math.log10(low) - 0.12, math.log10(high) + 0.12
    span = end - start
    fine: tuple[float, ...] = (1, 1.5, 2, 3, 4, 5, 6, 8)
    steps = fine if span < 0.7 else (1, 2, 5) if span < 2.2 else (1, 3) if span < 3.2 else (1,)
    ticks = [
        digit * 10.0**power
        for power in range(math.floor(start) - 1, math.ceil(end) + 1)
        for digit in steps
        if start <= math.log10(digit * 10.0**power) <= end
    ]
    return {"type": "log", "range": [start, end], "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
