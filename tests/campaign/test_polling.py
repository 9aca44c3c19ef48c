"""Flower's own waits and short ones: both close, both say what they are, and in one campaign fast waits less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from analysis.load import load_spools
from analysis.trial import load_trial
from instrument.identity import ROLES
from instrument.polling import FAST_WAIT_S, Polling
from instrument.records import Sleep
from tests.campaign.conftest import Ran, ran, small_campaign

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The two levels in one campaign."""
    folder = tmp_path_factory.mktemp("both")
    levels: tuple[Polling, ...] = ("stock", "fast")
    made = ran(small_campaign(folder, rounds=2, clients=2, interface="wifi", polling=levels), folder / "run")
    assert made.code in {0, 3}, made.stderr
    return made


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial with fast waits."""
    folder = tmp_path_factory.mktemp("fast")
    made = ran(small_campaign(folder, rounds=2, interface="wifi", polling=["fast"]), folder / "run")
    assert made.code in {0, 3}, made.stderr
    return trial_of(made, "fast", "wifi")


@pytest.fixture(params=["stock", "fast"])
def level(request: pytest.FixtureRequest) -> Polling:
    return cast("Polling", request.param)


@pytest.fixture
def trial(level: Polling, request: pytest.FixtureRequest) -> Path:
    """A trial of each level; the quickstart leaves Flower's waits as they are."""
    if level == "fast":
        return cast("Path", request.getfixturevalue("fast"))
    return trial_of(request.getfixturevalue("quickstart_run"), level, "wifi")


def trial_of(run: Ran, level: str, network: str) -> Path:
    for path in (run.folder / "trials").iterdir():
        facts = json.loads((path / "trial.json").read_text())
        if (facts["settings"]["polling"], facts["interface"]) == (level, network):
            return path
    raise LookupError(level)


def test_every_round_closes(trial: Path, level: Polling) -> None:
    found = load_trial(trial)
    assert found.facts.outcome == "ok", found.facts.reason
    assert len(found.rounds) >= 2
    assert all(made.residual_share <= 0.01 for made in found.rounds)


def test_every_flower_process_says_which_waits_it_had(trial: Path, level: Polling) -> None:
    segments = [segment for segment in load_spools(trial / "spool").segments if segment.header.role in ROLES]
    assert len(segments) > 6
    assert {segment.header.settings.get("FEDPROBE_POLLING", "stock") for segment in segments} == {level}


def test_no_poll_of_the_fast_trial_slept_longer_than_asked_here(fast: Path) -> None:
    polls = [
        (sleep.asked_s, (sleep.end_mono_ns - sleep.start_mono_ns) / 1e9)
        for _, sleep in load_spools(fast / "spool").of(Sleep)
        if sleep.where in {"flwr.superlink.grid.http_grid", "flwr.supernode.start_client_internal"}
    ]
    assert max(asked for asked, _ in polls) == 3.0  # the record keeps what Flower asked for
    assert sum(slept for _, slept in polls) <= 2 * FAST_WAIT_S * len(polls)


@pytest.mark.long
def test_the_report_shows_stock_and_sets_fast_beside_it(both: Ran) -> None:
    summary: dict[str, Any] = json.loads((both.folder / "report" / "summary.json").read_text())
    polling = summary["polling"]
    assert (polling["headline"], set(polling["levels"])) == ("stock", {"stock", "fast"})
    stock, fast = (polling["levels"][level]["wifi"] for level in ("stock", "fast"))
    assert fast["waiting_s"] < stock["waiting_s"]
    assert polling["fast/stock"]["wifi"]["wall"]["ratio"] < 1
    assert summary["round"]["wifi"]["trials"] == 1
    assert len(summary["trials"]) == 2
    assert "fast / stock" in both.stdout
