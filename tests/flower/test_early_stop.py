"""A run that reaches its target ends there, and its records tell it: the app itself writes none of ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from deployments import Run, run_app

from analysis.convergence import Rule, judged
from analysis.trial import load_spool
from instrument.polling import variables
from instrument.records import Dispatch, Score, Span

pytestmark = pytest.mark.flower
ROUNDS, TARGET = 9, 0.75  # one client comes there in its second round


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Run:
    config = {"num-server-rounds": ROUNDS, "num-clients": 1, "target-accuracy": TARGET, "validate": False}
    return run_app(
        tmp_path_factory.mktemp("early"),
        repository / "fl_app",
        config,
        variables("fast"),
        nodes=1,
    )


def test_it_ended_well_with_the_round_that_reached_the_target(run: Run) -> None:
    assert run.status.completed
    accuracies = [float(accuracy) for _, accuracy, _ in run.models()]
    *before, last = accuracies
    assert last >= TARGET
    assert max(before) < TARGET
    rounds = len(accuracies) - 1
    assert 2 <= rounds < ROUNDS
    assert {dispatch.round for _, dispatch in run.of(Dispatch)} == set(range(1, rounds + 1))
    strategies = [span.error for _, span in run.of(Span) if span.name == "strategy"]
    assert strategies == [None], "leaving Flower's loop is no error of the run"


def test_the_decision_is_in_the_records_and_the_analysis_comes_to_the_same(run: Run) -> None:
    *others, last = [score for _, score in run.of(Score) if score.source == "server"]
    assert last.metrics["stopped-by-target"] == 1
    assert not any("stopped-by-target" in score.metrics for score in others)

    found = judged(load_spool(run.spool), Rule(target_accuracy=TARGET))
    assert found is not None
    assert found.app_stop == found.target == found.stop
    assert found.stop.round == last.round
    assert found.stop.reason == "target"
    (serverapp,) = run.role("flwr-serverapp")
    configures = [
        span.start_mono_ns for span in serverapp.records if isinstance(span, Span) and span.name == "configure"
    ]
    assert found.stop.t_s == pytest.approx((last.mono_ns - min(configures)) / 1e9)
