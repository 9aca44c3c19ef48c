"""The median of partly censored times: against a published example, hand-made cases, and what must always hold."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.estimators import EstimateError
from analysis.survival import CensoredMedian, censored_median

TIMES = st.integers(1, 30).map(float)
SAMPLES = st.lists(st.tuples(TIMES, st.booleans()), min_size=1, max_size=9)  # time, whether it came


def median_of(sample: list[tuple[float, bool]]) -> CensoredMedian:
    return censored_median([time for time, came in sample if came], [time for time, came in sample if not came])


def as_number(median: float | None) -> float:
    return math.inf if median is None else median


def test_it_is_the_published_one_of_freireich_and_others() -> None:
    """Weeks of remission under 6-mercaptopurine, in Klein and Moeschberger, Survival Analysis, table 1.1."""
    reached = [6, 6, 6, 7, 10, 13, 16, 22, 23]
    censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    made = censored_median(reached, censored)
    assert made.median == 23
    assert made.interval == (13, None)
    assert (made.n, made.reached, made.censored) == (21, 9, 12)


@pytest.mark.parametrize(
    ("reached", "censored", "median", "interval"),
    [
        ([4.0], [], 4.0, None),  # one trial
        ([], [4.0, 5.0], None, None),  # all censored
        ([3.0], [5.0], None, (3.0, None)),  # half of them came, and no later one: the middle is not known
        ([3.0, 5.0], [3.0], 5.0, (3.0, None)),  # of equal times the reached one goes first: 2/3, then 0
        ([4.0] * 5, [], 4.0, (4.0, None)),  # ties: five equal trials are too few for an upper end …
        ([4.0] * 6, [], 4.0, (4.0, 4.0)),  # … and six are enough: 2 x 0.5^6 < 5 %
        ([1.0, 2.0, 3.0, 4.0], [], 2.5, (1.0, None)),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [], 3.5, (1.0, 6.0)),
        ([1.0, 2.0], [9.0, 9.0, 9.0], None, (1.0, None)),
    ],
)
def test_hand_made_cases(
    reached: list[float],
    censored: list[float],
    median: float | None,
    interval: tuple[float | None, float | None] | None,
) -> None:
    made = censored_median(reached, censored)
    assert made.median == median
    assert made.interval == interval


@given(st.lists(TIMES, min_size=1, max_size=9))
def test_without_censoring_it_is_the_ordinary_median(times: list[float]) -> None:
    assert censored_median(times, []).median == statistics.median(times)


@given(SAMPLES, st.data())
def test_to_end_the_watching_where_it_came_or_later_never_lowers_it(
    sample: list[tuple[float, bool]], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(sample) - 1))
    later = sample[place][0] + data.draw(st.sampled_from([0.0, 1.0, 7.0]))
    changed = [*sample[:place], (later, False), *sample[place + 1 :]]
    assert as_number(median_of(changed).median) >= as_number(median_of(sample).median)


@given(SAMPLES, st.data())
def test_order_does_not_matter_and_a_longer_unit_stretches_nothing(
    sample: list[tuple[float, bool]], data: st.DataObject
) -> None:
    made = median_of(sample)
    assert median_of(data.draw(st.permutations(sample))) == made
    scaled = median_of([(time * 4, came) for time, came in sample])
    assert as_number(scaled.median) == as_number(made.median) * 4


@given(SAMPLES)
def test_the_interval_holds_the_median_and_never_goes_below_the_first(sample: list[tuple[float, bool]]) -> None:
    made = median_of(sample)
    if made.interval is not None:
        low, high = made.interval
        assert low is None or min(time for time, _ in sample) <= low <= as_number(made.median)
        assert high is None or high >= as_number(made.median)


@pytest.mark.parametrize(("reached", "censored"), [([], []), ([math.nan], []), ([1.0], [math.inf])])
def test_what_is_no_time_is_refused(reached: list[float], censored: list[float]) -> None:
    with pytest.raises(EstimateError):
        censored_median(reached, censored)
