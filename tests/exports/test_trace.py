"""The trace's events against the analysis that they were made of."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from analysis.exports import perfetto
from testbed.cli import main
from testbed.commands.report import trials_of


def events_of(run: Path, out: Path, *more: str) -> list[dict[str, Any]]:
    assert main(["export", "perfetto", str(run), "--out", str(out), *more]) == 0
    events: list[dict[str, Any]] = json.loads((out / "trace.perfetto.json").read_text(encoding="utf-8"))[
        "traceEvents"
    ]
    return events


def test_every_phase_is_drawn_once_where_it_was(run: Path, tmp_path: Path) -> None:
    events = events_of(run, tmp_path)
    names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    drawn = [event for event in events if event["ph"] == "X" and "message_id" in event.get("args", {})]
    steps = ("configure", "publish", "aggregate", "evaluate_server")
    expected = {
        (message.message_id, phase, interval.seconds)
        for trial in trials_of([run])
        for message in trial.messages
        for phase, interval in message.intervals.items()
        if phase not in steps
    }
    found = [
        (
            event["args"]["message_id"],
            event["name"].partition(" ")[0].removeprefix("evaluate_"),
            event["args"]["duration_s"],
        )
        for event in drawn
    ]
    assert set(found) == expected
    assert {names[event["pid"]] for event in drawn if event["name"] == "train"} == {"pi1", "pi2"}
    assert {names[event["pid"]] for event in drawn if event["name"].startswith("store")} == {"server"}


def test_slices_of_a_lane_touch_or_nest_in_whole_microseconds(run: Path, tmp_path: Path) -> None:
    lanes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for event in events_of(run, tmp_path):
        if event["ph"] == "X":
            assert isinstance(event["ts"], int)
            assert isinstance(event["dur"], int)
            lanes[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for slices in lanes.values():
        open_until: list[int] = []
        for start, end in sorted(slices, key=lambda one: (one[0], -one[1])):
            while open_until and open_until[-1] <= start:
                open_until.pop()
            assert not open_until or end <= open_until[-1]
            open_until.append(end)


def test_one_trial_can_be_chosen_and_an_invalid_one_says_so(run: Path, tmp_path: Path) -> None:
    def trials(*more: str) -> list[str]:
        return [event["name"] for event in events_of(run, tmp_path, *more) if event.get("cat") == "trial"]

    assert trials() == ["000-5g-r1", "001-5g-r2", "002-5g-r9 (invalid)", "003-5g-r10 (unfinished)"]
    assert trials("--trial", "001-5g-r2") == ["001-5g-r2"]


def test_counters_are_rates_and_are_thinned_aloud(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ("--trial", "000-5g-r1")

    def values(name: str) -> list[float]:
        return [event["args"]["value"] for event in events_of(run, tmp_path, *chosen) if event["name"] == name]

    assert values("wwan0 received (bytes/s)") == pytest.approx([*[1000.0] * 22, 0.0] * 3, rel=1e-3)
    assert values("wwan0 sent (bytes/s)") == [], "an interface without a byte has no counter"
    assert values("CPU utilization") == [*[0.25] * 22, 0.0] * 3
    assert "mean" not in capsys.readouterr().err
    monkeypatch.setattr(perfetto, "MOST_COUNTER_VALUES", 1)
    assert values("wwan0 received (bytes/s)") == pytest.approx([*[1000.0] * 8, 0.0] * 3, rel=1e-3)
    assert "each of their values is the mean of up to 3 readings" in capsys.readouterr().err
