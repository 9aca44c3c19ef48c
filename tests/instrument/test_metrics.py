"""A collector may emit registered names only, each with its own type."""

from __future__ import annotations

import pytest

from instrument.metrics import METRICS, UnknownMetricError, checked
from instrument.phases import PHASES, SPANS, function_phase


def test_registered_values_pass_unchanged() -> None:
    values = {name: metric.type(23) for name, metric in METRICS.items()}
    assert checked(values) == values


@pytest.mark.parametrize("name", METRICS)
def test_another_type_is_refused(name: str) -> None:
    wrong = 23 if METRICS[name].type is float else 23.0
    with pytest.raises(UnknownMetricError, match=name):
        checked({name: wrong})


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.type is int])
def test_true_is_no_count(name: str) -> None:
    with pytest.raises(UnknownMetricError):
        checked({name: True})


def test_an_unregistered_name_is_refused() -> None:
    with pytest.raises(UnknownMetricError, match="not registered"):
        checked({"system_mood": 1.0})


def test_each_metric_says_what_it_is() -> None:
    for name, metric in METRICS.items():
        assert name == metric.name
        assert metric.unit
        assert metric.description
        assert metric.source
        assert name.endswith("_bytes") == (metric.unit == "By"), name
        assert name.endswith("_s") == (metric.unit == "s"), name


def test_phases_and_spans_have_their_names_once() -> None:
    assert len(PHASES) == 23
    assert {phase.symbol for phase in PHASES.values()} - {""} == {"t_d", "t_tr", "t_ts", "t_v", "t_u", "t_a"}
    assert all(SPANS.values())


@pytest.mark.parametrize(
    ("message_type", "phase"),
    [
        ("train", "train"),
        ("train.personal", "train"),
        ("evaluate", "test"),
        ("evaluate.default", "test"),
        ("evaluate.validation", "validate"),
        ("evaluate.Validate", "validate"),
        ("query", "test"),
    ],
)
def test_an_evaluate_is_a_test_unless_its_name_says_validation(message_type: str, phase: str) -> None:
    assert function_phase(message_type) == phase
