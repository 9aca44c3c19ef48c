"""Invalid trials are counted by reason everywhere, and are in no number."""

from __future__ import annotations

import json

import pytest

from analysis.document import to_json
from analysis.html import page
from analysis.invalid import by_reason, cell_of, empty_cells
from analysis.measured import measure
from analysis.model import TrialTimes
from analysis.rules import judge
from analysis.summary import summarise
from analysis.terminal import as_text
from analysis.verdicts import Verdict
from tests.analysis.made_trials import made_trial, with_facts


def invalid(name: str, *reasons: str, interface: str = "5g") -> TrialTimes:
    told = [{"reason": reason, "detail": f"{reason} of 7"} for reason in reasons]
    return with_facts(made_trial(interface), name=name, outcome="invalid", reason="; ".join(reasons), reasons=told)


def valid(count: int, interface: str = "5g") -> list[TrialTimes]:
    return [
        with_facts(made_trial(interface, seed=seed), name=f"{seed:03d}-{interface}-r{seed}") for seed in range(count)
    ]


def found(trials: list[TrialTimes], rule: str) -> list[Verdict]:
    return [verdict for verdict in judge(trials, measure(trials)) if verdict.rule == rule]


TRIALS = [*valid(5), invalid("005-5g-r6", "other load", "throttled"), invalid("006-5g-r7", "other load")]


def test_the_document_has_every_trial_with_its_reasons_and_the_counts() -> None:
    document = json.loads(json.dumps(to_json(summarise(TRIALS, made_by={})), allow_nan=False))
    assert [trial["valid"] for trial in document["trials"]] == [True] * 5 + [False] * 2
    assert document["trials"][5]["reasons"] == [
        {"reason": "other load", "detail": "other load of 7"},
        {"reason": "throttled", "detail": "throttled of 7"},
    ]
    assert document["trials"][0]["reasons"] == []
    assert document["validity"] == {
        "trials": 7,
        "valid": 5,
        "invalid": 2,
        "by_reason": {"other load": 2, "throttled": 1},
        "cells_without_valid_trial": [],
    }


def test_numbers_are_those_of_the_valid_trials_alone() -> None:
    slower = [*TRIALS, with_facts(made_trial("5g", seed=99), outcome="invalid", reasons=[])]
    alone, beside = (to_json(summarise(trials, made_by={})) for trials in (valid(5), slower))
    for part in ("phases", "ratios", "over_bound", "round", "share"):
        assert alone[part] == beside[part]


def test_people_see_the_counts_on_the_terminal_and_on_the_page() -> None:
    summary = summarise(TRIALS, made_by={})
    for text in (as_text(summary), page(summary)):
        assert "Invalid trials, by reason" in text
        assert "005-5g-r6 and 006-5g-r7" in text
    assert "Invalid trials" not in as_text(summarise(valid(5), made_by={}))


def test_runs_from_before_the_list_are_counted_too() -> None:
    old = [
        with_facts(made_trial("5g"), name="a", outcome="invalid", reason="node3 vanished"),
        with_facts(made_trial("5g"), name="b", outcome="unfinished", reason="the run ended before this trial did"),
    ]
    assert by_reason(old) == {"interrupted": ["b"], "not classified": ["a"]}
    document = to_json(summarise([*valid(2), *old], made_by={}))
    assert document["trials"][2]["reasons"] == [{"reason": "not classified", "detail": "node3 vanished"}]


def test_attempts_at_one_trial_are_told_apart() -> None:
    attempts = [
        with_facts(invalid("000-5g-r1", "throttled"), settings={"attempt": 1}),
        with_facts(invalid("000-5g-r1", "throttled"), settings={"attempt": 2}),
        with_facts(made_trial("5g"), name="000-5g-r1", settings={"attempt": 3}),
        with_facts(invalid("001-5g-r2", "throttled"), settings={"attempt": 1}),
    ]
    assert by_reason(attempts) == {"throttled": ["000-5g-r1 (attempt 1)", "000-5g-r1 (attempt 2)", "001-5g-r2"]}


@pytest.mark.parametrize(("bad", "severity"), [(1, []), (2, ["warn"]), (6, ["unfit"])])
def test_many_invalid_trials_are_a_finding(bad: int, severity: list[str]) -> None:
    trials = [*valid(5), *(invalid(f"{place:03d}-5g-r{place}", "node lost") for place in range(5, 5 + bad))]
    verdicts = found(trials, "many_invalid")
    assert [verdict.severity for verdict in verdicts] == severity
    assert all(f"{bad} of {5 + bad} trials invalid" in verdict.finding for verdict in verdicts)
    assert all(f"node lost ({bad})" in verdict.finding for verdict in verdicts)


def test_a_cell_without_a_valid_trial_is_unfit_though_its_network_has_others() -> None:
    trials = [*valid(9), invalid("009-5g-fast-r1", "clock error")]
    (verdict,) = found(trials, "cells_without_trial")
    assert verdict.severity == "unfit"
    assert "no valid trial for 5g-fast:" in verdict.finding
    repeated = with_facts(made_trial("5g"), name="009-5g-fast-r1-again")
    assert found([*trials, repeated], "cells_without_trial") == []


def test_a_trials_cell_is_by_its_levels_where_it_tells_them() -> None:
    trial = with_facts(made_trial("5g"), name="x", settings={"levels": {"interface": "5g", "clients": 4}})
    assert cell_of(trial) == "interface 5g, clients 4"
    assert cell_of(with_facts(made_trial("5g"), name="x")) == "5g"


def test_warm_ups_are_of_no_cell() -> None:
    assert empty_cells([with_facts(made_trial("wifi"), warmup=True, outcome="invalid"), *valid(1)]) == []


def test_the_next_step_is_that_of_the_reason() -> None:
    (verdict,) = found([*valid(2), invalid("a", "throttled")], "invalid_trials")
    assert verdict.finding == "trial a is invalid (throttled): throttled; it is kept out of every number."
    assert verdict.next_step.startswith("Cool that host")
