"""Every hook and every piece of the probes made to raise, in real runs: the run is as without it, the report says so.

Each run breaks something in several processes at once: what is broken of one role shows in that role's own records.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from deployments import NODES, Run, disturbed, run_app

from analysis.measured import measure
from analysis.model import TrialTimes
from analysis.rules import judge
from analysis.trial import load_spool
from instrument.flower.names import PLACES
from instrument.phases import PHASES
from instrument.records import Fault, Hook, Model

pytestmark = pytest.mark.flower

CLIENT = "flwr.supercore.protobuf.client"
INFLATABLE = "flwr.supercore.inflatable.inflatable_utils"
LINK, NODE, EXEC = "flower-superlink", "flower-supernode", "flower-superexec"
SERVER_APP, CLIENT_APP = "flwr-serverapp", "flwr-clientapp"
NOT_ASKED = {"test", "validate"}  # these runs only train

HOOKS = [
    {
        LINK: CLIENT,
        NODE: "flwr.supernode.start_client_internal",
        EXEC: CLIENT,
        SERVER_APP: "flwr.serverapp.strategy.strategy",
        CLIENT_APP: "flwr.supernode.runtime.run_clientapp",
    },
    {
        LINK: "uvicorn.config",
        NODE: INFLATABLE,
        EXEC: "flwr.supercore.superexec.run_superexec",
        SERVER_APP: CLIENT,
        CLIENT_APP: INFLATABLE,
    },
    {
        NODE: "uvicorn.config",
        EXEC: "flwr.supercore.superexec.executor.subprocess_executor",
        SERVER_APP: "flwr.serverapp.strategy.strategy_utils",
        CLIENT_APP: "flwr.clientapp.client_app",
    },
    {NODE: CLIENT, SERVER_APP: INFLATABLE},
    {CLIENT_APP: CLIENT},
    {SERVER_APP: "flwr.superlink.grid.http_grid"},
]
INSIDE = [
    {
        LINK: ["serve:_Exchange.__init__"],
        NODE: ["rpc:_measured", "sleeps:slept"],
        EXEC: ["superexec:_launched"],
        SERVER_APP: [
            *("server_app:_record_dispatches", "server_app:_record_replies", "server_app:_pulled_message"),
            "rpc:_late_ms",
        ],
        CLIENT_APP: ["rpc:_measured", "client_app:message_fields"],
    },
    {
        LINK: ["serve:age_ns", "serve:tcp_info"],
        NODE: ["rpc:RecordingInterceptor.__init__"],
        EXEC: ["sleeps:slept"],
        SERVER_APP: [
            *("rpc:_hand_over", "server_app:_kind_of", "server_app:_dispatched", "server_app:_replied"),
            *("server_app:_record_aggregated", "server_app:_length"),
        ],
        CLIENT_APP: ["rpc:_hand_over", "client_app:_reply_fields"],
    },
    {
        LINK: ["serve:_Exchange._header", "serve:late_ms"],
        NODE: ["rpc:_connection"],
        SERVER_APP: ["rpc:_named", "sleeps:slept", "server_app:_record_score", "server_app:_model"],
        CLIENT_APP: ["rpc:_record", "client_app:run_queue_wait_ns"],
    },
    {
        LINK: ["serve:_record", "serve:_socket_of"],
        NODE: ["rpc:_carried"],
        SERVER_APP: ["rpc:_stamps", "server_app:_recording_evaluation"],
        CLIENT_APP: ["rpc:_answered"],
    },
]


def cases(groups: list) -> list:
    """The first of each kind whenever Flower's processes run, the others in the long proofs."""
    return [0, *(pytest.param(number, marks=pytest.mark.long) for number in range(1, len(groups)))]


def run_with(folder: Path, repository: Path, changes: dict) -> Run:
    reached = folder / "reached"
    reached.mkdir()
    variables = {**disturbed(repository, changes, reached), "FEDPROBE_POLLING": "fast"}
    return run_app(folder, repository / "fl_app", {"num-server-rounds": 1, "num-clients": NODES}, variables)


def assert_as_without(run: Run, bare: Run, measured: Run) -> None:
    """The run completed, nobody saw an exception, and the model is the same by the app's word and by the probe's."""
    assert run.status.completed
    assert run.models() == bare.models()[:2]
    assert len(run.models()) == 2
    digests = {model.round: model.sha256 for _, model in measured.of(Model)}
    assert all(model.sha256 == digests[model.round] for _, model in run.of(Model))
    for log in run.logs.glob("*.log"):
        assert "Traceback" not in log.read_text(errors="replace"), log.name


def found_phases(trial: TrialTimes) -> set[str]:
    """The phases that every message of the run has, and the server's evaluation where it was seen."""
    found = set.intersection(*(set(message.intervals) for message in trial.messages)) if trial.messages else set()
    return found - {"evaluate_server"} | ({"evaluate_server"} if trial.evaluate_server_s else set())


def test_every_hook_is_made_to_raise() -> None:
    broken = [(role, module) for group in HOOKS for role, module in group.items()]
    placed = [(role, module) for role, places in PLACES.items() for module in places if role != "flwr-simulation"]
    assert sorted(broken) == sorted(placed)


@pytest.mark.parametrize("number", cases(HOOKS))
def test_a_hook_that_raises_costs_its_phases_and_nothing_else(
    tmp_path: Path, repository: Path, bare: Run, measured: Run, number: int
) -> None:
    group = HOOKS[number]
    run = run_with(tmp_path, repository, {role: {"hooks": [module]} for role, module in group.items()})
    assert_as_without(run, bare, measured)
    missed = {(segment.header.role, hook.name) for segment, hook in run.of(Hook) if not hook.found}
    assert missed == set(group.items())
    trial = load_spool(run.spool)
    assert {(hook.role, hook.name) for hook in trial.missing_hooks} == set(group.items())
    lost = {phase for role, module in group.items() for phase in PLACES[role][module].phases}
    assert found_phases(trial) == PHASES.keys() - NOT_ASKED - lost
    findings = [v.finding for v in judge([trial], measure([trial])) if v.rule == "missing_hooks"]
    for role, module in group.items():
        (finding,) = (finding for finding in findings if finding.startswith(f"{role} on "))
        assert f"{module} (RuntimeError('made to raise: {module}'))" in finding
        assert all(phase in finding for phase in PLACES[role][module].phases)


@pytest.mark.parametrize("number", cases(INSIDE))
def test_a_piece_of_the_probe_that_raises_is_a_fault_and_nothing_else(
    tmp_path: Path, repository: Path, bare: Run, measured: Run, number: int
) -> None:
    group = INSIDE[number]
    run = run_with(tmp_path, repository, {role: {"inside": names} for role, names in group.items()})
    assert_as_without(run, bare, measured)
    told = {(segment.header.role, fault.error) for segment, fault in run.of(Fault)}
    for role, names in group.items():
        for name in names:
            assert (tmp_path / "reached" / f"{role} {name}").exists(), (role, name)
            assert (role, f"RuntimeError('made to raise: {name}')") in told
    trials = [load_spool(run.spool)]
    assert "faults" in {verdict.rule for verdict in judge(trials, measure(trials))}
