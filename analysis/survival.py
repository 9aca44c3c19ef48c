"""The median of times of which some had not come when the watching ended: Kaplan and Meier's, with its interval.

A censored time is known to be longer than it was watched. A mean would need to know by how much, and leaving it out
would flatter: so there is no mean here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.estimators import CONFIDENCE, EstimateError

_ROUNDING = 1e-9  # of a product of fractions that is a half


@dataclass(frozen=True, slots=True, kw_only=True)
class CensoredMedian:
    """The median time, and the 95 % interval around it; None is what more watching would be needed for.

    `median` is None where less than half are known to have come, or half and no later one; an end of `interval` is
    None where the interval is open to that side, `interval` where it is open to both.
    """

    median: float | None
    interval: tuple[float | None, float | None] | None
    reached: int
    censored: int

    @property
    def n(self) -> int:
        """All that were watched."""
        return self.reached + self.censored


def censored_median(reached: Sequence[float], censored: Sequence[float]) -> CensoredMedian:
    """The median of times that came (`reached`) and times up to which others were watched in vain (`censored`).

    Without censored times it is the ordinary median: where the curve lies at a half for a while, the middle of that
    while. Of equal times the reached ones go first. The interval holds the times at which the log-log band of the
    curve holds a half (Brookmeyer and Crowley 1982); where nothing is censored and the curve has come to zero, which
    the formula has no band for, its upper end is the binomial's (Clopper and Pearson 1934).

    Raises EstimateError where there is no time at all, or one that is not finite.
    Source: Kaplan and Meier 1958; the curve and its band are scipy.stats.ecdf's.
    """
    if not (reached or censored):
        raise EstimateError("no times: nothing can be estimated from an empty sample")
    if not all(math.isfinite(time) for time in (*reached, *censored)):
        raise EstimateError(f"not all of {len(reached) + len(censored)} times are finite: a measurement is")
    if not reached:
        return CensoredMedian(median=None, interval=None, reached=0, censored=len(censored))
    times, curve, low, high = _curve(reached, censored)
    at_half, below = _first(times, curve, 0.5 + _ROUNDING), _first(times, curve, 0.5 - _ROUNDING)
    ends = (_first(times, low, 0.5), _first(times, high, 0.5))
    return CensoredMedian(
        median=None if at_half is None or below is None else (at_half + below) / 2,
        interval=None if ends == (None, None) or len(reached) + len(censored) < 2 else ends,
        reached=len(reached),
        censored=len(censored),
    )


def _curve(
    reached: Sequence[float], censored: Sequence[float]
) -> tuple[list[float], list[float], list[float], list[float]]:
    """The distinct times, and after each of them the share still to come with the ends of its band."""
    from scipy.stats import CensoredData, ecdf  # 1 s to import, which a report without censored times need not pay

    remaining = ecdf(CensoredData(uncensored=list(reached), right=list(censored))).sf
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The confidence interval is undefined", RuntimeWarning)
        band = remaining.confidence_interval(CONFIDENCE, method="log-log")
    curve = [float(share) for share in remaining.probabilities]
    at_zero = 1.0 if censored else 1 - ((1 - CONFIDENCE) / 2) ** (1 / len(reached))
    low = [_known(end, share, 0.0) for end, share in zip(band.low.probabilities, curve, strict=True)]
    high = [_known(end, share, at_zero) for end, share in zip(band.high.probabilities, curve, strict=True)]
    return [float(time) for time in remaining.quantiles], curve, low, high


def _known(end: float, share: float, at_zero: float) -> float:
    """An end of the band, which the formula leaves undefined where the curve is at one or at zero."""
    if not math.isnan(end):
        return float(end)
    return at_zero if share < 0.5 else 1.0


def _first(times: Sequence[float], shares: Sequence[float], at_most: float) -> float | None:
    return next((time for time, share in zip(times, shares, strict=True) if share <= at_most), None)
