"""Stock and fast polling in one run are two experiments: apart in every table, then side by side."""

from __future__ import annotations

import pytest
from made_trials import made_run, made_trial, with_facts

from analysis.document import to_json
from analysis.html import page
from analysis.levels import polling_of, split
from analysis.model import TrialTimes
from analysis.summary import every_trial, summarise
from analysis.terminal import as_text
from analysis.waiting import WAITING_PHASES, waiting

FAST = {"polling": "fast", "fast_waits_s": 0.25}


def fast(trial: TrialTimes) -> TrialTimes:
    return with_facts(trial, name=trial.facts.name + "-fast", settings={**trial.facts.settings, **FAST})


def test_a_run_of_both_levels_shows_flower_as_it_is() -> None:
    stock = made_run()
    both = summarise([*map(fast, stock), *stock], made_by={})
    alone = summarise(stock, made_by={})
    assert both.level == "stock"
    assert both.measured == alone.measured
    assert list(both.others) == ["fast"]
    assert len(every_trial(both)) == 2 * len(stock)
    assert len(to_json(both)["trials"]) == 2 * len(stock)


def test_a_run_of_fast_trials_alone_shows_those() -> None:
    made = summarise([fast(trial) for trial in made_run()], made_by={})
    assert (made.level, dict(made.others)) == ("fast", {})
    assert made.measured.interfaces == ["ethernet", "wifi", "5g"]


def test_a_level_without_a_usable_trial_is_not_the_headline() -> None:
    trial = made_trial("5g")
    levels = split([with_facts(trial, outcome="invalid"), fast(trial)])
    assert list(levels) == ["fast", "stock"]
    assert [polling_of(one) for of in levels.values() for one in of] == ["fast", "stock"]


def test_waiting_is_what_the_critical_path_was_charged_for_polls() -> None:
    measured = summarise(made_run(), made_by={}).measured
    for name, of in waiting(measured).items():
        charged = measured.charged[name]
        assert of.waiting_s == pytest.approx(sum(charged.get(phase, 0.0) for phase in WAITING_PHASES))
        assert of.share == pytest.approx(sum(measured.share(name).get(phase, 0.0) for phase in WAITING_PHASES))


def test_the_document_holds_both_and_one_over_the_other() -> None:
    document = to_json(summarise([*made_run(), *map(fast, made_run())], made_by={}))["polling"]
    assert document["headline"] == "stock"
    assert set(document["levels"]) == {"stock", "fast"}
    assert document["levels"]["stock"]["5g"]["waiting_share"] == document["levels"]["fast"]["5g"]["waiting_share"]
    assert document["fast/stock"]["5g"]["wall"]["ratio"] == pytest.approx(1.0)


def test_terminal_and_page_say_which_is_which() -> None:
    made = summarise([*made_run(), *map(fast, made_run())], made_by={})
    text, html = as_text(made), page(made)
    assert "fast / stock" in text
    assert "waiting for polls" in text
    assert "Fast polling over stock" in html
    assert "fast polling: Flower's waits were shortened" in " ".join(verdict.finding for verdict in made.verdicts)
    assert max(len(line) for line in text.splitlines()) <= 80


def test_without_a_second_level_nothing_is_compared() -> None:
    made = summarise(made_run(), made_by={})
    assert "fast" not in to_json(made)["polling"]["levels"]
    assert "Flower&#x27;s own waits" in page(made)
    assert "fast / stock" not in as_text(made)
