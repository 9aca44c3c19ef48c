"""Time by size: known coefficients come back, intervals cover, honest refusals; and where the report shows it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from made_trials import made_run, made_trial, with_facts
from scipy import stats

from analysis.document import to_json
from analysis.estimators import EstimateError
from analysis.html import page
from analysis.model import Transfer, TrialTimes
from analysis.samples import by_interface
from analysis.summary import Summary, summarise
from analysis.sweep import Coefficient, Point, fit, refusal, sweeps_of
from analysis.terminal import as_text

SIZES, OBJECTS = (100_000, 1_000_000, 3_000_000), (5, 12, 67)
GRID = tuple(product(SIZES, OBJECTS))


def points(
    a_s: float, b_s: float, c_s: float, *, grid: Sequence[tuple[float, float]] = GRID, noise: Sequence[float] = ()
) -> list[Point]:
    noise = noise or [0.0] * len(grid)
    return [
        Point(payload_bytes=size, objects=objects, seconds=a_s + b_s * size + c_s * objects + off)
        for (size, objects), off in zip(grid, noise, strict=True)
    ]


def held(made: Coefficient | None, truth: float) -> bool:
    assert made is not None
    assert made.interval is not None
    return made.interval[0] <= truth <= made.interval[1]


@given(
    a_s=st.floats(-1, 10), rate_bit_per_s=st.floats(1e6, 1e10), c_s=st.floats(-0.01, 1), grid=st.permutations(GRID)
)
def test_without_noise_the_coefficients_come_back(
    a_s: float, rate_bit_per_s: float, c_s: float, grid: list[tuple[int, int]]
) -> None:
    made = fit(points(a_s, 8 / rate_bit_per_s, c_s, grid=grid))
    largest = max(abs(a_s), 3e6 * 8 / rate_bit_per_s, 67 * abs(c_s))
    assert made.per_object_s is not None
    assert made.fixed_s.value == pytest.approx(a_s, rel=1e-9, abs=1e-12 * largest)
    assert made.per_byte_s.value * 3e6 == pytest.approx(3e6 * 8 / rate_bit_per_s, rel=1e-9, abs=1e-12 * largest)
    assert made.per_object_s.value == pytest.approx(c_s, rel=1e-9, abs=1e-12 * largest)
    assert made.residual_sd_s == pytest.approx(0, abs=1e-12 * largest)
    assert made.r_squared == pytest.approx(1, abs=1e-9)


@given(st.floats(1e6, 1e10))
def test_goodput_is_eight_over_the_time_per_byte(rate_bit_per_s: float) -> None:
    made = fit(points(0, 8 / rate_bit_per_s, 0))
    assert made.goodput_bit_per_s is not None
    assert made.goodput_bit_per_s.value == pytest.approx(rate_bit_per_s, rel=1e-9)


NOISE = st.lists(st.floats(-0.1, 0.1), min_size=len(GRID), max_size=len(GRID))


@given(NOISE, st.randoms(use_true_random=False))
def test_order_does_not_matter(noise: list[float], random: Any) -> None:
    rounds = points(0.1, 1e-7, 0.002, noise=noise)
    shuffled = list(rounds)
    random.shuffle(shuffled)
    assert fit(shuffled) == fit(rounds)


@given(NOISE)
def test_it_agrees_with_the_normal_equations(noise: list[float]) -> None:
    """Against the textbook formula in another library's arithmetic: scipy's solver and t quantile."""
    from scipy import linalg

    rounds = points(0.1, 1e-7, 0.002, noise=noise)
    assume(np.std(noise) > 1e-6)
    table = np.array([[1, point.payload_bytes / 1e6, point.objects] for point in rounds])
    times = np.array([point.seconds for point in rounds])
    expected, squares, *_ = linalg.lstsq(table, times)
    errors = np.sqrt(squares / 6 * np.diag(linalg.inv(table.T @ table)))
    made = fit(rounds)
    found = [made.fixed_s, made.per_byte_s, made.per_object_s]
    for coefficient, value, error, unit in zip(found, expected, errors, (1, 1e6, 1), strict=True):
        assert coefficient is not None
        assert coefficient.interval is not None
        assert coefficient.value * unit == pytest.approx(value, rel=1e-6, abs=1e-9)
        half = (coefficient.interval[1] - coefficient.interval[0]) / 2 * unit
        assert half == pytest.approx(stats.t.ppf(0.975, 6) * error, rel=1e-6)
    assert made.residual_sd_s == pytest.approx(math.sqrt(squares / 6), rel=1e-6)
    assert made.r_squared == pytest.approx(1 - squares / ((times - times.mean()) ** 2).sum(), abs=1e-9)


@given(NOISE, st.integers(-8, 8))
def test_scale(noise: list[float], power: int) -> None:
    factor = 2.0**power  # exact in binary
    rounds = points(0.1, 1e-7, 0.002, noise=noise)
    one, scaled = fit(rounds), fit([replace(point, seconds=point.seconds * factor) for point in rounds])
    assert scaled.per_byte_s.value == pytest.approx(one.per_byte_s.value * factor)
    assert scaled.fixed_s.interval == pytest.approx([end * factor for end in one.fixed_s.interval or ()], abs=1e-12)


def test_intervals_cover_in_95_per_cent_of_runs() -> None:
    """1000 runs of nine rounds whose rounds vary, and whose four clients vary within them, by a fixed seed."""
    random, runs = np.random.default_rng(31), 1000
    truths = (0.05, 8 / 20e6, 0.004)
    covered = np.zeros(4)
    for _ in range(runs):
        noise = random.normal(0, 0.05, len(GRID)) + random.normal(0, 0.1, (4, len(GRID))).mean(axis=0)
        made = fit(points(*truths, noise=noise.tolist()))
        found = (made.fixed_s, made.per_byte_s, made.per_object_s, made.goodput_bit_per_s)
        covered += [held(coefficient, truth) for coefficient, truth in zip(found, (*truths, 20e6), strict=True)]
    assert (covered / runs >= 0.93).all()
    assert (covered / runs <= 0.97).all()


def test_equal_object_counts_leave_their_term_out() -> None:
    made = fit(points(0.5, 1e-7, 0.002, grid=[(size, 5) for size in SIZES] * 2))
    assert made.per_object_s is None
    assert made.fixed_s.value == pytest.approx(0.51)
    assert made.per_byte_s.value == pytest.approx(1e-7)


def test_as_many_rounds_as_coefficients_leave_no_interval() -> None:
    made = fit(points(0.1, 1e-7, 0, grid=[(100, 5), (200, 5)]))
    assert made.per_byte_s.interval is None
    assert made.residual_sd_s is None
    assert made.goodput_bit_per_s == Coefficient(value=pytest.approx(8e7), interval=None)


def test_a_goodput_that_may_be_without_bound_says_so() -> None:
    flat = fit(points(1, 0, 0, noise=[0.1, -0.2, 0.3, 0, 0.1, -0.3, 0.2, 0.05, 0.2]))
    assert flat.goodput_bit_per_s is not None
    assert flat.goodput_bit_per_s.interval is not None
    assert flat.goodput_bit_per_s.interval[1] == math.inf
    assert fit(points(1, -1e-7, 0)).goodput_bit_per_s is None


def test_equal_times_have_no_variance_to_explain() -> None:
    assert fit(points(1, 0, 0)).r_squared is None


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ([], "no round"),
        ([(1000, 5)] * 9, "differ too little"),
        ([(1000, 5), (1240, 5)], "differ too little"),
        ([(1000, 5), (1100, 60)], "differ too little"),
        ([(1000, 5), (5000, 6)], "grow together"),
        ([(1000 * count, count) for count in range(1, 8)], "grow together"),
    ],
)
def test_sizes_that_tell_nothing_are_refused(grid: list[tuple[int, int]], words: str) -> None:
    rounds = points(0.1, 1e-7, 0.002, grid=grid)
    assert words in refusal(rounds)
    with pytest.raises(EstimateError, match=words):
        fit(rounds)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["payload_bytes", "objects", "seconds"])
def test_what_is_not_finite_is_refused(field: str, value: float) -> None:
    rounds = points(0.1, 1e-7, 0.002)
    with pytest.raises(EstimateError, match="finite"):
        fit([*rounds[1:], replace(rounds[0], **{field: value})])


def resized(transfer: Transfer | None, size: int, objects: int, a_s: float) -> Transfer:
    assert transfer is not None
    active_s = a_s + size * 4e-7 + objects * 0.002
    return replace(
        transfer, payload_bytes=size, objects=objects, active_s=active_s, whole_s=active_s + 0.5, stall_s=0.5
    )


def swept_trial(interface: str, *, seed: int = 0, both: bool = False) -> TrialTimes:
    """A made trial whose rounds sweep the grid upwards, and downwards too where asked; nodes differ by 1 ms."""
    trial = made_trial(interface, rounds=len(GRID), seed=seed)
    messages = []
    for message in trial.messages:
        size, objects = GRID[message.round - 1]
        off_s = 0.001 * (int(message.node.removeprefix("node")) - 2.5) + 0.01 * math.sin(message.round + seed)
        up = resized(message.uplink, size, objects, 0.05 + off_s)
        down = resized(message.downlink, size, objects, 0.02 - off_s) if both else message.downlink
        messages.append(replace(message, uplink=up, downlink=down))
    return replace(trial, messages=messages)


def summary(*trials: TrialTimes) -> Summary:
    return summarise(trials, made_by={})


def test_a_point_is_a_rounds_mean_over_its_transfers() -> None:
    (sides,) = sweeps_of(by_interface([swept_trial("5g"), swept_trial("5g", seed=1)])).values()
    up = sides["uplink"]
    assert (up.n, up.rounds, up.payload_bytes, up.objects) == (72, 18, (100_000, 3_000_000), (5, 67))
    assert up.active is not None
    assert up.whole is not None
    assert up.active.points == 18
    assert held(up.active.per_byte_s, 4e-7)
    assert held(up.active.per_object_s, 0.002)
    assert up.whole.fixed_s.value == pytest.approx(up.active.fixed_s.value + 0.5)
    assert up.whole.per_byte_s.value == pytest.approx(up.active.per_byte_s.value)


def test_warm_ups_and_bad_transfers_are_no_part_of_it() -> None:
    good, warm = swept_trial("5g"), with_facts(swept_trial("5g", seed=1), warmup=True)
    assert sweeps_of(by_interface([good, warm])) == sweeps_of(by_interface([good]))
    lost = replace(good.messages[0], outcome="lost")
    fewer = sweeps_of(by_interface([replace(good, messages=[lost, *good.messages[1:]])]))
    assert fewer["5g"]["uplink"].n == 35


def test_a_time_that_is_not_finite_is_refused() -> None:
    trial = swept_trial("5g")
    first = trial.messages[0]
    assert first.uplink is not None
    broken = replace(first, uplink=replace(first.uplink, whole_s=math.nan))
    with pytest.raises(EstimateError, match="finite"):
        sweeps_of(by_interface([replace(trial, messages=[broken, *trial.messages[1:]])]))


def test_the_document_has_both_fits_of_each_direction_and_interface() -> None:
    made = to_json(summary(*(swept_trial(name, both=True) for name in ("ethernet", "wifi", "5g"))))
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["sweep"].keys() == {"ethernet", "wifi", "5g"}
    for sides in made["sweep"].values():
        assert sides.keys() == {"uplink", "downlink"}
        for swept in sides.values():
            assert (swept["n"], swept["rounds"], swept["reason"]) == (36, 9, "")
            for definition in ("active", "whole"):
                fitted = swept[definition]
                assert fitted["rounds"] == 9
                assert fitted["r_squared"] > 0.99
                assert 0 < fitted["residual_sd_s"] < 0.02
                for name in ("fixed_s", "per_byte_s", "per_object_s", "goodput_bit_per_s"):
                    low, high = fitted[name]["ci95"]
                    assert low <= fitted[name]["value"] <= high
                assert fitted["goodput_bit_per_s"]["value"] == pytest.approx(8 / fitted["per_byte_s"]["value"])


def test_a_direction_that_was_not_swept_says_why() -> None:
    made = summary(swept_trial("5g"))
    down = to_json(made)["sweep"]["5g"]["downlink"]
    assert down["active"] is down["whole"] is None
    assert "differ too little" in down["reason"]
    line = "No fit of the downlink on 5g: payloads of 2,912,400 to 2,912,400 bytes differ too little"
    assert line in " ".join(as_text(made).split())
    assert line in page(made)


def test_an_interval_without_an_upper_end_is_null_in_the_document() -> None:
    trial = swept_trial("5g")
    messages = [
        replace(message, uplink=replace(message.uplink, active_s=1 + 0.1 * math.cos(message.round)))
        for message in trial.messages
        if message.uplink is not None
    ]
    made = to_json(summary(replace(trial, messages=messages)))
    json.dumps(made, allow_nan=False)
    goodput = made["sweep"]["5g"]["uplink"]["active"]["goodput_bit_per_s"]
    assert goodput is None or goodput["ci95"][1] is None


def test_a_run_without_a_sweep_shows_none() -> None:
    made = summary(*made_run())
    assert "sweep" not in to_json(made)
    assert "Time by size" not in as_text(made)
    assert "table-sweep" not in page(made)


def test_the_terminal_shows_the_fits_within_80_columns() -> None:
    made = as_text(summary(*(swept_trial(name, both=True) for name in ("ethernet", "wifi", "5g"))))
    assert max(len(line) for line in made.splitlines()) <= 80
    assert "…" not in made
    part = made[made.index("Time by size") : made.index("Network over network")]
    for title in ("uplink, active", "uplink, whole", "downlink, active", "downlink, whole"):
        assert title in part
    assert part.count("goodput, Mbit/s") == 4
    assert part.count("36 / 9") == 6


def test_the_page_shows_the_fits_before_the_figures() -> None:
    text = page(summary(swept_trial("5g")))
    assert text.index("id='table-times'") < text.index("id='table-sweep'") < text.index("<figure")
    assert "uplink, whole: variance explained, R²" in text


def test_a_sweep_that_allows_no_fit_is_shown_with_its_reason() -> None:
    trial = made_trial("5g", rounds=2)
    messages = [
        replace(message, uplink=resized(message.uplink, 1000 * message.round, 5 * message.round, 0.1))
        for message in trial.messages
    ]
    made = summary(replace(trial, messages=messages))
    assert made.measured.sweep["5g"]["uplink"].active is None
    assert "grow together" in page(made)
    assert "grow together" in " ".join(as_text(made).split())
