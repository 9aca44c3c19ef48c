"""Flower's other forms: apps that SuperExecs of their own start, TLS with authentication, and Ray's simulation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from deployments import NODES, Run, run_app

from analysis.model import TrialTimes
from analysis.trial import load_spool
from instrument.flower.names import PLACES
from instrument.phases import PHASES
from instrument.polling import variables
from instrument.records import Fault, Hook, Model, Rpc, Serve, Span

CONFIG = {"num-server-rounds": 1, "num-clients": NODES}
EVERY_PHASE = PHASES.keys() - {"test", "validate", "evaluate_server"}
FAST = variables("fast")
FORMS = {"process": {"form": "process"}, "tls": {"security": "tls+supernode-auth"}}


@pytest.fixture(scope="module")
def run_of(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Callable[[str], Run]:
    """The run of each form, made once, in whatever order the tests come."""

    @cache
    def made(form: str) -> Run:
        return run_app(tmp_path_factory.mktemp(form), repository / "fl_app", CONFIG, FAST, **FORMS[form])

    return made


@pytest.fixture(params=FORMS)
def run(request: pytest.FixtureRequest, run_of: Callable[[str], Run]) -> Run:
    return run_of(request.param)


@pytest.fixture
def trial(run: Run) -> TrialTimes:
    return load_spool(run.spool)


@pytest.mark.flower
def test_the_model_is_the_same_and_nothing_went_wrong(run: Run, bare: Run) -> None:
    assert run.status.completed
    assert run.models() == bare.models()[:2]
    assert list(run.of(Fault)) == []
    for log in run.logs.glob("*.log"):
        assert "Traceback" not in log.read_text(errors="replace"), log.name


@pytest.mark.flower
def test_every_process_is_whole_and_found_every_hook(run: Run) -> None:
    assert {segment.header.role for segment in run.segments} == PLACES.keys() - {"flwr-simulation"}
    for segment in run.segments:
        assert segment.whole, segment.path
        assert hooks_of(segment.records) == {(name, True) for name in PLACES[segment.header.role]}


@pytest.mark.flower
def test_every_message_has_every_phase_and_every_stamp(run: Run, trial: TrialTimes) -> None:
    assert len(trial.messages) == NODES
    for message in trial.messages:
        assert message.outcome == "ok"
        assert message.intervals.keys() == EVERY_PHASE
        for transfer in (message.uplink, message.downlink):
            assert transfer is not None
            assert transfer.outcome == "ok"
            assert transfer.payload_bytes > 2_910_040
            assert transfer.local_ports
    moved = [rpc for _, rpc in run.of(Rpc) if rpc.method.endswith("Object")]
    assert all(rpc.server_last_byte_mono_ns and rpc.headers_sent_mono_ns and rpc.body_read_mono_ns for rpc in moved)
    assert list(trial.missing_hooks) == []


@pytest.mark.simulation
def test_in_a_simulation_the_probes_are_harmless(tmp_path: Path, repository: Path, bare: Run) -> None:
    """Ray pickles the app with the probe's wrapper around its function, and calls it in workers without probes."""
    quiet = {"RAY_USAGE_STATS_ENABLED": "0"}
    run = run_app(tmp_path, repository / "fl_app", CONFIG, quiet, form="simulation")
    assert run.status.completed
    assert run.models() == bare.models()[:2]
    assert list(run.of(Fault)) == []
    (simulation,) = run.role("flwr-simulation")
    assert hooks_of(simulation.records) == {(name, True) for name in PLACES["flwr-simulation"]}
    assert [model.round for _, model in run.of(Model)] == [1]
    assert {span.error for _, span in run.of(Span)} == {None}
    assert not [serve for _, serve in run.of(Serve) if "fleet" in serve.path]
    for log in run.logs.glob("*.log"):
        assert "Traceback" not in log.read_text(errors="replace"), log.name


def hooks_of(records: list) -> set[tuple[str, bool]]:
    return {(record.name, record.found) for record in records if isinstance(record, Hook)}
