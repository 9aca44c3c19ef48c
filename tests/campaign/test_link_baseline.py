"""`collect.baseline` in a campaign: before the first trial, kept, drawn beside its transfers, and interruptible."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testbed.capabilities import missing_programs
from tests.campaign.conftest import Ran, fedprobe, ran, small_campaign, wait_until
from tests.campaign.machine_state import machine_state

pytestmark = [
    pytest.mark.netns,
    pytest.mark.long,  # links are measured in every run of tests/testbed/emulation/test_measured_links.py
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(missing_programs(["iperf3", "ping"])), reason="no iperf3 or no ping here: make setup"),
]


def campaign_in(folder: Path, *, load_s: int) -> Path:
    """One client on one network, whose link is measured first."""
    campaign = small_campaign(folder, rounds=2, interface="5g")
    text = campaign.read_text(encoding="utf-8")
    campaign.write_text(f"{text}\n[collect]\nbaseline = true\nbaseline_s = {load_s}\n", encoding="utf-8")
    return campaign


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("baseline")
    made = ran(campaign_in(folder, load_s=2), folder / "run")
    assert made.code in {0, 3}, made.stderr
    return made


@pytest.fixture(scope="module")
def baseline(run: Ran) -> dict[str, Any]:
    return dict(json.loads((run.folder / "report" / "summary.json").read_text())["baseline"])


def test_it_comes_first_and_says_what_it_costs(run: Ran) -> None:
    said = run.stderr
    assert said.index("link baseline before the first trial: 1 links") < said.index("link baseline: pi1 on 5g")
    assert said.index("link baseline: pi1 on 5g") < said.index("000-5g-r1: starting")
    (file,) = run.folder.glob("trials/*/trial.json")
    trial = json.loads(file.read_text())
    assert trial["outcome"] == "ok", trial["reason"]
    assert not [check for check in trial["checks"] if not check["ok"]], "its bytes are in no trial's counters"


def test_a_client_alone_is_not_faster_than_its_link_alone(baseline: dict[str, Any]) -> None:
    (link,) = baseline["links"]
    assert (link["node"], link["network"], link["problems"]) == ("pi1", "5g", [])
    for direction in ("uplink", "downlink"):
        held = baseline["transfers"]["5g"][direction]
        assert held["n"] == 2
        assert held["over_alone"] > 0.95
        assert held["goodput_bit_per_s"] < 1.05 * held["link_bit_per_s"]
    assert baseline["moved_bytes"]["5g"] > 0


def test_the_report_shows_it_again_from_the_run_folder_alone(run: Ran) -> None:
    again = subprocess.run(fedprobe("report", run.folder), capture_output=True, text=True, check=False)
    for text in (run.stdout, again.stdout):
        assert "What the links can do alone" in text
    assert "id='figure-baseline'" in (run.folder / "report" / "report.html").read_text()


def test_ctrl_c_while_a_link_is_full_takes_everything_down(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    before = machine_state()
    process = started("run", campaign_in(tmp_path, load_s=60), "--out", tmp_path / "run")
    wait_until(lambda: _iperf3_runs() or process.poll() is not None)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 1
    assert "Traceback" not in (tmp_path / "stderr").read_text()
    wait_until(lambda: machine_state() == before and not _iperf3_runs(), limit_s=10)


def _iperf3_runs() -> bool:
    """An iperf3 client in a namespace of a testbed's."""
    return (
        subprocess.run(["pgrep", "-f", r"^iperf3 --client 10\.78\.3\.1 .*--time 60"], capture_output=True).returncode
        == 0
    )
