"""From a trial's scores to rounds and time to a target: judged, censored, told with its verdicts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_trials import made_trial, with_facts

from analysis.convergence import Moment, Rule, judged
from analysis.document import to_json
from analysis.html import page
from analysis.model import TrialTimes
from analysis.summary import summarise
from analysis.tables import trials_table
from analysis.terminal import as_text
from fl_app.workloads.stopping import EarlyStop, Patience

TARGET = Rule(target_accuracy=0.8)
BOTH = Rule(target_accuracy=0.8, patience=2, min_delta=0.01)


def trial(
    accuracies: Sequence[float],
    *,
    name: str = "000-5g",
    seconds: float = 10.0,
    rounds: int | None = None,
    rule: Rule | None = None,
    metric: str = "accuracy",
    source: str = "server",
    told: str = "",
) -> TrialTimes:
    """Scores of fresh parameters and then of each round, one every so many seconds after the first configure."""
    made = made_trial("5g", name=name, rounds=2)
    last = len(accuracies) - 1
    scores = [
        (number, source, {metric: score, **({f"stopped-by-{told}": 1.0} if told and number == last else {})})
        for number, score in enumerate(accuracies)
    ]
    settings: dict[str, Any] = dict(made.facts.settings)
    if rule is not None:
        keys = ("metric", "target_accuracy", "patience", "min_delta")
        settings["convergence"] = {key: getattr(rule, key) for key in keys}
    return replace(
        with_facts(made, settings=settings, rounds=last if rounds is None else rounds),
        scores=scores,
        score_times_s=[number * seconds - 0.5 for number, _ in enumerate(accuracies)],
    )


def convergence(*trials: TrialTimes) -> Any:
    made = to_json(summarise(trials, made_by={}))
    return json.loads(json.dumps(made, allow_nan=False))["convergence"]["5g"]


def rules_broken(*trials: TrialTimes) -> dict[str, str]:
    return {verdict.rule: verdict.finding for verdict in summarise(trials, made_by={}).verdicts}


def test_the_first_round_that_is_good_enough_counts_and_fresh_parameters_never() -> None:
    found = judged(trial([0.9, 0.5, 0.8, 0.7]), TARGET)
    assert found is not None
    assert found.target == found.stop == Moment(round=2, t_s=19.5, reason="target")
    assert found.best == 0.8
    assert found.app_stop is None


def test_a_target_that_never_came_is_censored_at_the_last_score() -> None:
    found = judged(trial([0.1, 0.5, 0.79]), TARGET)
    assert found is not None
    assert found.target == Moment(round=2, t_s=19.5)
    assert found.target.censored


def test_patience_stops_and_the_target_may_come_later_where_the_app_went_on() -> None:
    found = judged(trial([0.1, 0.5, 0.5, 0.505, 0.9]), BOTH)
    assert found is not None
    assert found.stop == Moment(round=3, t_s=29.5, reason="patience")
    assert found.target == Moment(round=4, t_s=39.5, reason="target")


def test_the_server_s_score_goes_before_the_clients_and_these_serve_alone() -> None:
    clients = trial([0.1, 0.85], source="evaluate", metric="eval_acc")
    found = judged(clients, Rule(metric="eval_acc", target_accuracy=0.8))
    assert found is not None
    assert (found.source, found.target and found.target.round) == ("evaluate", 1)
    both = replace(
        clients,
        scores=[*clients.scores, (1, "server", {"eval_acc": 0.7})],
        score_times_s=[*clients.score_times_s, 11.0],
    )
    found = judged(both, Rule(metric="eval_acc", target_accuracy=0.8))
    assert found is not None
    assert (found.source, found.best) == ("server", 0.7)


@given(
    course=st.lists(st.floats(0, 1), min_size=2, max_size=12),
    target=st.one_of(st.none(), st.floats(0.01, 1)),
    patience=st.integers(0, 4),
    min_delta=st.floats(0, 0.3),
)
def test_it_is_the_bundled_app_s_own_decision(
    course: list[float], target: float | None, patience: int, min_delta: float
) -> None:
    """The app imports nothing of ours, so the rule is written twice: it must be one."""
    app = EarlyStop(target_accuracy=target or 0.0, patience=Patience(rounds=patience, min_delta=min_delta))
    decided = next(
        ((number, reason) for number in range(len(course)) if (reason := app.reason(course[: number + 1]))), None
    )
    found = judged(trial(course), Rule(target_accuracy=target, patience=patience, min_delta=min_delta))
    assert found is not None
    assert decided == (None if found.stop.censored else (found.stop.round, found.stop.reason))


def test_a_network_has_medians_and_no_means_and_every_trial_is_there() -> None:
    made = convergence(
        trial([0.1, 0.5, 0.8], name="000", rule=BOTH, told="target"),
        trial([0.1, 0.85, 0.9], name="001", rule=BOTH, seconds=20),
        trial([0.1, 0.5, 0.6, 0.7], name="002", rule=BOTH),
    )
    assert made["target_accuracy"] == 0.8
    assert made["target"] == {
        "median_rounds": 2,
        "ci95_rounds": [1, None],
        "median_s": 19.5,
        "ci95_s": [19.5, None],
        "n": 3,
        "reached": 2,
        "censored": 1,
    }
    assert made["stops"] == {"target": 2}
    assert [one["trial"] for one in made["trials"]] == ["000", "001", "002"]
    assert made["trials"][0]["app_stop"] == {"round": 2, "t_s": 19.5, "reason": "target", "censored": False}
    assert made["trials"][2]["target"] == {"round": 3, "t_s": 29.5, "reason": "", "censored": True}
    assert "mean" not in json.dumps(made)


def test_fewer_rounds_than_asked_for_have_their_reason_beside_them() -> None:
    ended = with_facts(trial([0.1, 0.5, 0.8], rule=TARGET, told="target"), rounds=9)
    (shown,) = trials_table([ended]).rows
    assert shown.cells[3] == "2 of 9\nstopped: target"
    (whole,) = trials_table([trial([0.1, 0.5, 0.8], rule=TARGET)]).rows
    assert whole.cells[3] == "2 of 2"


def test_warm_ups_and_invalid_trials_are_no_censored_ones() -> None:
    good = trial([0.1, 0.8], name="000", rule=TARGET)
    lost = with_facts(trial([0.1, 0.2], name="001", rule=TARGET), outcome="invalid", reason="a node was lost")
    warm_up = with_facts(trial([0.1, 0.2], name="002", rule=TARGET), warmup=True)
    assert convergence(good, lost, warm_up)["target"]["n"] == 1


def test_without_a_rule_nothing_is_said() -> None:
    summary = summarise([trial([0.1, 0.8])], made_by={})
    assert "convergence" not in to_json(summary)
    assert "Convergence" not in as_text(summary)
    assert "Convergence" not in page(summary)


def test_where_no_trial_came_there_a_verdict_says_what_is_known() -> None:
    trials = [trial([0.1, 0.5, 0.79], name=f"00{n}", rule=TARGET, seconds=10 + n) for n in range(2)]
    found = rules_broken(*trials)["all_censored"]
    assert "none of 2 trials came to the target (accuracy 0.8; the best score was 0.79)" in found
    assert "more than 19.5 s" in found
    assert convergence(*trials)["target"]["median_s"] is None
    assert "all_censored" not in rules_broken(*trials, trial([0.1, 0.8], name="002", rule=TARGET))


def test_a_stop_that_never_came_has_a_verdict_of_its_own() -> None:
    found = rules_broken(trial([0.1, 0.4, 0.7], rule=Rule(patience=2)))["all_censored"]
    assert "the only trial never came to a stop (2 rounds without a gain of 0.01" in found


def test_a_trial_that_ended_early_without_the_target_is_named() -> None:
    ended = trial([0.1, 0.5, 0.5, 0.5], name="000", rule=BOTH, rounds=9, told="patience")
    whole = trial([0.1, 0.5, 0.6, 0.7], name="001", rule=BOTH)
    assert "1 trial (000)" in rules_broken(ended, whole)["ended_before_target"]
    assert "ended_before_target" not in rules_broken(whole)
    assert "ended_before_target" not in rules_broken(
        trial([0.1, 0.8], name="002", rule=BOTH, rounds=9, told="target")
    )


def test_a_metric_that_no_round_has_is_told_with_those_that_there_are() -> None:
    found = rules_broken(trial([0.1, 0.5], rule=Rule(metric="acc", target_accuracy=0.8)))["unscored"]
    assert "score 'acc'; there are accuracy." in found
    summary = summarise([trial([0.1, 0.5], rule=Rule(metric="acc", target_accuracy=0.8))], made_by={})
    assert "rounds to target" not in as_text(summary)


def test_trials_under_different_rules_have_no_common_median() -> None:
    trials = [trial([0.1, 0.9], name=f"00{n}", rule=Rule(target_accuracy=0.8 + n / 10)) for n in range(2)]
    assert "2 different rules" in rules_broken(*trials)["different_rules"]
    assert "convergence" not in to_json(summarise(trials, made_by={}))


@pytest.mark.parametrize(
    ("rule", "heading"),
    [
        (TARGET, "accuracy ≥ 0.8"),
        (BOTH, "accuracy ≥ 0.8; stop there or after 2 rounds without a gain of 0.01"),
        (Rule(patience=1), "stop after 1 round without a gain of 0.01 in accuracy"),
    ],
)
def test_the_terminal_and_the_page_say_the_rule_and_the_medians(rule: Rule, heading: str) -> None:
    trials = [trial([0.1, 0.5, 0.8, 0.8][: 4 - n], name=f"00{n}", rule=rule) for n in range(3)]
    summary = summarise(trials, made_by={})
    text, shown = as_text(summary), page(summary)
    assert f"Convergence: {heading}" in text
    assert heading in shown
    if rule.target_accuracy is not None:
        assert "rounds to target 2 [2, ∞]" in " ".join(text.split())
        assert "2 of 3" in text
        assert "not by round 1" in shown
