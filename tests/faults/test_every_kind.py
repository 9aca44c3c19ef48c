"""Every kind of fault in one campaign of short trials: each ends in its time, says why, and leaves nothing behind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from analysis.load import load_spools
from analysis.model import FaultEffect, TrialTimes
from analysis.trial import load_trial
from instrument.records import Applied
from testbed.faults.tables import KINDS
from tests.campaign.conftest import Ran, ran
from tests.campaign.machine_state import machine_state

pytestmark = [pytest.mark.netns, pytest.mark.long, pytest.mark.timeout(2400)]

ROUND_S = 75
CAMPAIGN = f"""
name = "every-kind"
seed = 11
rounds = 3
clients = 2
[factors]
interface = ["wifi"]
fault = ["none", "busy", "links", "disk", "step", "wall", "client", "node", "crash", "server", "moves"]
[workload]
app = "fl_app"
[workload.settings]
workload = "payload"
payload-up-bytes = "600000"
payload-down-bytes = "600000"
payload-compute-s = 0.5
[testbed]
pi_cpu = 0.9
[limits]
round_s = {ROUND_S}

[[fault.busy]]
kind = "load"
target = "pi1"
processes = 2
at_s = 1
duration_s = 4
[[fault.busy]]
kind = "throttle"
target = "pi2"
cpu_ratio = 0.5
at_s = 1
duration_s = 6
[[fault.busy]]
kind = "stop"
process = "supernode"
target = "pi2"
at_s = 8
duration_s = 2
[[fault.busy]]
kind = "kill"
process = "collector"
target = "pi1"
at_s = 6

[[fault.links]]
kind = "loss"
target = "pi1"
loss_ratio = 0.02
at_s = 1
duration_s = 4
[[fault.links]]
kind = "background"
target = "pi2"
trace = "arrivals.csv"
at_s = 1
[[fault.links]]
kind = "degrade"
target = "pi2"
rate_ratio = 0.2
at_s = 4
duration_s = 4
[[fault.links]]
kind = "flap"
target = "pi1"
at_s = 6
down_s = 0.5
up_s = 0.5
duration_s = 3
[[fault.links]]
kind = "cut"
target = "server"
at_s = 10
duration_s = 2

[fault.disk]
kind = "disk"
target = "pi1"
size_bytes = 1_000_000
at_s = 2
duration_s = 3
[fault.step]
kind = "clock"
target = "pi1"
step_ms = 250
at_round = 2
[fault.wall]
kind = "clock"
clock = "wall"
target = "pi2"
step_ms = 3000
at_s = 2
duration_s = 5
[fault.client]
kind = "kill"
process = "clientapp"
target = "pi2"
at_round = 2
[fault.node]
kind = "kill"
process = "node"
target = "pi2"
at_round = 2
[fault.crash]
kind = "kill"
process = "supernode"
target = "pi2"
at_round = 2
[fault.server]
kind = "kill"
process = "superlink"
target = "server"
at_round = 2
[fault.moves]
kind = "churn"
trace = "moves.csv"
at_round = 2
duration_s = 60
"""
GO_ON = ["none", "busy", "links", "wall", "client", "moves"]  # Flower completes these
REASONS = {"node": "node lost: the node was killed on pi2", "crash": "node lost: the SuperNode was killed on pi2",
           "server": "run failed: the SuperLink was killed on server",
           "step": "clock error: the monotonic clock was stepped on pi1"}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """One trial of the campaign."""

    facts: dict[str, Any]
    times: TrialTimes
    applied: list[Applied]

    @property
    def effects(self) -> list[FaultEffect]:
        return list(self.times.effects)


@pytest.fixture(scope="module")
def states() -> dict[str, Any]:
    """What the machine was before and after the campaign."""
    return {}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, states: dict[str, Any]) -> Ran:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "arrivals.csv").write_text("".join(f"{tick / 20},10000\n" for tick in range(60)))
    (folder / "moves.csv").write_text("seconds,node,move\n0,pi2,leave\n5,pi2,join\n")
    (folder / "every-kind.toml").write_text(CAMPAIGN)
    states["before"] = machine_state()
    made = ran(folder / "every-kind.toml", folder / "run", limit_s=2000)
    states["after"] = machine_state()
    return made


@pytest.fixture(scope="module")
def trials(result: Ran) -> dict[str, Found]:
    """The trials by their fault, in the order in which they ran."""
    found = {}
    for folder in sorted((result.folder / "trials").iterdir()):
        facts = json.loads((folder / "trial.json").read_text())
        applied = [record for _, record in load_spools(folder / "spool").of(Applied)]
        found[facts["settings"].get("fault", "none")] = Found(facts, load_trial(folder), applied)
    return found


def test_every_kind_is_among_them(trials: dict[str, Found]) -> None:
    kinds = {step["kind"] for found in trials.values() for step in found.facts.get("faults_applied", [])}
    assert kinds == set(KINDS)


def test_every_step_was_applied_recorded_and_undone(trials: dict[str, Found]) -> None:
    for name, found in trials.items():
        for step in found.facts.get("faults_applied", []):
            phases = [line.split()[0] for line in step["said"]]
            undoes = step["kind"] not in {"kill", "churn"} and not (step["kind"] == "clock" and name == "step")
            assert phases[:1] == ["applied"], (name, step)
            assert not {"missed", "left"} & set(phases), (name, step)
            assert phases.count("undone") == (phases.count("applied") if undoes else phases.count("undone"))
            own = [record for record in found.applied if record.does == step["does"]]
            assert own, (name, step)


def test_a_trial_holds_its_own_fault_and_no_other(trials: dict[str, Found]) -> None:
    """The trial after a fault is clean of it: nothing that was left would be silent about its name."""
    for name, found in trials.items():
        assert {record.fault for record in found.applied} == ({name} if name != "none" else set())
    clean = trials["none"]
    assert clean.facts["outcome"] == "ok", clean.facts["reason"]
    assert all(made.complete for made in clean.times.rounds)
    assert all(check["ok"] for check in clean.facts["checks"]), clean.facts["checks"]


@pytest.mark.parametrize("name", GO_ON)
def test_flower_goes_on_under_what_it_survives(trials: dict[str, Found], name: str) -> None:
    facts = trials[name].facts
    assert (facts["outcome"], facts["reason"]) == ("ok", "")
    assert facts["flower_status"] == "finished:completed"


@pytest.mark.parametrize("name", REASONS)
def test_what_a_trial_does_not_survive_names_the_fault(trials: dict[str, Found], name: str) -> None:
    facts = trials[name].facts
    assert (facts["outcome"], facts["ended_by_fault"]) == ("invalid", True)
    first = facts["reasons"][0]
    assert f"{first['reason']}: {first['detail']}".startswith(REASONS[name])
    assert f"fault {name}" in facts["reason"]


def test_every_trial_ended_within_its_rounds_time(trials: dict[str, Found]) -> None:
    from datetime import datetime

    for name, found in trials.items():
        entered = {state: datetime.fromisoformat(moment) for state, moment in found.facts["entered"].items()}
        ran_s = (entered["stopping"] - entered["running"]).total_seconds()
        assert ran_s < ROUND_S * found.facts["rounds"], name


def test_flower_noticed_a_dead_node_by_its_own_code(trials: dict[str, Found]) -> None:
    for name in ("crash", "node"):
        effect = next(effect for effect in trials[name].effects if effect.does.startswith("kill"))
        assert list(effect.error_codes) == [5]
        assert effect.noticed_s is not None
        assert effect.noticed_s > 0
        assert effect.lost


def test_a_killed_client_app_delays_its_round(trials: dict[str, Found]) -> None:
    (effect,) = trials["client"].effects
    assert effect.delay_s is not None
    assert effect.delay_s > 0


def test_a_stepped_monotonic_clock_is_found_out_and_a_wall_clock_does_no_harm(trials: dict[str, Found]) -> None:
    step = {clock.host: clock.error_s for clock in trials["step"].times.clocks}
    wall = {clock.host: clock.error_s for clock in trials["wall"].times.clocks}
    assert step["pi1"] >= 0.125, "half of the step at least"
    assert max(step["pi2"], wall["pi1"], wall["pi2"]) < step["pi1"] / 10


def test_records_of_a_full_disk_come_later_or_are_missed_by_name(trials: dict[str, Found]) -> None:
    facts = trials["disk"].facts
    cut = trials["disk"].times.cut_segments
    assert all("-flwr-clientapp-" in name for name in cut), (
        "who lives on has room again before the disk is taken away"
    )
    if facts["outcome"] == "ok":
        assert trials["disk"].times.dropped_records == 0
    else:  # a ClientApp that lived while nothing could be written took its records with it
        first = facts["reasons"][0]
        assert first["reason"] == "records missing"
        assert first["detail"].startswith("the disk of its records was full on pi1 (fault disk")


def test_a_node_that_left_is_another_one_when_it_joins(trials: dict[str, Found]) -> None:
    phases = [record.phase for record in trials["moves"].applied]
    assert phases == ["applied", "undone"]
    nodes = {message.node for message in trials["moves"].times.messages}
    assert "pi2" in nodes


def test_the_report_tells_every_fault(result: Ran, trials: dict[str, Found]) -> None:
    summary = json.loads((result.folder / "report" / "summary.json").read_text())
    by_name = {trial["name"]: trial for trial in summary["trials"]}
    for name, found in trials.items():
        effects = by_name[found.facts["name"]]["effects"]
        assert {effect["fault"] for effect in effects} == ({name} if name != "none" else set())
    page = (result.folder / "report" / "report.html").read_text()
    assert "Faults that were asked for" in page
    assert "Traceback" not in result.stderr


def test_nothing_is_left_on_the_machine(result: Ran, states: dict[str, Any]) -> None:
    assert states["after"] == states["before"]
    assert "may not be undone" not in result.stderr
