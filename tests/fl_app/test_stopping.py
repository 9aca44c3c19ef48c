from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_app.workloads.stopping import EarlyStop, Patience

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


def reason(course: list[float], *, target: float = 0.0, patience: int = 0) -> str | None:
    return EarlyStop(target_accuracy=target, patience=Patience(rounds=patience, min_delta=0.01)).reason(course)


def test_the_target_is_reached_by_equality_and_goes_before_patience() -> None:
    assert reason([0.1, 0.8], target=0.8) == "target"
    assert reason([0.1, 0.79], target=0.8) is None
    assert reason([0.85, 0.8], target=0.8, patience=1) == "target"
    assert reason([0.75, 0.7], target=0.8, patience=1) == "patience"


def test_fresh_parameters_reach_no_target() -> None:
    assert reason([0.9], target=0.8) is None


@given(course=ACCURACIES, patience=st.integers(0, 3))
def test_without_a_target_patience_alone_decides(course: list[float], patience: int) -> None:
    exhausted = Patience(rounds=patience, min_delta=0.01).exhausted(course)
    assert reason(course, patience=patience) == ("patience" if exhausted else None)


@pytest.mark.parametrize("target", [-0.1, 1.1, float("nan")])
def test_a_target_that_is_no_share_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        EarlyStop(target_accuracy=target, patience=Patience(rounds=0, min_delta=0))
