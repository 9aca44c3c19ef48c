"""Flower's own waits and short ones in one campaign: both close, both say what they are, and fast waits less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.load import load_spools
from analysis.trial import load_trial
from instrument.identity import ROLES
from instrument.polling import FAST_WAIT_S
from instrument.records import Sleep
from tests.campaign.conftest import Ran, ran, small_campaign

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("polling")
    campaign = small_campaign(folder, rounds=2, clients=2, interface="wifi")
    text = campaign.read_text(encoding="utf-8")
    campaign.write_text(text.replace("[workload]", 'polling = ["stock", "fast"]\n[workload]'), encoding="utf-8")
    made = ran(campaign, folder / "run")
    assert made.code in {0, 3}, made.stderr
    return made


@pytest.fixture(scope="module")
def summary(run: Ran) -> dict[str, Any]:
    return dict(json.loads((run.folder / "report" / "summary.json").read_text()))


def trial_of(run: Ran, level: str) -> Path:
    return next(
        path
        for path in (run.folder / "trials").iterdir()
        if json.loads((path / "trial.json").read_text())["settings"]["polling"] == level
    )


@pytest.mark.parametrize("level", ["stock", "fast"])
def test_every_round_closes(run: Ran, level: str) -> None:

    trial = load_trial(trial_of(run, level))
    assert trial.facts.outcome == "ok", trial.facts.reason
    assert len(trial.rounds) == 2
    assert all(made.residual_share <= 0.01 for made in trial.rounds)


@pytest.mark.parametrize("level", ["stock", "fast"])
def test_every_flower_process_says_which_waits_it_had(run: Ran, level: str) -> None:
    records = load_spools(trial_of(run, level) / "spool")
    segments = [segment for segment in records.segments if segment.header.role in ROLES]
    assert len(segments) > 6
    assert {segment.header.settings.get("FEDPROBE_POLLING", "stock") for segment in segments} == {level}


def test_no_poll_of_the_fast_trial_slept_longer_than_asked_here(run: Ran) -> None:
    polls = [
        (sleep.asked_s, (sleep.end_mono_ns - sleep.start_mono_ns) / 1e9)
        for _, sleep in load_spools(trial_of(run, "fast") / "spool").of(Sleep)
        if sleep.where in {"flwr.superlink.grid.http_grid", "flwr.supernode.start_client_internal"}
    ]
    assert max(asked for asked, _ in polls) == 3.0  # the record keeps what Flower asked for
    assert sum(slept for _, slept in polls) <= 2 * FAST_WAIT_S * len(polls)


def test_the_report_shows_stock_and_sets_fast_beside_it(summary: dict[str, Any], run: Ran) -> None:
    polling = summary["polling"]
    assert (polling["headline"], set(polling["levels"])) == ("stock", {"stock", "fast"})
    stock, fast = (polling["levels"][level]["wifi"] for level in ("stock", "fast"))
    assert fast["waiting_s"] < stock["waiting_s"]
    assert polling["fast/stock"]["wifi"]["wall"]["ratio"] < 1
    assert summary["round"]["wifi"]["trials"] == 1
    assert len(summary["trials"]) == 2
    assert "fast / stock" in run.stdout
