"""t_ts and t_v: an app that evaluates on its clients has both, each with a downlink of its own."""

from __future__ import annotations

import pytest

from analysis.document import to_json
from analysis.model import TrialTimes
from analysis.summary import summarise
from analysis.trial import load_spool
from tests.flower.deployments import NODES, ROUNDS, Run

pytestmark = pytest.mark.flower
EACH = NODES * ROUNDS


@pytest.fixture(scope="module")
def trial(measured: Run) -> TrialTimes:
    return load_spool(measured.spool)


def test_the_report_has_training_test_and_validation_times(trial: TrialTimes) -> None:
    phases = to_json(summarise([trial]))["phases"]["loopback"]
    for name in ("train", "test", "validate"):
        assert phases[name]["n"] == EACH
        assert phases[name]["mean_s"] > 0


@pytest.mark.parametrize("function", ["train", "test", "validate"])
def test_every_message_has_a_downlink_of_the_whole_model(trial: TrialTimes, function: str) -> None:
    messages = [message for message in trial.messages if message.function == function]
    assert len(messages) == EACH
    for message in messages:
        assert message.downlink is not None
        assert message.downlink.payload_bytes > 2_910_040
        assert message.uplink is not None
        assert (message.uplink.payload_bytes > 2_910_040) == (function == "train")


def test_t_r_holds_all_that_the_paper_adds_up(trial: TrialTimes) -> None:
    for one in trial.rounds:
        sums = {}
        for message in trial.messages:
            if message.round == one.round:
                parts = ("downlink", message.function, "uplink")
                sums[message.node] = sums.get(message.node, 0.0) + sum(message.seconds(part) or 0.0 for part in parts)
        assert one.t_r_s is not None
        assert one.t_r_s <= max(sums.values()) + 1e-6
