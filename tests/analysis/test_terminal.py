"""The report on a terminal, against a file; and how numbers become text.

`FEDPROBE_UPDATE_GOLDEN=1 pytest tests/analysis/test_terminal.py` writes the file anew: read its difference.
"""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

import pytest
from made_trials import made_run, made_trial, with_facts
from rich.console import Console

from analysis import formats
from analysis.estimators import estimate, ratio_of_means
from analysis.model import TrialTimes
from analysis.summary import summarise
from analysis.terminal import as_text, print_summary

GOLDEN = Path(__file__).parent / "golden"


def text(trials: list[TrialTimes], width: int = 80) -> str:
    return as_text(summarise(trials, made_by={}), width=width)


@pytest.mark.parametrize(("name", "trials"), [("one_trial_each", 1), ("three_trials_each", 3)])
def test_the_report_is_the_golden_one(name: str, trials: int) -> None:
    made, path = text(made_run(trials=trials)), GOLDEN / f"{name}.txt"
    if os.environ.get("FEDPROBE_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8")
    assert made == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 100, 200])
def test_lines_fit_and_nothing_is_cut(width: int) -> None:
    made = text([*made_run(), made_trial("loopback")], width)
    assert max(len(line) for line in made.splitlines()) <= width
    assert "…" not in made


def test_verdicts_come_before_numbers() -> None:
    made = text([with_facts(made_trial("5g"), outcome="invalid", reason="node3 vanished")])
    assert made.index("no complete round") < made.index("node3 vanished")
    assert "1 trial left out" in made
    assert "uplink, active" not in text([])


def test_a_warm_up_that_failed_is_named() -> None:
    warm = with_facts(made_trial("5g"), name="000-5g-warm", warmup=True, outcome="invalid", reason="node3 vanished")
    made = text([warm, made_trial("5g")])
    assert "warm-up 000-5g-warm is invalid: node3 vanished" in made
    assert "left out: " not in text([made_trial("5g")])


def test_a_terminal_has_colours_and_a_file_has_none() -> None:
    pages = [Console(file=StringIO(), width=80, force_terminal=terminal) for terminal in (True, False)]
    for page in pages:
        print_summary(summarise(made_run(), made_by={}), page)
    coloured, plain = [page.file.getvalue() for page in pages]  # type: ignore[attr-defined]
    assert "\x1b[" in coloured
    assert "\x1b[" not in plain


def test_markup_in_names_is_text() -> None:
    made = text([with_facts(made_trial("5g"), name="[red]x[/red]", outcome="invalid", reason="[/]")])
    assert "[red]x[/red]" in made
    assert "[/]" in made


SECONDS = {None: formats.NOTHING, 0.0: "0.000", 0.00042: "0.0004", 0.1234: "0.123", 4.561: "4.56", 12.34: "12.3"}


@pytest.mark.parametrize(("value", "shown"), [*SECONDS.items(), (1234.5, "1,234")])
def test_seconds(value: float | None, shown: str) -> None:
    assert formats.seconds(value) == shown


def test_durations_have_their_unit() -> None:
    shown = [formats.duration(value) for value in (0.00004, 0.0123, 0.5, 75.0, float("inf"))]
    assert shown == ["40 µs", "12.3 ms", "0.500 s", "75.0 s", "an unbounded time"]


def test_means_and_ratios() -> None:
    wide, narrow, alone = estimate([[1.0], [3.0]]), estimate([[0.5], [0.50001]]), estimate([[2.0]])
    assert formats.mean_and_half_width(wide) == "2.00 ±12.71"
    assert formats.mean_and_half_width(narrow) == "0.500 ±0.000"
    assert formats.mean_and_half_width(alone) == "2.00"
    assert formats.mean_and_half_width(None) == formats.NOTHING
    assert formats.factor_with_interval(ratio_of_means(alone, wide)) == "1.00"
    steady = estimate([[2.0], [2.0]])
    assert formats.factor_with_interval(ratio_of_means(steady, estimate([[4.0], [4.0]]))) == "0.50 [0.50, 0.50]"


def test_shares_sizes_rates_and_lists() -> None:
    assert [formats.percent(share) for share in (None, 0.0, 0.0002, 0.013, 0.234)] == [
        formats.NOTHING,
        "0 %",
        "0.02 %",
        "1.3 %",
        "23 %",
    ]
    assert [formats.factor(value) for value in (None, 0.982, 12.23, 133.3)] == [
        formats.NOTHING,
        "0.98",
        "12.2",
        "133",
    ]
    assert formats.megabytes(2_912_400) == "2.91 MB"
    assert formats.megabytes(9_400) == "9.4 kB"
    assert formats.megabytes(5_600_000_000) == "5.60 GB"
    assert formats.bit_rate(20e6) == "20 Mbit/s"
    assert formats.bit_rate(None) == "not shared"
    assert formats.count(1, "trial") == "1 trial"
    assert formats.count(1200, "trial") == "1,200 trials"
    assert formats.listed(["a"]) == "a"
    assert formats.listed(["a", "b", "c", "d", "e", "f"]) == "a, b, c, d and 2 more"
