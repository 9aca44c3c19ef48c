"""CSV says what the report says, exactly, of every trial."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from exported_runs import NASTY, made_run

from analysis.document import to_json
from analysis.exports.csv_text import csv_blocks
from analysis.exports.tables import TABLES, described
from analysis.samples import phase_readings
from analysis.summary import summarise
from testbed.cli import main
from testbed.commands.report import trials_of


@pytest.fixture(scope="module")
def tables(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    folder = tmp_path_factory.mktemp("csv")
    assert main(["export", "csv", str(run), "--out", str(folder)]) == 0
    found = {}
    for table in TABLES:
        with (folder / f"{table.name}.csv").open(encoding="utf-8", newline="") as file:
            found[table.name] = list(csv.DictReader(file, strict=True))
    with (folder / "columns.csv").open(encoding="utf-8", newline="") as file:
        assert [tuple(row) for row in csv.reader(file)][1:] == list(described())
    return found


def test_transfers_are_what_the_report_reads(tables: dict[str, list[dict[str, str]]], run: Path) -> None:
    phases = to_json(summarise(trials_of([run])))["phases"]["5g"]
    by_trial: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in tables["transfers"]:
        if row["compared"] == "true" and row["function"] == "train":
            for name, column in (("", "whole_s"), ("_active", "active_s"), ("_stall", "stall_s")):
                by_trial[f"{row['direction']}{name}"][row["trial"]].append(float(row[column]))
    for phase in ("uplink", "downlink", "uplink_active", "downlink_active", "uplink_stall"):
        values = [value for of_trial in by_trial[phase].values() for value in of_trial]
        assert len(by_trial[phase]) == 2
        assert statistics.fmean(values) == pytest.approx(phases[phase]["mean_s"], rel=1e-12)


def test_sums_of_phases_are_the_reports(tables: dict[str, list[dict[str, str]]], run: Path) -> None:
    expected: dict[tuple[str, str], float] = {}
    usable = [trial for trial in trials_of([run]) if trial.facts.outcome == "ok"]
    for trial in usable:
        for phase, readings in phase_readings(trial).items():
            expected[trial.facts.name, phase] = math.fsum(reading.value for reading in readings)
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in tables["phases"]:
        if row["compared"] == "true":
            found[row["trial"], row["report_phase"]].append(float(row["duration_s"]))
    assert len(found) > 40
    for key, values in found.items():
        if not key[1].endswith("link"):  # those of messages that went wrong have an interval all the same
            assert math.fsum(values) == pytest.approx(expected[key], rel=1e-12), key


def test_charges_tile_their_rounds(tables: dict[str, list[dict[str, str]]]) -> None:
    charged: dict[tuple[str, str], int] = defaultdict(int)
    for row in tables["charges"]:
        charged[row["trial"], row["round"]] += round(float(row["duration_s"]) * 1e9)
    assert len(charged) == 7
    for row in tables["rounds"]:
        assert charged[row["trial"], row["round"]] == round(float(row["wall_s"]) * 1e9)


def test_no_trial_is_left_out_and_what_went_wrong_stands_beside(tables: dict[str, list[dict[str, str]]]) -> None:
    outcomes = [(row["outcome"], row["valid"], row["reason"]) for row in tables["trials"]]
    assert outcomes[:2] == [("ok", "true", "")] * 2
    assert outcomes[2] == ("invalid", "false", NASTY)
    assert outcomes[3][:2] == ("unfinished", "false")
    assert tables["trials"][3]["start_ns"] == ""
    assert {row["valid"] for row in tables["phases"] if row["trial"].startswith("002")} == {"false"}
    assert not any(row["compared"] == "true" for row in tables["phases"] if row["valid"] == "false")


def test_every_host_is_on_the_servers_wall_clock(tables: dict[str, list[dict[str, str]]]) -> None:
    """The hosts' clocks are a thousand seconds apart; their samples were made at the same moments, of true time."""
    moments: dict[tuple[str, str], list[tuple[str, int, float]]] = defaultdict(list)
    place: dict[tuple[str, str], int] = defaultdict(int)
    for row in tables["samples"]:
        if row["subject"] == "host" and row["trial"].startswith("000"):
            place[row["trial"], row["host"]] += 1
            at = (row["trial"], str(place[row["trial"], row["host"]]))
            moments[at].append((row["host"], int(row["at_ns"]), float(row["clock_error_s"])))
    assert len(moments) == 23
    for read in moments.values():
        (server,) = (at for host, at, _ in read if host == "server")
        for _, at, error_s in read:
            assert abs(at - server) / 1e9 <= error_s + 2e-9
        assert server > 1_800_000_000 * 10**9


def test_a_fault_stands_where_it_struck(tables: dict[str, list[dict[str, str]]]) -> None:
    rows = [row for row in tables["faults"] if row["trial"].startswith("000")]
    assert [(row["fault"], row["host"], float(row["duration_s"])) for row in rows] == [("outage", "pi1", 0.5)]
    assert int(rows[0]["start_ns"]) == 1_800_000_000 * 10**9 + 6 * 10**9


def test_numbers_read_back_as_they_were() -> None:
    rows: list[list[Any]] = [[0.1 + 0.2, 2**62 + 1, None, "", 'a "b", c\r\nd', True, math.inf, 5e-324]]
    (read,) = csv.reader("".join(csv_blocks(rows)).splitlines(keepends=True), strict=True)
    assert float(read[0]) == 0.1 + 0.2
    assert int(read[1]) == 2**62 + 1
    assert read[2:6] == ["", "", 'a "b", c\r\nd', "true"]
    assert float(read[6]) == math.inf
    assert float(read[7]) == 5e-324
    assert "".join(csv_blocks(rows)).endswith("\r\n")


def test_a_second_export_is_the_same_and_the_run_folder_is_not_touched(run: Path, tmp_path: Path) -> None:
    def digests(folder: Path) -> dict[str, str]:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = digests(run)
    made = []
    for _ in range(2):
        assert main(["export", "csv", str(run), "--out", str(tmp_path)]) == 0
        made.append(digests(tmp_path))
    assert made[0] == made[1]
    assert digests(run) == before


def test_a_trial_under_a_fault_is_an_interface_of_its_own_as_in_the_report(tmp_path: Path) -> None:
    made_run(tmp_path / "run", trials=1)
    path = tmp_path / "run" / "trials" / "000-5g-r1" / "trial.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "fault": "busy"}), encoding="utf-8")
    assert main(["export", "csv", str(tmp_path / "run"), "--out", str(tmp_path)]) == 0
    with (tmp_path / "transfers.csv").open(encoding="utf-8", newline="") as file:
        assert {row["interface"] for row in csv.DictReader(file) if row["compared"] == "true"} == {"5g under busy"}
