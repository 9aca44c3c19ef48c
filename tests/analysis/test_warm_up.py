"""Rounds of warm-up are kept in the records and left out of every number, as if they had not been."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.measured import measure
from analysis.model import TrialTimes
from analysis.summary import summarise
from analysis.warm_up import without_warm_up
from tests.analysis.made_trials import made_trial, with_facts


def slow_at_first(trial: TrialTimes, rounds: int) -> TrialTimes:
    """The trial with so many first rounds in which every uplink takes a minute."""
    changed = [
        replace(message, uplink=replace(message.uplink, active_s=60.0))
        if message.uplink is not None and message.round <= rounds
        else message
        for message in trial.messages
    ]
    return replace(trial, messages=changed)


@pytest.mark.parametrize("evaluate", [False, True])
def test_marked_rounds_change_no_number(evaluate: bool) -> None:
    plain = made_trial("5g", rounds=7, evaluate=evaluate)
    kept = replace(
        plain,
        rounds=[made for made in plain.rounds if made.round > 2],
        messages=[message for message in plain.messages if message.round > 2],
        evaluate_server_s=plain.evaluate_server_s[2:],
    )
    marked = with_facts(slow_at_first(plain, 2), settings={**plain.facts.settings, "warmup_rounds": 2})
    assert measure([marked]) == measure([kept])
    assert measure([slow_at_first(plain, 2)]) != measure([kept])


def test_the_trial_itself_keeps_its_rounds() -> None:
    trial = with_facts(made_trial("5g"), settings={"warmup_rounds": 2})
    summary = summarise([trial])
    assert len(summary.trials[0].rounds) == 5
    assert summary.measured.rounds["5g"].complete == 3


def test_an_evaluation_before_the_first_round_goes_with_the_warm_up() -> None:
    trial = replace(made_trial("5g", rounds=3), evaluate_server_s=[9.0, 0.1, 0.2, 0.3])
    (left,) = without_warm_up([with_facts(trial, settings={"warmup_rounds": 1})])
    assert list(left.evaluate_server_s) == [0.2, 0.3]


@pytest.mark.parametrize("said", [None, 0, "2", -1])
def test_without_a_mark_nothing_is_left_out(said: object) -> None:
    trial = with_facts(made_trial("5g"), settings={"warmup_rounds": said})
    assert without_warm_up([trial]) == [trial]
