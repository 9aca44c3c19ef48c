"""A trial beside which another program ran for all its time: measured, invalid, told by name, in no number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.machine_watch import FILE
from tests.campaign.conftest import ANY_LOAD, Ran, fedprobe, ran, small_campaign

pytestmark = [pytest.mark.netns, pytest.mark.long, pytest.mark.timeout(600)]
BUSY = "while True: pass"


@pytest.fixture(scope="module")
def busy() -> Iterator[list[int]]:
    """Programs that are not the campaign's, on half of the machine's processors; their pids."""
    count = max(1, (os.cpu_count() or 1) // 2)
    programs = [subprocess.Popen([sys.executable, "-c", BUSY], env={}) for _ in range(count)]
    yield [program.pid for program in programs]
    for program in programs:
        program.kill()
        program.wait()


@pytest.fixture(scope="module")
def loaded(busy: list[int], tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("loaded")
    return ran(small_campaign(folder, clients=2, rounds=2, validity=""), folder / "run")


def trial_of(result: Ran) -> dict[str, Any]:
    (file,) = result.folder.glob("trials/*/trial.json")
    return dict(json.loads(file.read_text()))


def test_it_is_invalid_for_that_reason_alone(loaded: Ran, busy: list[int]) -> None:
    trial = trial_of(loaded)
    assert trial["flower_status"] == "finished:completed", loaded.stderr
    assert [one["reason"] for one in trial["reasons"]] == ["other load"], trial["reasons"]
    detail = trial["reasons"][0]["detail"]
    assert "of this machine" in detail
    assert "(allowed: 25 %)" in detail
    assert any(f"(pid {pid})" in detail for pid in busy)
    assert (trial["outcome"], trial["ran_whole"]) == ("invalid", True)
    assert loaded.code == 3


def test_the_report_counts_it_and_makes_no_number_of_it(loaded: Ran) -> None:
    done = subprocess.run(fedprobe("report", loaded.folder, "--json"), capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["validity"]["by_reason"] == {"other load": 1}
    assert report["validity"]["cells_without_valid_trial"] == ["ethernet"]
    assert [(trial["valid"], trial["compared"]) for trial in report["trials"]] == [(False, False)]
    assert report["phases"] == {}
    assert "cells_without_trial" in {verdict["rule"] for verdict in report["verdicts"]}
    assert (loaded.folder / "trials" / report["trials"][0]["name"] / FILE).exists()


def test_a_campaign_may_allow_it(busy: list[int], tmp_path: Path) -> None:
    result = ran(small_campaign(tmp_path, clients=2, rounds=2, validity=ANY_LOAD), tmp_path / "run")
    trial = trial_of(result)
    assert (trial["outcome"], trial["reasons"]) == ("ok", []), result.stderr
