"""The main job, end to end: what the quickstart's own report says, held against bounds and counters."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from analysis.rules.transfers import differences
from analysis.trial import load_trial
from tests.campaign.conftest import ROUNDS, Ran, fedprobe

pytestmark = [pytest.mark.netns, pytest.mark.timeout(900)]

NETWORKS = ("ethernet", "wifi", "5g")


@pytest.fixture(scope="session")
def report(quickstart_run: Ran) -> dict[str, Any]:
    done = subprocess.run(
        fedprobe("report", quickstart_run.folder, "--json"), capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 3}, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="session")
def trials(quickstart_run: Ran) -> list[dict[str, Any]]:
    files = sorted((quickstart_run.folder / "trials").glob("*/trial.json"))
    return [json.loads(file.read_text()) for file in files]


def test_the_run_says_where_it_is_on_its_last_line(quickstart_run: Ran) -> None:
    assert quickstart_run.stdout.splitlines()[-1] == f"run folder: {quickstart_run.folder}"
    assert quickstart_run.code in {0, 3}
    assert "Traceback" not in quickstart_run.stderr


def test_every_trial_is_whole_and_every_check_held(trials: list[dict[str, Any]]) -> None:
    assert {trial["interface"] for trial in trials} == set(NETWORKS)
    for trial in trials:
        assert (trial["outcome"], trial["reasons"]) == ("ok", []), trial["reason"]
        assert trial["flower_status"] == "finished:completed"
        assert not [check for check in trial["checks"] if not check["ok"]]
        assert len([check for check in trial["checks"] if "counters" in check["name"]]) == 4
        assert len([check for check in trial["checks"] if "silence" in check["name"]]) == 4


def test_the_report_has_the_keys_that_scripts_read(report: dict[str, Any]) -> None:
    for network in NETWORKS:
        for phase in ("uplink", "uplink_active", "uplink_stall", "downlink", "downlink_active", "train", "boot"):
            assert set(report["phases"][network][phase]) >= {"median_s", "mean_s", "ci95_s", "n"}
        assert set(report["round"][network]) >= {"t_r_s", "wall_s", "residual_share", "uplink_over_t_r"}
        assert set(report["over_bound"][network]["uplink"]) >= {"mean", "n"}
        assert report["share"][network]["uplink"] > 0
    for phase in ("uplink_active", "uplink", "downlink_active"):
        for pair in ("5g/ethernet", "5g/wifi", "wifi/ethernet"):
            assert set(report["ratios"][phase][pair]) >= {"ratio", "ci95", "bound_ratio"}
    assert all(set(verdict) >= {"severity", "finding", "next_step"} for verdict in report["verdicts"])
    assert "shared_clock" in {verdict["rule"] for verdict in report["verdicts"]}
    assert len(report["trials"]) == 3


def test_every_message_was_measured(report: dict[str, Any]) -> None:
    assert report["messages"]["total"] == 3 * 4 * ROUNDS
    for network in NETWORKS:
        for phase in ("downlink", "uplink", "train", "boot", "stage_in", "stage_out", "collect", "store"):
            assert report["phases"][network][phase]["n"] == 4 * ROUNDS, (network, phase)


def test_uplinks_stand_to_their_bounds_as_physics_and_the_queues_allow(report: dict[str, Any]) -> None:
    bound = {network: report["over_bound"][network]["uplink"]["mean"] for network in NETWORKS}
    assert 0.98 <= bound["5g"] <= 1.20
    assert 0.98 <= bound["wifi"] <= 1.5
    uplink = {network: report["phases"][network]["uplink_active"]["mean_s"] for network in NETWORKS}
    assert uplink["ethernet"] <= 0.25
    assert uplink["ethernet"] < 0.6 * uplink["wifi"]
    assert report["ratios"]["uplink_active"]["5g/ethernet"]["ratio"] >= 8
    assert 3 <= report["ratios"]["uplink_active"]["5g/wifi"]["ratio"] <= 9


def test_every_round_closes(report: dict[str, Any]) -> None:
    for network in NETWORKS:
        assert report["round"][network]["residual_share"] <= 0.01
        assert sum(report["share"][network].values()) == pytest.approx(1.0, abs=1e-6)


def test_both_estimators_agree(quickstart_run: Ran) -> None:
    """On the whole message within 5 % or 15 ms; on active, where each stretch has an error, within their bounds."""
    for folder in sorted((quickstart_run.folder / "trials").iterdir()):
        for message in load_trial(folder).messages:
            for transfer in (message.uplink, message.downlink):
                assert transfer is not None
                where = (folder.name, message.node, message.round, transfer.direction)
                (_, active_s, allowed_s, _), (_, whole_s, _, length_s) = differences(transfer)
                assert abs(whole_s) <= max(0.05 * length_s, 0.015), where
                assert abs(active_s) <= allowed_s, where


def test_the_model_is_the_same_on_every_network_and_differs_every_round(report: dict[str, Any]) -> None:
    digests = {network: report["models"]["by_interface"][network] for network in NETWORKS}
    assert digests["ethernet"] == digests["wifi"] == digests["5g"]
    assert len(set(digests["5g"].values())) == ROUNDS
    for network in NETWORKS:
        (curve,) = report["accuracy"][network]
        assert [point["accuracy"] for point in curve["points"] if point["source"] == "server"][-1] >= 0.8


def test_hosts_have_clocks_of_their_own_and_were_mapped(report: dict[str, Any]) -> None:
    nodes = [clock for clock in report["clocks"] if clock["host"] != "server"]
    assert len({round(clock["offset_s"]) for clock in nodes}) >= 4
    assert all(abs(clock["offset_s"]) > 1000 and clock["error_s"] < 0.005 for clock in nodes)


def test_the_report_is_written_and_stands_alone(quickstart_run: Ran) -> None:
    page: Path = quickstart_run.folder / "report" / "report.html"
    assert page.stat().st_size > 100_000
    assert json.loads((quickstart_run.folder / "report" / "summary.json").read_text())["phases"]
