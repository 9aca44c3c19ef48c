"""A trial whose host is away when its records are to be fetched waits for it, and is kept when the host is back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis import store
from instrument.records import Fault
from testbed import fetch_sources, keeping, late_records
from testbed.campaign import Campaign
from testbed.deployment import Deployment
from testbed.errors import UnreachableError
from testbed.inventory_file import parse_inventory
from testbed.local_shell import local_shell
from testbed.plan import plan_of
from testbed.run_folder import RunFolder, TrialFolder
from testbed.runner import missing
from testbed.shell import Shell
from testbed.validity import Invalid, as_documents
from tests.testbed.test_fetch import RECORDS, Host

AWAY = "pi1: no answer"
LAB = """\
name = "lab"
known_hosts = "known_hosts"
[defaults]
key = "key"
[defaults.devices]
wifi = "wlan0"
[server]
name = "server"
management = "192.0.2.1"
work_folder = "{folder}/server"
interfaces = {{ wifi = "198.51.100.1" }}
[[nodes]]
name = "pi1"
management = "198.51.100.11"
work_folder = "{folder}/pi1"
interfaces = {{ wifi = "198.51.100.11" }}
"""


@pytest.fixture
def campaign() -> Campaign:
    return Campaign.model_validate({"name": "c", "rounds": 1, "clients": 1, "factors": {"interface": ["wifi"]}})


def _keep(folder: RunFolder, campaign: Campaign, monkeypatch: pytest.MonkeyPatch, *, away: bool) -> None:
    """As after a trial; nothing comes from hosts, whose answers are given here."""
    (planned,) = plan_of(campaign)
    hosts = [SimpleNamespace(name="server", role="server"), SimpleNamespace(name="pi1", role="node")]
    deployment = SimpleNamespace(trial=planned.name, campaign=campaign, hosts=hosts, nodes=hosts[1:])
    progress = SimpleNamespace(doing=lambda _: None, entered=lambda *_: None)
    setting = SimpleNamespace(progress=progress)
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


class _Away:
    """The session to a host that does not answer: every call says so."""

    def __getattr__(self, name: str) -> Any:
        raise UnreachableError(AWAY)


@pytest.fixture
def lost(tmp_path: Path, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> TrialFolder:
    """A trial that is done, invalid for a lost node, of which nothing was fetched; hosts are folders here."""

    def no_login(*_: object) -> Shell:
        raise UnreachableError(AWAY)

    monkeypatch.setattr(fetch_sources, "login_to", lambda *_: None)
    monkeypatch.setattr(fetch_sources, "connect", no_login)
    (planned,) = plan_of(campaign)
    for name in ("server", "pi1"):
        made = Host(tmp_path / "made", name)
        trials = tmp_path / name / "trials"
        trials.mkdir(parents=True)
        (trials / planned.name).symlink_to(made.folder)
    folder = RunFolder.bare(tmp_path / "run")
    facts = {"outcome": "invalid", "reason": AWAY, "reasons": as_documents([Invalid("node lost", AWAY)])}
    folder.trial(planned.name).enter("done", **facts, fetched=False, not_fetched=[AWAY])
    (waiting,) = late_records.waiting(folder, planned.name)
    return waiting


def _deployment(tmp_path: Path, campaign: Campaign, sessions: dict[str, Shell]) -> Deployment:
    inventory = parse_inventory(LAB.format(folder=tmp_path), tmp_path / "lab.toml")
    (planned,) = plan_of(campaign)
    return Deployment(
        inventory=inventory,
        sessions=sessions,
        campaign=campaign,
        trial=planned.name,
        interface="wifi",
        nodes=inventory.nodes,
    )


@pytest.mark.parametrize("away", [{}, {"pi1": _Away()}], ids=["no login", "login lost"])
def test_what_a_lost_host_kept_is_fetched_when_it_is_back_and_the_trial_stays_invalid(
    tmp_path: Path, campaign: Campaign, lost: TrialFolder, away: dict[str, Any]
) -> None:
    with local_shell("server") as server, local_shell("pi1") as pi1:
        missing_still = late_records.bring(_deployment(tmp_path, campaign, {"server": server, **away}), lost)
        assert any("pi1" in problem for problem in missing_still)
        assert (lost.facts["fetched"], lost.facts["not_fetched"]) == (False, missing_still)
        assert {segment.header.host for segment in store.load(lost.records).segments} == {"server"}
        at_once = late_records.waiting(RunFolder(lost.path.parents[1]), lost.path.name)
        assert [one.path for one in at_once] == [lost.path]

        assert late_records.bring(_deployment(tmp_path, campaign, {"server": server, "pi1": pi1}), lost) == []
    found = store.load(lost.records)
    assert {segment.header.host for segment in found.segments} == {"server", "pi1"}
    assert sum(1 for _ in found.of(Fault)) == 2 * 3 * RECORDS
    assert (lost.facts["fetched"], lost.facts["not_fetched"]) == (True, [])
    assert (lost.facts["outcome"], lost.facts["reason"]) == ("invalid", AWAY)
    assert late_records.waiting(RunFolder(lost.path.parents[1]), lost.path.name) == []


def test_attempts_that_were_set_aside_wait_too(campaign: Campaign, lost: TrialFolder) -> None:
    folder = RunFolder(lost.path.parents[1])
    folder.set_aside(lost.path.name)
    assert [one.path.name for one in late_records.waiting(folder, lost.path.name)] == [f"{lost.path.name}.attempt1"]
