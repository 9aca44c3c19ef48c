"""Estimates with their 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value, the ends of its 95 % interval (None: there are too few for one), and of how many it is made."""

    value: float
    low: float | None
    high: float | None
    n: int

    def inside(self, low: float, high: float) -> bool:
        """Whether the whole interval lies between two limits."""
        return self.low is not None and self.high is not None and low <= self.low and self.high <= high

    def through(self, function: Callable[[float], float]) -> Estimate:
        """The estimate of an increasing function of the value."""
        low, high = (None if end is None else function(end) for end in (self.low, self.high))
        return Estimate(value=function(self.value), low=low, high=high, n=self.n)


def mean(values: Sequence[float]) -> Estimate:
    """The mean of independent values, with Student's interval."""
    return mean_over_blocks([[value] for value in values])


def mean_over_blocks(blocks: Sequence[Sequence[float]]) -> Estimate:
    """The mean of values that come in blocks, each with an error of its own: the interval is over blocks.

    Source: the cluster-robust variance of a mean, with as many degrees of freedom as there are blocks, less one
    (Cameron and Miller, A Practitioner's Guide to Cluster-Robust Inference, 2015, sections II and VI).
    """
    from scipy.stats import t

    total = sum(len(block) for block in blocks)
    value = fmean(one for block in blocks for one in block)
    count = len(blocks)
    if count < 2:
        return Estimate(value=value, low=None, high=None, n=total)
    squares = sum(sum(one - value for one in block) ** 2 for block in blocks)
    error = math.sqrt(squares * count / (count - 1)) / total
    half = float(t.ppf(0.975, count - 1)) * error
    return Estimate(value=value, low=value - half, high=value + half, n=total)


def ratio_over_blocks(blocks: Sequence[Sequence[tuple[float, float]]]) -> Estimate:
    """The typical ratio of pairs (one, other): the mean of their logarithms, and back."""
    logs = [[math.log(one / other) for one, other in block] for block in blocks]
    return mean_over_blocks(logs).through(math.exp)


def spread(values: Sequence[float]) -> float:
    """Standard deviation; 0 of a single value."""
    return stdev(values) if len(values) > 1 else 0.0
