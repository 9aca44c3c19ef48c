"""What stands beside the page: CSV of every figure's values, and PDFs whose bytes are the trials' alone."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pytest
from made_trials import made_run, made_trial, with_facts

from analysis.figure_data import csv_files
from analysis.model import TrialTimes
from analysis.paper_figures import write_figures
from analysis.summary import summarise
from analysis.write import write_report


def rows(name: str, trials: list[TrialTimes]) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(csv_files(summarise(trials, made_by={}))[name])))


def test_transfers_are_all_there_with_full_precision() -> None:
    trials = made_run()
    found = rows("uplink.csv", trials)
    assert len(found) == 60
    message = next(message for message in trials[0].messages if message.node == "node3" and message.round == 2)
    row = next(row for row in found if (row["interface"], row["round"], row["node"]) == ("5g", "2", "node3"))
    assert message.uplink is not None
    assert float(row["active_s"]) == message.uplink.active_s
    assert int(row["payload_bytes"]) == message.uplink.payload_bytes


def test_phases_sum_to_the_wall() -> None:
    trials = made_run()
    total = sum(
        float(row["seconds_of_an_average_round"]) for row in rows("phases.csv", trials) if row["interface"] == "5g"
    )
    assert total == pytest.approx(summarise(trials, made_by={}).measured.rounds["5g"].wall.mean)


def test_counts_of_rows() -> None:
    counts = {name: len(rows(name, made_run())) for name in ("clients.csv", "rounds.csv", "accuracy.csv")}
    assert counts == {"clients.csv": 60, "rounds.csv": 15, "accuracy.csv": 30}


def test_a_run_without_a_whole_trial_has_no_files(tmp_path: Path) -> None:
    made = summarise([with_facts(made_trial("5g"), outcome="invalid")], made_by={})
    assert csv_files(made) == {}
    assert write_figures(tmp_path, made) == []


def test_pdfs_are_the_same_bytes_twice(tmp_path: Path) -> None:
    made = summarise(made_run(), made_by={})
    first, again = [
        {path.name: path.read_bytes() for path in write_figures(tmp_path / name, made)} for name in ("one", "two")
    ]
    assert sorted(first) == ["accuracy.pdf", "downlink.pdf", "phases.pdf", "uplink.pdf"]
    assert first == again
    assert all(data.startswith(b"%PDF") and b"CreationDate" not in data for data in first.values())


def test_the_report_folder_holds_them(tmp_path: Path) -> None:
    write_report(tmp_path, [made_trial("loopback")])
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"phases.csv", "phases.pdf", "uplink.csv", "uplink.pdf"} <= names
