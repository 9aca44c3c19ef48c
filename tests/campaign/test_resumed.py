"""A campaign whose controller is killed again and again: nothing is lost, nothing is done twice, nothing is left."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analysis import store
from analysis.load import load_spools
from testbed.emulation import namespaces, processes
from testbed.emulation.addresses import namespace_prefix
from testbed.emulation.lifecycle import emulated
from testbed.emulation.ownership import REGISTRY
from testbed.inventory_file import write_inventory
from testbed.unfetched import run_of
from tests.campaign.conftest import fedprobe, small_campaign, wait_until
from tests.campaign.machine_state import machine_state

SEED = 20261126
KILLS = 10
TWELVE = """
name = "twelve"
seed = 12
rounds = 1
clients = 4
repetitions = 6
[factors]
interface = ["ethernet", "wifi"]
polling = ["fast"]
[workload.settings]
workload = "payload"
payload-down-bytes = "200000"
payload-up-bytes = "200000"
[priorities]
flower-superlink = -5
flower-supernode = -5
flwr-clientapp = 10
"""
# each state with about how long it lasts, in seconds: a kill comes at a random moment of it
STATES = {
    "building": 1.0,
    "preparing": 0.3,
    "checking": 0.2,
    "starting": 2.0,
    "registering": 1.0,
    "running": 6.0,
    "stopping": 1.5,
    "fetching": 0.1,
    "verifying": 0.03,
    "storing": 0.1,
}

Start = Callable[..., "subprocess.Popen[str]"]


@dataclass(frozen=True)
class Flushed:
    """A spool file as a host had it: how much of it, and of what content."""

    trial: str
    host: str
    name: str
    content: bytes

    @property
    def lines(self) -> int:
        return self.content.count(b"\n")


@pytest.mark.netns
@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_campaign_survives_ten_kills_of_its_controller(tmp_path: Path, started: Start) -> None:
    before = machine_state()
    campaign, folder = tmp_path / "twelve.toml", tmp_path / "run"
    campaign.write_text(TWELVE, encoding="utf-8")
    moments = _moments()
    flushed: dict[tuple[str, str, str], Flushed] = {}
    for number, (state, share, others) in enumerate(moments):
        arguments = ["--resume", folder] if (folder / "plan.json").exists() else [campaign, "--out", folder]
        process = started("run", *arguments)
        _wait_for(folder, state, process, others)
        time.sleep(share * STATES[state])
        found = _where(folder)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        print(f"kill {number + 1}: aimed at {state}, came at {found}; {_tail(tmp_path)}")
        for one in _on_hosts(folder):
            flushed[one.trial, one.host, one.name] = one
    done = subprocess.run(fedprobe("run", "--resume", folder), capture_output=True, text=True, check=False)
    print(done.stderr)
    assert done.returncode in {0, 3}, done.stderr
    assert "Traceback" not in done.stderr
    _require_twelve(folder)
    _require_flushed(folder, list(flushed.values()))
    wait_until(lambda: not _more_than(before), limit_s=10)
    print("left behind: no namespace, link, rule, mount, process or state folder")


def _more_than(before: dict[str, set[str]]) -> list[str]:
    """What is on this machine now and was not: a testbed that was abandoned before may have been swept."""
    return [thing for kind, things in machine_state().items() for thing in things - before[kind]]


@pytest.mark.netns
@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_run_is_taken_up_after_the_machine_was_started_anew(tmp_path: Path, started: Start) -> None:
    """What a boot leaves of an emulated testbed: its state folder, and nothing that runs."""
    before = machine_state()
    campaign, folder = small_campaign(tmp_path, clients=2, rounds=2), tmp_path / "run"
    process = started("run", campaign, "--out", folder)
    _wait_for(folder, "running", process, 0)
    time.sleep(4.0)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    flushed = _on_hosts(folder)
    assert sum(one.lines for one in flushed) > 50
    _start_anew(folder)
    done = subprocess.run(fedprobe("run", "--resume", folder), capture_output=True, text=True, check=False)
    assert done.returncode in {0, 3}, done.stderr
    outcomes = {name: facts["outcome"] for name, facts in _trials(folder).items()}
    assert outcomes == {"000-ethernet-r1": "ok", "000-ethernet-r1.attempt1": "invalid"}
    _require_flushed(folder, flushed)
    assert not list((folder / "unfetched").rglob("*.jsonl"))
    wait_until(lambda: not _more_than(before), limit_s=10)


def _start_anew(folder: Path) -> None:
    """End what runs of the run's testbeds, and forget them as the registry in /run is by a boot."""
    for state in _states(folder):
        processes.end_all(state.name)
        for name in namespaces.names(namespace_prefix(state.name)):
            namespaces.remove(name)
        (REGISTRY / state.name).unlink()
        owner = json.loads((state / "owner.json").read_text())
        (state / "owner.json").write_text(json.dumps({**owner, "boot_id": "of the boot before"}))
    with contextlib.suppress(OSError):
        REGISTRY.rmdir()


def _moments() -> list[tuple[str, float, int]]:
    """Ten moments: every state once, in a random order, a random share of its length, after 0 or 1 whole trials."""
    drawn = random.Random(SEED)
    states = drawn.sample(list(STATES), KILLS)
    return [(state, drawn.random(), drawn.choice([0, 1, 1])) for state in states]


def _wait_for(folder: Path, state: str, process: subprocess.Popen[str], others: int) -> None:
    """Until a trial that began after now is in a state, or the testbed is being built."""
    if state == "building":
        known = {path.name for path in _states(folder)}
        wait_until(lambda: {p.name for p in _states(folder)} - known != set() or process.poll() is not None)
        assert process.poll() is None, "it ended too early"
        return
    done = {name for name, facts in _trials(folder).items() if facts["state"] == "done"}

    def reached() -> bool:
        assert process.poll() is None, f"it ended before {state}: {(folder.parent / 'stderr').read_text()}"
        now = _trials(folder)
        more = [name for name, facts in now.items() if facts["state"] == "done" and name not in done]
        whole = [name for name in more if ".attempt" not in name]
        return len(whole) >= others and any(facts["state"] == state for facts in now.values())

    wait_until(reached)


def _states(folder: Path) -> list[Path]:
    """State folders of the testbeds that were built for a run."""
    if not REGISTRY.is_dir():
        return []
    links = [link.readlink() for link in REGISTRY.iterdir() if link.is_symlink()]
    return [state for state in links if run_of(state) == folder]


def _trials(folder: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for file in sorted(folder.glob("trials/*/trial.json")):
        try:
            found[file.parent.name] = json.loads(file.read_text())
        except FileNotFoundError:  # set aside at this moment
            continue
    return found


def _where(folder: Path) -> str:
    going = [f"{name} {facts['state']}" for name, facts in _trials(folder).items() if facts["state"] != "done"]
    return ", ".join(going) or "no trial"


def _tail(folder: Path) -> str:
    return " | ".join((folder / "stderr").read_text().splitlines()[-2:])


def _on_hosts(folder: Path) -> list[Flushed]:
    """Whole lines of every spool file on the hosts of the run's testbeds."""
    found = []
    for state in _states(folder):
        for file in sorted(state.glob("hosts/*/home/fedprobe/trials/*/spool/*.jsonl")):
            content = file.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            host = file.relative_to(state / "hosts").parts[0]
            found.append(Flushed(file.parent.parent.name, host, file.name, whole))
    return found


def _require_twelve(folder: Path) -> None:
    """Twelve valid trials in the planned order; attempts beside them are invalid, each interrupted."""
    planned = [trial["name"] for trial in json.loads((folder / "plan.json").read_text())["trials"]]
    trials = _trials(folder)
    attempts = {name: facts for name, facts in trials.items() if name not in planned}
    assert len(planned) == 12
    assert [name for name in trials if name in planned] == planned
    assert all(trials[name]["outcome"] == "ok" for name in planned)
    begun = [trials[name]["entered"]["preparing"] for name in planned]
    assert begun == sorted(begun)
    for name, facts in attempts.items():
        assert name.rpartition(".attempt")[0] in planned
        assert facts["outcome"] == "invalid"
        assert facts["reasons"][0]["reason"] == "interrupted", facts["reasons"]
    print(f"12 valid trials in the planned order, {len(attempts)} interrupted attempts: {', '.join(attempts)}")
    for name in planned:
        print(f"{name}: {trials[name].get('conducting_s', 'resumed')} s of conducting")
    summary = json.loads((folder / "report" / "summary.json").read_text())
    assert sum(trial["compared"] for trial in summary["trials"]) == 12


def _require_flushed(folder: Path, flushed: list[Flushed]) -> None:
    """What a host had of a file is the beginning of what the run folder has, and its records are in the store."""
    own = {facts["on_hosts"]: folder / "trials" / name for name, facts in _trials(folder).items()}
    assert flushed
    lines, whole = 0, hashlib.sha256()
    for one in flushed:
        kept = (own[one.trial] / "spool" / one.host / one.name).read_bytes()
        assert kept[: len(one.content)] == one.content, (one.trial, one.host, one.name)
        lines += one.lines
        whole.update(one.content)
    print(f"{len(flushed)} spool files on hosts at the kills, {lines} lines, sha256 {whole.hexdigest()}: all kept")
    records = 0
    for trial in own.values():
        if not list(trial.glob("spool/*/*.jsonl")):
            continue
        spools, stored = load_spools(trial / "spool"), store.load(trial / "records")
        assert stored == spools
        records += stored.count
    print(f"{records} records in the store, the same as in {len(own)} trials' spool files")


@pytest.mark.netns
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("state", ["running", "fetching"])
def test_a_run_on_hosts_of_an_inventory_is_taken_up(tmp_path: Path, started: Start, state: str) -> None:
    """Hosts that outlive the controller: what ran there is ended in order, and what they have is fetched."""
    with emulated(nodes=2, networks=["wifi"], seed=3) as inventory:
        write_inventory(inventory, tmp_path / "lab.toml")
        campaign, folder = small_campaign(tmp_path, clients=2, rounds=2, interface="wifi"), tmp_path / "run"
        text = campaign.read_text(encoding="utf-8")
        campaign.write_text(f'{text}\n[testbed]\nkind = "inventory"\ninventory = "lab.toml"\n', encoding="utf-8")
        before = machine_state()
        process = started("run", campaign, "--out", folder)
        _wait_for(folder, state, process, 0)
        time.sleep(3.0 if state == "running" else 0.0)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert machine_state()["processes"] > before["processes"] or state == "fetching"
        done = subprocess.run(fedprobe("run", "--resume", folder), capture_output=True, text=True, check=False)
        assert done.returncode in {0, 3}, done.stderr
        assert machine_state() == before
        outcomes = {name: facts["outcome"] for name, facts in _trials(folder).items()}
        if state == "fetching":
            assert outcomes == {"000-wifi-r1": "ok"}
            return
        assert outcomes == {"000-wifi-r1": "ok", "000-wifi-r1.attempt1": "invalid"}
        attempt = load_spools(folder / "trials" / "000-wifi-r1.attempt1" / "spool")
        assert not [segment.name for segment in attempt.segments if segment.cut], "they were not ended in order"
        assert {segment.header.host for segment in attempt.segments} == {"server", "pi1", "pi2"}
