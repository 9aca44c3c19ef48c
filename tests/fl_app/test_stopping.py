from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_app.workloads.stopping import Patience

ACCURACIES = st.lists(st.floats(0, 1), max_size=23)


def test_it_stops_after_so_many_rounds_without_gain() -> None:
    patience = Patience(rounds=2, min_delta=0.01)
    course = [0.1, 0.5, 0.6, 0.605, 0.6]
    assert [patience.exhausted(course[:n]) for n in range(1, 6)] == [False, False, False, False, True]


def test_small_gains_count_once_they_add_up() -> None:
    assert Patience(rounds=9, min_delta=0.01).waited([0.5, 0.506, 0.512]) == 0


@given(course=ACCURACIES, min_delta=st.floats(0, 1))
def test_no_patience_set_means_never(course: list[float], min_delta: float) -> None:
    assert not Patience(rounds=0, min_delta=min_delta).exhausted(course)


@given(course=ACCURACIES, rounds=st.integers(1, 5), min_delta=st.floats(0, 0.5))
def test_it_never_stops_before_its_patience_has_passed(course: list[float], rounds: int, min_delta: float) -> None:
    if Patience(rounds=rounds, min_delta=min_delta).exhausted(course):
        assert len(course) > rounds


@given(course=st.lists(st.floats(0, 1), min_size=1, max_size=23), rounds=st.integers(1, 5))
def test_a_gain_in_the_last_round_keeps_it_going(course: list[float], rounds: int) -> None:
    assert not Patience(rounds=rounds, min_delta=0.01).exhausted([*course, max(course) + 0.011])


@given(course=ACCURACIES, rounds=st.integers(1, 5), min_delta=st.floats(0, 0.5))
def test_more_patience_never_stops_earlier(course: list[float], rounds: int, min_delta: float) -> None:
    if Patience(rounds=rounds + 1, min_delta=min_delta).exhausted(course):
        assert Patience(rounds=rounds, min_delta=min_delta).exhausted(course)


@pytest.mark.parametrize(("rounds", "min_delta"), [(-1, 0.0), (1, -0.1)])
def test_negative_settings_are_refused(rounds: int, min_delta: float) -> None:
    with pytest.raises(ValueError, match="neither may be negative"):
        Patience(rounds=rounds, min_delta=min_delta)
