"""Power figures are held against simulation: the chance that a test finds an effect, counted over drawn trials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.estimators import BETWEEN_TRIALS, estimate, ratio_of_means
from analysis.power import (
    TWO_GROUPS,
    Comparison,
    PowerError,
    _passes,
    power,
    repetitions_needed,
    smallest_ratio,
)

DRAWN = 40_000  # a share near one half has a standard error of 0.25 points
POINTS = 0.02


def t_critical(degrees: Any) -> Any:
    from scipy.special import stdtrit

    return stdtrit(degrees, 0.975)


def found_between_groups(ratio: float, deviation: float, repetitions: int, seed: int) -> float:
    """How often Welch's test of two groups of log-normal trials finds the ratio."""
    drawn = np.random.default_rng(seed)
    logs = drawn.normal(0.0, deviation, (DRAWN, 2, repetitions))
    logs[:, 0] += math.log(ratio)
    means, variances = logs.mean(axis=2), logs.var(axis=2, ddof=1)
    both = variances.sum(axis=1)
    degrees = (repetitions - 1) * both**2 / (variances**2).sum(axis=1)
    return float(np.mean(np.abs(means[:, 0] - means[:, 1]) > t_critical(degrees) * np.sqrt(both / repetitions)))


def found_in_blocks(ratio: float, deviation: float, repetitions: int, cells: int, seed: int) -> float:
    """The same of two cells among several in complete blocks that differ far more than their trials."""
    drawn = np.random.default_rng(seed)
    logs = drawn.normal(0.0, deviation, (DRAWN, repetitions, cells))
    logs += drawn.normal(0.0, 10 * deviation, (DRAWN, repetitions, 1))
    logs[:, :, 0] += math.log(ratio)
    left = logs - logs.mean(axis=2, keepdims=True) - logs.mean(axis=1, keepdims=True)
    left += logs.mean(axis=(1, 2), keepdims=True)
    degrees = (cells - 1) * (repetitions - 1)
    error = np.sqrt((left**2).sum(axis=(1, 2)) / degrees * 2 / repetitions)
    difference = logs[:, :, 0].mean(axis=1) - logs[:, :, 1].mean(axis=1)
    return float(np.mean(np.abs(difference) > t_critical(degrees) * error))


@pytest.mark.parametrize("repetitions", [2, 3, 5, 10, 20])
@pytest.mark.parametrize(("ratio", "deviation"), [(1.1, 0.1), (1.3, 0.1), (0.5, 0.4), (1.0, 0.2)])
def test_two_groups_agree_with_simulation(ratio: float, deviation: float, repetitions: int) -> None:
    said = power(ratio, deviation=deviation, repetitions=repetitions)
    assert said == pytest.approx(found_between_groups(ratio, deviation, repetitions, seed=2504), abs=POINTS)


@pytest.mark.parametrize("repetitions", [2, 3, 6, 12])
@pytest.mark.parametrize("cells", [2, 3, 6])
@pytest.mark.parametrize("ratio", [1.05, 1.15])
def test_blocks_agree_with_simulation(ratio: float, cells: int, repetitions: int) -> None:
    said = power(ratio, deviation=0.1, repetitions=repetitions, comparison=Comparison("blocks", cells))
    assert said == pytest.approx(found_in_blocks(ratio, 0.1, repetitions, cells, seed=2504), abs=POINTS)


def test_the_smallest_ratio_is_found_as_often_as_wanted() -> None:
    ratio = smallest_ratio(deviation=0.15, repetitions=6)
    assert ratio is not None
    assert found_between_groups(ratio, 0.15, 6, seed=11) == pytest.approx(0.8, abs=POINTS)
    assert found_between_groups(1 / ratio, 0.15, 6, seed=12) == pytest.approx(0.8, abs=POINTS)


def test_a_known_number() -> None:
    """Cohen 1988, table 2.4.1: d = 0.5 at 5 % two-sided and power 0.80 takes 64 in each group; d = 0.8 takes 26."""
    assert repetitions_needed(math.exp(0.5), deviation=1.0) == 64
    assert repetitions_needed(math.exp(0.8), deviation=1.0) == 26


@given(
    ratio=st.floats(1.03, 3.0),
    deviation=st.floats(0.01, 0.8),
    comparison=st.builds(Comparison, st.sampled_from(["two groups", "blocks"]), st.integers(2, 12)),
)
def test_the_repetitions_needed_are_enough_and_one_fewer_is_not(
    ratio: float, deviation: float, comparison: Comparison
) -> None:
    enough = repetitions_needed(ratio, deviation=deviation, comparison=comparison)
    assert power(ratio, deviation=deviation, repetitions=enough, comparison=comparison) >= 0.8
    if enough > 2:
        assert power(ratio, deviation=deviation, repetitions=enough - 1, comparison=comparison) < 0.8
    smallest = smallest_ratio(deviation=deviation, repetitions=enough, comparison=comparison)
    assert smallest is not None
    assert smallest <= ratio * (1 + 1e-9)


@given(repetitions=st.integers(2, 50), deviation=st.floats(0.01, 1.0))
def test_an_effect_and_its_inverse_are_found_alike(repetitions: int, deviation: float) -> None:
    for ratio in (1.0, 1.2, 2.0):
        there = power(ratio, deviation=deviation, repetitions=repetitions)
        back = power(1 / ratio, deviation=deviation, repetitions=repetitions)
        assert there == pytest.approx(back, abs=1e-9)
        assert 0 < there <= 1 + 1e-9


@given(degrees=st.integers(1, 500), off_centre=st.floats(0, 6), level=st.floats(0.001, 0.2))
def test_the_non_central_t_is_scipys_where_scipy_has_one(degrees: int, off_centre: float, level: float) -> None:
    from scipy.special import nctdtr, stdtrit

    critical = float(stdtrit(degrees, 1 - level / 2))
    expected = 1 - nctdtr(degrees, off_centre, critical) + 1 - nctdtr(degrees, -off_centre, critical)
    if math.isfinite(expected):
        assert _passes(degrees, off_centre, critical) == pytest.approx(expected, abs=2e-3)


def test_no_effect_is_found_as_often_as_the_level_says_and_less_by_welch_of_few_trials() -> None:
    blocks = [power(1.0, deviation=0.1, repetitions=n, comparison=Comparison("blocks", 3)) for n in (2, 5, 50)]
    assert blocks == pytest.approx([0.05] * 3, abs=2e-3)
    groups = [power(1.0, deviation=0.1, repetitions=n) for n in (2, 5, 50)]
    assert groups == sorted(groups)
    assert groups[0] < 0.03
    assert groups[-1] == pytest.approx(0.05, abs=2e-3)


def test_two_groups_are_the_reports_own_comparison() -> None:
    """How often the report's 95 % interval of a ratio leaves 1 out."""
    drawn = np.random.default_rng(2504)
    kind, times, ratio, deviation, repetitions = BETWEEN_TRIALS, 6_000, 1.2, 0.1, 4
    found = 0
    for above, below in np.exp(drawn.normal(0.0, deviation, (times, 2, repetitions))).tolist():
        sides = [[[value * ratio] for value in above], [[value] for value in below]]
        interval = ratio_of_means(*(estimate(side, kind=kind) for side in sides)).interval
        assert interval is not None
        found += not interval[0] < 1 < interval[1]
    assert power(ratio, deviation=deviation, repetitions=repetitions) == pytest.approx(found / times, abs=POINTS)


def test_one_repetition_tells_nothing() -> None:
    assert power(10.0, deviation=0.1, repetitions=1) == 0
    assert smallest_ratio(deviation=0.1, repetitions=1) is None


@pytest.mark.parametrize("deviation", [0.0, -1.0, math.nan, math.inf])
def test_no_deviation_no_answer(deviation: float) -> None:
    with pytest.raises(PowerError, match="deviation"):
        power(1.1, deviation=deviation, repetitions=5)
    with pytest.raises(PowerError, match="no effect"):
        repetitions_needed(1.0, deviation=0.1, comparison=TWO_GROUPS)
