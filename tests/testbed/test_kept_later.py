"""A trial whose host is away when its records are to be fetched waits for it, and is kept when the host is back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from testbed import keeping
from testbed.campaign import Campaign
from testbed.plan import plan_of
from testbed.run_folder import RunFolder
from testbed.runner import missing
from testbed.validity import Invalid, as_documents

AWAY = "pi1: no answer"


@pytest.fixture
def campaign() -> Campaign:
    return Campaign.model_validate({"name": "c", "rounds": 1, "clients": 1, "factors": {"interface": ["wifi"]}})


def _keep(folder: RunFolder, campaign: Campaign, monkeypatch: pytest.MonkeyPatch, *, away: bool) -> None:
    """As after a trial; nothing comes from hosts, whose answers are given here."""
    (planned,) = plan_of(campaign)
    hosts = [SimpleNamespace(name="server", role="server"), SimpleNamespace(name="pi1", role="node")]
    deployment = SimpleNamespace(trial=planned.name, campaign=campaign, hosts=hosts, nodes=hosts[1:])
    setting = SimpleNamespace(progress=SimpleNamespace(doing=lambda _: None))
    monkeypatch.setattr(keeping, "fetch", lambda *_: [AWAY] if away else [])
    monkeypatch.setattr(keeping, "is_complete", lambda *_: not away)
    monkeypatch.setattr(keeping, "_facts_without_records", lambda *_: {})
    keeping.keep(setting, deployment, folder.trial(planned.name))  # type: ignore[arg-type]


def _stopped(folder: RunFolder, campaign: Campaign, against: list[Invalid]) -> None:
    (planned,) = plan_of(campaign)
    folder.trial(planned.name).enter("stopping", outcome="unfinished", reasons=as_documents(against), settings={})


def test_one_that_ended_well_waits_and_is_not_measured_again(
    tmp_path: Path, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.bare(tmp_path / "run")
    (planned,) = plan_of(campaign)
    _stopped(folder, campaign, [])
    _keep(folder, campaign, monkeypatch, away=True)
    trial = folder.trial(planned.name)
    assert (trial.state, trial.facts["outcome"], trial.facts["fetched"]) == ("fetching", "unfinished", False)
    assert AWAY in trial.facts["reason"]
    assert not missing(folder, planned)
    _keep(folder, campaign, monkeypatch, away=False)
    assert folder.trial(planned.name).ended


def test_one_that_did_not_end_well_is_not_held_up_by_a_host_that_may_never_come_back(
    tmp_path: Path, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.bare(tmp_path / "run")
    (planned,) = plan_of(campaign)
    _stopped(folder, campaign, [Invalid("node lost", AWAY)])
    _keep(folder, campaign, monkeypatch, away=True)
    trial = folder.trial(planned.name)
    assert trial.ended
    assert [one["reason"] for one in trial.facts["reasons"]] == ["node lost"]
    assert missing(folder, planned)
