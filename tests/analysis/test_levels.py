"""Trials of different levels are never one number: the tables show one combination, and the others beside it."""

from __future__ import annotations

from analysis.document import to_json
from analysis.html import page
from analysis.levels import split
from analysis.model import TrialTimes
from analysis.summary import every_trial, summarise
from analysis.terminal import as_text
from tests.analysis.made_trials import made_run, made_trial, with_facts


def with_levels(trial: TrialTimes, polling: str = "stock", **levels: object) -> TrialTimes:
    name = "-".join([trial.facts.name, *map(str, levels.values()), polling])
    settings = {**trial.facts.settings, "levels": {"interface": trial.facts.interface, **levels}, "polling": polling}
    return with_facts(trial, name=name, settings=settings)


def test_each_combination_is_apart_and_the_network_parts_nothing() -> None:
    trials = [with_levels(trial, clients=clients) for clients in (10, 2) for trial in made_run()]
    levels = split(trials)
    assert list(levels) == ["clients 2", "clients 10"]
    assert {trial.facts.interface for trial in levels["clients 2"]} == {"ethernet", "wifi", "5g"}


def test_a_factor_with_one_level_is_not_named() -> None:
    trials = [with_levels(trial, clients=4, **{"workload.settings.layout": "flat"}) for trial in made_run()]
    assert list(split(trials)) == ["stock"]


def test_polling_goes_with_the_others_and_stock_comes_first() -> None:
    trials = [
        with_levels(made_trial("5g"), polling, **{"testbed.pi_cpu": share})
        for polling in ("fast", "stock")
        for share in (0.5, "none")
    ]
    assert list(split(trials)) == ["pi_cpu 0.5", "pi_cpu none", "pi_cpu 0.5, fast", "pi_cpu none, fast"]


def test_the_numbers_are_of_one_combination_and_the_report_says_of_which() -> None:
    small = [with_levels(trial, clients=2) for trial in made_run()]
    large = [with_levels(trial, clients=4) for trial in made_run(rounds=3)]
    both = summarise([*large, *small], made_by={})
    assert both.measured == summarise(small, made_by={}).measured
    assert both.others["clients 4"].measured == summarise(large, made_by={}).measured
    assert len(every_trial(both)) == 6
    (said,) = [verdict for verdict in both.verdicts if verdict.rule == "levels"]
    assert "tables and figures are of clients 2; 1 other combination" in said.finding
    text, html = as_text(both), page(both)
    assert "The other combinations of levels, over clients 2" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "clients 4 over clients 2" in html
    assert "clients 4/clients 2" in to_json(both)["polling"]
    assert any(verdict.finding.startswith("clients 4: ") for verdict in both.verdicts)
