"""`fedprobe selftest --quick`, really: real Flower on real queues against real captures, and spoiled on purpose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]
# a minute and a half of measuring; the probes are held against packets in tests/campaign/test_wire_truth.py always
REAL = pytest.mark.long


@dataclass(frozen=True)
class Judged:
    """A finished `fedprobe selftest`."""

    code: int
    stdout: str
    stderr: str


def selftest(state: Path, *arguments: str | Path) -> Judged:
    command = [sys.executable, "-m", "testbed.cli", "selftest", *map(str, arguments)]
    environment = {**os.environ, "FEDPROBE_STATE": str(state)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False, env=environment)
    return Judged(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("selftest") / "records"


@pytest.fixture(scope="session")
def quick(state: Path, folder: Path) -> Judged:
    return selftest(state, "--quick", "--json", "--out", folder)


@pytest.fixture(scope="session")
def document(quick: Judged) -> dict[str, Any]:
    assert quick.code == 0, quick.stderr + quick.stdout[-3000:]
    return dict(json.loads(quick.stdout))


@REAL
def test_the_headline_keeps_its_limits_on_real_transfers(document: dict[str, Any]) -> None:
    assert document["ok"]
    assert document["transfers"]["uplink"] >= 30
    for direction in ("uplink", "downlink"):
        headline = document["errors"]["limited"][direction]["headline"]
        assert headline["median_abs"] <= 0.005
        assert headline["p95_abs"] <= 0.03
        assert document["errors"]["unlimited"][direction]["headline"]["n"] >= 5


@REAL
def test_the_common_methods_stand_beside_it_and_are_worse(document: dict[str, Any]) -> None:
    for direction in ("uplink", "downlink"):
        errors = document["errors"]["limited"][direction]
        for method in ("created_received", "request_span"):
            assert errors[method]["median_abs"] > 4 * errors["headline"]["median_abs"], (direction, method)
    assert document["errors"]["limited"]["uplink"]["send_returned"]["bias"] < -0.1
    assert document["errors"]["limited"]["both"]["fit_minus_client"]["bias"] > 0.1


@REAL
def test_both_cells_with_and_without_tls_were_measured(document: dict[str, Any]) -> None:
    cells = {(cell["rate_bit_per_s"], cell["tls"]) for cell in document["cells"]}
    assert {(5_000_000, False), (100_000_000, False), (100_000_000, True), (1_000_000_000, True)} <= cells


@REAL
def test_stamps_that_are_50_ms_late_are_found_out(document: dict[str, Any], state: Path, folder: Path) -> None:
    spoiled = selftest(state, "--from", folder, "--shift-ms", "50", "--json")
    assert spoiled.code == 3
    found = json.loads(spoiled.stdout)
    for direction in ("uplink", "downlink"):
        before = document["errors"]["limited"][direction]["headline"]["bias_s"]
        after = found["errors"]["limited"][direction]["headline"]["bias_s"]
        assert after - before == pytest.approx(0.050, abs=0.002)
    assert all(verdict["severity"] == "unfit" and verdict["next_step"] for verdict in found["verdicts"])


@REAL
def test_the_result_is_kept_for_campaigns_and_a_spoiled_one_is_not(document: dict[str, Any], state: Path) -> None:
    (kept,) = (state / "selftest").glob("*.json")
    assert json.loads(kept.read_text()) == document


@REAL
def test_as_text_it_ends_with_one_line_for_scripts(document: dict[str, Any], state: Path, folder: Path) -> None:
    again = selftest(state, "--from", folder)
    assert again.code == 0
    name, _, text = again.stdout.splitlines()[-1].partition(" ")
    assert name == "RESULT"
    assert json.loads(text)["errors"] == document["errors"]
    assert "fedprobe's headline" in again.stdout


def test_a_folder_that_is_no_self_test_is_refused_in_one_line(tmp_path: Path) -> None:
    refused = selftest(tmp_path, "--from", tmp_path)
    assert (refused.code, refused.stdout) == (2, "")
    assert "no self-test was run there" in refused.stderr
