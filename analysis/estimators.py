"""Numbers with intervals: mean and median of grouped values, and the ratio of two means.

The group is the unit that repeats: a trial where an interface has several, else a round of the only trial. Messages
of one round share the cell and the server's processors, so they are no independent sample; their groups are.
Nothing here reads a clock or draws a random number, and the order of the values does not matter.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
WITHIN_RUN = "within-run"
BETWEEN_TRIALS = "between-trials"


class EstimateError(ValueError):
    """Values from which no honest number can be made: none at all, NaN, infinity, or a ratio over zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over groups with its 95 % interval, and the median over all values.

    `interval` is None where fewer than two groups exist: one group says nothing about spread. `kind` is
    "between-trials" where the groups are trials, "within-run" where they are the rounds of one trial.
    """

    mean: float
    median: float
    interval: tuple[float, float] | None
    standard_error: float | None
    n: int
    groups: int
    kind: str = WITHIN_RUN


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One mean over another with its 95 % interval; "within-run" unless both means are between trials."""

    ratio: float
    interval: tuple[float, float] | None
    kind: str


def estimate(groups: Iterable[Sequence[float]], *, kind: str = WITHIN_RUN) -> Estimate:
    """Mean of the groups' means, with the t interval over those means; median over all values.

    Raises EstimateError where there is no value, or one that is not finite.
    Source: Student 1908; with one value a group this is the ordinary t interval of the mean.
    """
    full = [group for group in groups if group]
    values = [value for group in full for value in group]
    _refuse_unusable(values)
    means = [math.fsum(group) / len(group) for group in full]
    mean = _within(math.fsum(means) / len(means), means)
    error = _standard_error(means, mean)
    half = None if error is None else t_quantile(len(means) - 1) * error
    return Estimate(
        mean=mean,
        median=statistics.median(values),
        interval=None if half is None else (mean - half, mean + half),
        standard_error=error,
        n=len(values),
        groups=len(full),
        kind=kind,
    )


def ratio_of_means(above: Estimate, below: Estimate) -> Ratio:
    """`above` over `below`, with the interval of the logarithm of the ratio (delta method, Welch's degrees).

    Raises EstimateError where a mean is not positive: the logarithm of such a ratio has no meaning.
    Source: Welch 1947; delta method, var(log m) = var(m) / m^2.
    """
    if above.mean <= 0 or below.mean <= 0:
        raise EstimateError(f"cannot form the ratio {above.mean} / {below.mean}: both means have to be positive")
    ratio = above.mean / below.mean
    kind = BETWEEN_TRIALS if above.kind == below.kind == BETWEEN_TRIALS else WITHIN_RUN
    return Ratio(ratio=ratio, interval=_ratio_interval(ratio, above, below), kind=kind)


def t_quantile(degrees: float) -> float:
    """The two-sided 95 % quantile of Student's t."""
    from scipy.special import stdtrit  # 0.1 s to import; scipy.stats would be 1 s

    return float(stdtrit(degrees, 0.5 + CONFIDENCE / 2))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies, interpolated between neighbours (numpy's default)."""
    _refuse_unusable(values)
    if not 0 <= share <= 1:
        raise EstimateError(f"a quantile lies between 0 and 1, not at {share}")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return _within(ordered[low] + (ordered[high] - ordered[low]) * (place - low), ordered[low : high + 1])


def _ratio_interval(ratio: float, above: Estimate, below: Estimate) -> tuple[float, float] | None:
    if above.standard_error is None or below.standard_error is None:
        return None
    parts = [((side.standard_error or 0.0) / side.mean) ** 2 for side in (above, below)]
    variance = math.fsum(parts)
    if not variance:
        return ratio, ratio
    shares = [part / variance for part in parts]
    degrees = 1 / math.fsum(share**2 / (side.groups - 1) for share, side in zip(shares, (above, below), strict=True))
    factor = math.exp(t_quantile(degrees) * math.sqrt(variance))
    return ratio / factor, ratio * factor


def _standard_error(means: Sequence[float], mean: float) -> float | None:
    if len(means) < 2:
        return None
    squares = math.fsum((value - mean) ** 2 for value in means)
    return math.sqrt(squares / (len(means) - 1) / len(means))


def _within(value: float, values: Sequence[float]) -> float:
    """Rounding may carry the mean of equal values past them by one unit in the last place."""
    return min(max(value, min(values)), max(values))


def _refuse_unusable(values: Sequence[float]) -> None:
    if not values:
        raise EstimateError("no values: nothing can be estimated from an empty sample")
    for value in values:
        if not math.isfinite(value):
            raise EstimateError(f"{value} among {len(values)} values: a measurement is finite, or it is not one")
