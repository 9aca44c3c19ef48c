"""How much trials differ, from drawn trials whose deviation is known."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from analysis.variability import (
    TrialValue,
    between_repetitions,
    metrics_of,
    trial_values,
    within_blocks,
)
from tests.analysis.made_trials import made_run, made_trial, with_facts


def drawn(cells: int, blocks: int, *, trial: float, block: float, seed: int) -> list[TrialValue]:
    chance = np.random.default_rng(seed)
    cell_logs, block_logs = chance.normal(0, 1, cells), chance.normal(0, block, blocks)
    return [
        TrialValue(cell=str(c), block=b, value=math.exp(cell_logs[c] + block_logs[b] + chance.normal(0, trial)))
        for b in range(blocks)
        for c in range(cells)
    ]


def test_one_cell_is_the_ordinary_deviation() -> None:
    values = [1.1, 0.9, 1.0, 1.3]
    found = between_repetitions([TrialValue(cell="a", block=place, value=one) for place, one in enumerate(values)])
    assert found is not None
    assert found.degrees == 3
    assert found.deviation == pytest.approx(statistics.stdev(math.log(one) for one in values))


def test_cells_and_blocks_fall_out() -> None:
    values = drawn(cells=6, blocks=200, trial=0.05, block=0.3, seed=1)
    between, within = between_repetitions(values), within_blocks(values)
    assert between is not None
    assert within is not None
    assert within.degrees == 5 * 199
    assert within.deviation == pytest.approx(0.05, rel=0.1)
    assert between.deviation == pytest.approx(math.hypot(0.05, 0.3), rel=0.15)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(600):
        found = between_repetitions(drawn(cells=3, blocks=4, trial=0.1, block=0.0, seed=seed))
        assert found is not None
        low, high = found.interval
        held += low <= 0.1 <= high
    assert held / 600 == pytest.approx(0.95, abs=5 * math.sqrt(0.95 * 0.05 / 600))


def test_nothing_repeated_nothing_known() -> None:
    assert between_repetitions([TrialValue(cell=name, block=1, value=1.0) for name in "abc"]) is None
    assert between_repetitions([]) is None
    assert within_blocks([TrialValue(cell="a", block=place, value=1.0 + place) for place in range(3)]) is None


def test_values_of_trials() -> None:
    trials = made_run(trials=3)
    invalid = with_facts(made_trial("5g"), outcome="invalid")
    values = trial_values([*trials, invalid], "t_r")
    assert len(values) == 9
    assert len({one.cell for one in values}) == 3
    expected = statistics.fmean(made.t_r_s for made in trials[0].rounds if made.t_r_s)
    assert values[0].value == pytest.approx(expected)
    marked = with_facts(trials[0], settings={"warmup_rounds": 3})
    (one,) = trial_values([marked], "wall")
    assert one.value == pytest.approx(statistics.fmean(made.wall_s for made in trials[0].rounds[3:]))
    assert {"t_r", "wall", "uplink_active", "train"} <= set(metrics_of(trials))
    assert metrics_of([invalid]) == []
