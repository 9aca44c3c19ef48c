"""A run that would wait for ever is ended, and the trial says which wait it was: with the real Flower."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testbed.foreign_app import write
from tests.campaign.conftest import ran, small_campaign, wait_until
from tests.campaign.machine_state import machine_state

TRIAL = "trials/*/trial.json"
ROUND_LIMIT = "round_s = {round_s}\n"


def processes_below(program: str) -> set[int]:
    """Processes of this machine whose command line names a program."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"/{program}\0".encode() in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def the_trial(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob(TRIAL)
    return dict(json.loads(file.read_text()))


@pytest.mark.netns
@pytest.mark.timeout(200)
def test_a_strategy_that_waits_for_more_nodes_than_there_are_is_ended(tmp_path: Path) -> None:
    app = tmp_path / "app"
    write(app)
    (server,) = app.rglob("server_app.py")
    server.write_text(server.read_text().replace("min_available_nodes=clients", "min_available_nodes=clients + 1"))
    campaign = small_campaign(tmp_path, clients=1, app=str(app), polling=["fast"])
    campaign.write_text(campaign.read_text() + ROUND_LIMIT.format(round_s=5))
    before = machine_state()
    result = ran(campaign, tmp_path / "run")
    trial = the_trial(result.folder)
    assert result.code == 1
    assert [one["reason"] for one in trial["reasons"]] == ["time limit"]
    assert "round 1 did not end within 5 s" in trial["reason"]
    assert "Flower waits for nodes to connect (min_available_nodes), which it does for ever" in trial["reason"]
    assert trial["reason"] in " ".join(result.stderr.split())
    wait_until(lambda: machine_state() == before, limit_s=10)


@pytest.mark.netns
@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_run_whose_clients_all_stand_still_is_ended(tmp_path: Path, started: Callable[..., Any]) -> None:
    """Every SuperNode stopped while it runs: Flower notices after a minute, and would then wait for ever."""
    campaign = small_campaign(tmp_path, clients=2, rounds=20)
    campaign.write_text(campaign.read_text() + ROUND_LIMIT.format(round_s=100))
    others = processes_below("flower-supernode")
    process = started("run", campaign, "--out", tmp_path / "run")

    def is_running() -> bool:
        assert process.poll() is None
        return any(json.loads(file.read_text())["state"] == "running" for file in (tmp_path / "run").glob(TRIAL))

    wait_until(is_running)
    supernodes = {pid for pid in processes_below("flower-supernode") if pid not in others}
    assert len(supernodes) == 2
    for pid in supernodes:
        os.kill(pid, signal.SIGSTOP)
    assert process.wait(300) == 1
    trial = the_trial(tmp_path / "run")
    print(f"ended: {trial['reason']}")
    (reason,) = {one["reason"] for one in trial["reasons"]} - {"records missing"}
    assert reason in {"node lost", "time limit"}
    assert "clients answered round" in trial["reason"] or "Flower waits for" in trial["reason"]
