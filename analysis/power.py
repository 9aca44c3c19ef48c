"""How many repetitions an effect needs, and how small an effect a number of them can detect. Pure.

The unit is a trial, its value the logarithm of its mean: effects are ratios, and the deviation is the standard
deviation of that logarithm between repetitions (0.1 is about 10 %). Two comparisons: of two groups of trials by
Welch's test, as the report's ratios are made; and of two levels in complete blocks, where what moves a whole block
falls out of the comparison and the deviation is what is left within blocks. Tests are two-sided; power is the chance
that Student's t, off centre by the effect over its standard error, passes its critical value on either side.

Welch's critical value follows from how the variance is split between the groups, a share that is independent of t and
has the distribution Beta(v/2, v/2) with v degrees in each group; so the power is an average over that share.
Source: Student's non-central t; Welch 1947; Cohen 1988, Statistical Power Analysis for the Behavioral Sciences,
chapter 2; blocks: Montgomery, Design and Analysis of Experiments, section 4.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

LEVEL = 0.05
POWER = 0.8
MOST_REPETITIONS = 100_000
_LARGEST_LOG_RATIO = 50.0
_NODES = 48


class PowerError(ValueError):
    """A question that has no answer: no spread, no effect, or more repetitions than anybody can run."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of two cells, or in blocks of two levels, each of which `each` cells of a block have.

    `cells` is how many share a block: all of them tell how much trials scatter within blocks.
    """

    kind: Literal["two groups", "blocks"] = "two groups"
    cells: int = 2
    each: int = 1

    def trials(self, repetitions: int) -> int:
        """How many trials each side of the comparison has."""
        return repetitions * (self.each if self.kind == "blocks" else 1)

    def degrees(self, repetitions: int) -> int:
        """Degrees of freedom of the scatter."""
        if self.kind == "two groups":
            return 2 * (repetitions - 1)
        return (self.cells - 1) * (repetitions - 1)


TWO_GROUPS = Comparison()


def power(
    ratio: float, *, deviation: float, repetitions: int, comparison: Comparison = TWO_GROUPS, level: float = LEVEL
) -> float:
    """The chance to find a ratio of two cells different from 1, each run so often. Raises PowerError."""
    _refuse(deviation, level)
    if not (ratio > 0 and math.isfinite(ratio)):
        raise PowerError(f"an effect is a ratio above 0, not {ratio}")
    return _power(math.log(ratio), deviation, repetitions, comparison, level)


def smallest_ratio(
    *,
    deviation: float,
    repetitions: int,
    comparison: Comparison = TWO_GROUPS,
    wanted: float = POWER,
    level: float = LEVEL,
) -> float | None:
    """The ratio above 1 that is found with the wanted power; its inverse is found as well.

    None: with one repetition no scatter is known, and nothing can be told. Raises PowerError.
    """
    _refuse(deviation, level, wanted)
    if comparison.degrees(repetitions) < 1:
        return None
    low, high = 0.0, deviation
    while _power(high, deviation, repetitions, comparison, level) < wanted:
        high *= 2
        if high > _LARGEST_LOG_RATIO:
            return None
    for _ in range(60):
        middle = (low + high) / 2
        if _power(middle, deviation, repetitions, comparison, level) < wanted:
            low = middle
        else:
            high = middle
    return math.exp(high)


def repetitions_needed(
    ratio: float,
    *,
    deviation: float,
    comparison: Comparison = TWO_GROUPS,
    wanted: float = POWER,
    level: float = LEVEL,
) -> int:
    """The fewest repetitions of each cell that find a ratio with the wanted power. Raises PowerError."""
    _refuse(deviation, level, wanted)
    if ratio == 1:
        raise PowerError("a ratio of 1 is no effect, and no number of repetitions finds it")
    enough = 2
    while power(ratio, deviation=deviation, repetitions=enough, comparison=comparison, level=level) < wanted:
        enough *= 2
        if enough > MOST_REPETITIONS:
            raise PowerError(f"a ratio of {ratio:g} takes more than {MOST_REPETITIONS:,} repetitions")
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if power(ratio, deviation=deviation, repetitions=middle, comparison=comparison, level=level) < wanted:
            too_few = middle
        else:
            enough = middle
    return enough


def _power(log_ratio: float, deviation: float, repetitions: int, comparison: Comparison, level: float) -> float:
    from scipy.special import stdtrit  # 0.1 s to import; scipy.stats would be 1 s

    degrees = comparison.degrees(repetitions)
    if degrees < 1:
        return 0.0
    off_centre = abs(log_ratio) / (deviation * math.sqrt(2 / comparison.trials(repetitions)))
    if comparison.kind == "blocks":
        return _passes(degrees, off_centre, float(stdtrit(degrees, 1 - level / 2)))
    of_welch = _shares(repetitions - 1)
    criticals = [stdtrit((repetitions - 1) / (share**2 + (1 - share) ** 2), 1 - level / 2) for share, _ in of_welch]
    return math.fsum(
        weight * _passes(degrees, off_centre, float(critical))
        for critical, (_, weight) in zip(criticals, of_welch, strict=True)
    )


def _passes(degrees: int, off_centre: float, critical: float) -> float:
    """The chance that t, off centre, lies beyond the critical value on either side.

    An average over the scatter that a sample of so many degrees shows, because scipy's non-central t is often not a
    number in the tails.
    """
    from scipy.special import ndtr

    scatters, weights = _scatters(degrees)
    beyond = ndtr(off_centre - critical * scatters) + ndtr(-off_centre - critical * scatters)
    return float((weights * beyond).sum())


@lru_cache
def _scatters(degrees: int) -> tuple[Any, Any]:
    """Standard deviations that samples show of one that is 1, with weights that sum to one: chi over its degrees."""
    import numpy as np
    from scipy.special import gammaincinv

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return np.sqrt(gammaincinv(degrees / 2, (1 + nodes) / 2) * 2 / degrees), weights / 2


@lru_cache
def _shares(degrees: int) -> list[tuple[float, float]]:
    """One group's share of both variances, with weights that sum to one: Gauss-Jacobi nodes of the Beta density."""
    from scipy.special import roots_jacobi

    nodes, weights = roots_jacobi(_NODES, degrees / 2 - 1, degrees / 2 - 1)
    total = math.fsum(weights)
    return [((1 + float(node)) / 2, float(weight) / total) for node, weight in zip(nodes, weights, strict=True)]


def _refuse(deviation: float, level: float, wanted: float = POWER) -> None:
    if not (deviation > 0 and math.isfinite(deviation)):
        raise PowerError(f"the deviation between repetitions is a number above 0, not {deviation}")
    for name, share in (("level", level), ("power", wanted)):
        if not 0 < share < 1:
            raise PowerError(f"a {name} lies between 0 and 1, not at {share}")
