"""One run over another: what is equal is one, what is twice as slow is two, and what one lacks is left out."""

from __future__ import annotations

from io import StringIO

import pytest
from made_trials import made_run, made_trial, with_uplinks
from rich.console import Console

from analysis.compare import compare, comparison_json, comparison_table
from analysis.summary import summarise


def test_a_run_over_itself_is_one() -> None:
    run = summarise(made_run(trials=2), made_by={})
    found = compare(run, run)
    assert {item.ratio.ratio for item in found} == {1.0}
    assert not any(item.differs for item in found)
    assert {item.phase for item in found} >= {"uplink_active", "train", "wall", "t_r"}


def test_twice_as_long_is_two_and_differs() -> None:
    trial = with_uplinks(made_trial("5g"), {"active_s": 1.0})
    slower = with_uplinks(made_trial("5g"), {"active_s": 2.0})
    found = comparison_json(compare(summarise([slower], made_by={}), summarise([trial], made_by={})))
    assert found["5g"]["uplink_active"]["ratio"] == pytest.approx(2)
    assert found["5g"]["uplink_active"]["differs"] is True
    assert found["5g"]["train"]["differs"] is False


def test_only_what_both_have() -> None:
    ours = summarise([made_trial("5g"), made_trial("wifi")], made_by={})
    theirs = summarise([made_trial("5g", evaluate=True), made_trial("ethernet")], made_by={})
    found = compare(ours, theirs)
    assert {item.interface for item in found} == {"5g"}
    assert "test" not in {item.phase for item in found}


def test_one_group_has_no_interval_and_never_differs() -> None:
    found = compare(summarise([made_trial("5g", rounds=1)], made_by={}), summarise(made_run(), made_by={}))
    assert not any(item.differs for item in found)
    assert comparison_json(found)["5g"]["uplink"]["ci95"] is None


def test_the_table_fits_80_columns() -> None:
    run = summarise(made_run(), made_by={})
    page = Console(file=StringIO(), width=80)
    page.print(comparison_table(compare(run, run)))
    text = page.file.getvalue()  # type: ignore[attr-defined]
    assert max(len(line) for line in text.splitlines()) <= 80
    assert text.count("round, wall") == 3
