"""Half a second injected into each phase in turn is charged to that phase, by at least 95 %.

The sleeps of `injection/sitecustomize.py` know nothing of the probes: they are the truth that the whole chain of
hooks, records, joins and charging is held against.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from analysis.model import Interval, TrialTimes
from analysis.trial import load_spool
from instrument.phases import PHASES
from instrument.polling import variables
from testbed.loopback import Loopback

pytestmark = pytest.mark.flower

FAST = variables("fast")
INJECTION = Path(__file__).parent / "injection"
AT_LEAST = 0.95
RESIDUAL_AT_MOST = 0.01


@pytest.fixture(scope="module")
def injected_run(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """One round of one node with a sleep in every phase; returns the folder of its spool and its sleeps."""
    folder = tmp_path_factory.mktemp("injected")
    (folder / "sleeps").mkdir()
    environment = {"PYTHONPATH": f"{INJECTION}:{repository}", "INJECTION_OUT": str(folder / "sleeps"), **FAST}
    launcher = [sys.executable, "-m", "testbed.cli", "instrument", "--out", str(folder / "spool"), "--"]
    config = {"num-server-rounds": 1, "num-clients": 1, "fraction-evaluate": 1.0}
    with Loopback(1, folder, launcher, environment) as deployment:
        assert deployment.run(repository / "fl_app", config, timeout_s=240).completed
    return folder


@pytest.fixture(scope="module")
def sleeps(injected_run: Path) -> dict[str, Interval]:
    """The truth: what was slept in each phase, on CLOCK_MONOTONIC."""
    made = [json.loads(path.read_text()) for path in sorted((injected_run / "sleeps").glob("*.json"))]
    return {one["phase"]: Interval(one["start_ns"], one["end_ns"]) for one in made}


@pytest.fixture(scope="module")
def trial(injected_run: Path) -> TrialTimes:
    return load_spool(injected_run / "spool")


def overlap_ns(one: Interval, other: Interval) -> int:
    return max(0, min(one.end_ns, other.end_ns) - max(one.start_ns, other.start_ns))


def charged(trial: TrialTimes, sleep: Interval) -> Iterator[tuple[str, float]]:
    """What a sleep was charged to: phases, and the share of the sleep that each got."""
    for one in trial.rounds:
        for charge in one.charges:
            if overlap_ns(charge.interval, sleep):
                yield charge.phase, overlap_ns(charge.interval, sleep) / (sleep.end_ns - sleep.start_ns)


def test_every_phase_was_injected(sleeps: dict[str, Interval]) -> None:
    assert sleeps.keys() == PHASES.keys()


def test_the_sleeps_do_not_overlap(sleeps: dict[str, Interval]) -> None:
    ordered = sorted(sleeps.values(), key=lambda sleep: sleep.start_ns)
    assert all(one.end_ns <= other.start_ns for one, other in pairwise(ordered))


@pytest.mark.parametrize("phase", [name for name in PHASES if name != "evaluate_server"])
def test_a_sleep_is_charged_to_its_phase(trial: TrialTimes, sleeps: dict[str, Interval], phase: str) -> None:
    shares: dict[str, float] = {}
    for name, share in charged(trial, sleeps[phase]):
        shares[name] = shares.get(name, 0.0) + share
    assert shares.get(phase, 0.0) >= AT_LEAST, shares


@pytest.mark.parametrize("phase", [name for name in PHASES if name != "evaluate_server"])
def test_a_sleep_lies_in_the_raw_interval_of_its_phase(
    trial: TrialTimes, sleeps: dict[str, Interval], phase: str
) -> None:
    sleep = sleeps[phase]
    raw = [message.intervals[phase] for message in trial.messages if phase in message.intervals]
    assert max(overlap_ns(interval, sleep) for interval in raw) >= AT_LEAST * (sleep.end_ns - sleep.start_ns)


def test_the_evaluation_at_the_server_lies_after_the_round(trial: TrialTimes, sleeps: dict[str, Interval]) -> None:
    assert sleeps["evaluate_server"].start_ns >= trial.rounds[-1].interval.end_ns
    assert max(trial.evaluate_server_s) >= sleeps["evaluate_server"].seconds


def test_what_nothing_explains_is_at_most_one_percent(trial: TrialTimes) -> None:
    for one in trial.rounds:
        assert one.residual_share <= RESIDUAL_AT_MOST


def test_the_charges_tile_the_round(trial: TrialTimes) -> None:
    for one in trial.rounds:
        edges = [one.interval.start_ns]
        for charge in one.charges:
            assert charge.interval.start_ns == edges[-1]
            edges.append(charge.interval.end_ns)
        assert edges[-1] == one.interval.end_ns


def test_the_active_part_of_a_transfer_does_not_contain_its_stall(
    trial: TrialTimes, sleeps: dict[str, Interval]
) -> None:
    """The sleep between two objects is the thread's, not the network's: whole, but not active."""
    (message,) = (message for message in trial.messages if message.function == "train")
    for transfer, name in ((message.downlink, "downlink"), (message.uplink, "uplink")):
        assert transfer is not None
        assert transfer.whole_s >= sleeps[name].seconds
        assert sum(overlap_ns(busy, sleeps[name]) for busy in transfer.busy) <= 0.5 * sleeps[name].seconds * 1e9
        assert transfer.stall_s >= 0.5 * sleeps[name].seconds


def test_the_probes_met_no_trouble(trial: TrialTimes) -> None:
    assert list(trial.faults) == []
    assert list(trial.cut_segments) == []
    assert trial.dropped_records == 0
