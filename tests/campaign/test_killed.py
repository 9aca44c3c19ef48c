"""A run that is killed, or ended by Ctrl-C at any stage: nothing is left behind, what was measured is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from instrument.records import Rpc
from tests.campaign.conftest import fedprobe, small_campaign, wait_until
from tests.campaign.machine_state import machine_state

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]
STAGES = ("building", "starting", "running", "stopping", "fetching")  # storing: test_watched

# states that follow one another at once, each after a whole trial: the last of them always
LONG = defaultdict(list, stopping=[pytest.mark.long], fetching=[pytest.mark.long])

Start = Callable[..., "subprocess.Popen[str]"]


def state_of(folder: Path) -> str:
    """The state in the only trial's trial.json; empty before there is one."""
    files = list(folder.glob("trials/*/trial.json"))
    return str(json.loads(files[0].read_text())["state"]) if files else ""


def trial_of(folder: Path) -> dict[str, object]:
    (file,) = folder.glob("trials/*/trial.json")
    return dict(json.loads(file.read_text()))


def records_of(folder: Path) -> int:
    from analysis.load import load_spools

    (spool,) = folder.glob("trials/*/spool")
    return len(list(load_spools(spool).of(Rpc)))


def test_after_sigkill_the_next_testbed_works_and_nothing_is_left(tmp_path: Path, started: Start) -> None:
    before = machine_state()
    folder = tmp_path / "run"
    process = started("run", small_campaign(tmp_path, rounds=20, clients=2, interface="wifi"), "--out", folder)
    wait_until(lambda: state_of(folder) == "running" or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    left = machine_state()
    assert left["namespaces"] > before["namespaces"], "the kill came too late to prove anything"
    up = subprocess.run(fedprobe("testbed", "up", "--nodes", "1"), capture_output=True, text=True, check=False)
    assert up.returncode == 0, up.stderr
    assert up.stdout.splitlines()[-1].startswith("inventory: ")
    assert Path(up.stdout.splitlines()[-1].removeprefix("inventory: ")).is_file()
    now = machine_state()
    assert not (left["namespaces"] - before["namespaces"]) & now["namespaces"], "the killed run's are gone already"
    down = subprocess.run(fedprobe("testbed", "down"), capture_output=True, text=True, check=False)
    assert down.returncode == 0, down.stderr
    wait_until(lambda: machine_state() == before, limit_s=10)


@pytest.mark.parametrize("stage", [pytest.param(one, marks=LONG[one]) for one in STAGES])
def test_ctrl_c_takes_everything_down_and_keeps_what_was_measured(tmp_path: Path, started: Start, stage: str) -> None:
    before = machine_state()
    folder = tmp_path / "run"
    process = started("run", small_campaign(tmp_path, polling=["fast"]), "--out", folder)
    wait_until(lambda: _reached(folder, stage, before["namespaces"]) or process.poll() is not None)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    assert process.wait(60) == 1
    said = (tmp_path / "stderr").read_text()
    assert "Traceback" not in said, said
    wait_until(lambda: machine_state() == before, limit_s=10)
    if stage == "building":
        return
    trial = trial_of(folder)
    assert trial["state"] == "done"
    if stage in {"starting", "running"}:
        assert (trial["outcome"], trial["reason"]) == ("invalid", "interrupted by the user")
    if stage != "starting":
        assert records_of(folder) > 0


def _reached(folder: Path, stage: str, namespaces_before: set[str]) -> bool:
    if stage == "building":
        return machine_state()["namespaces"] != namespaces_before
    return state_of(folder) == stage
