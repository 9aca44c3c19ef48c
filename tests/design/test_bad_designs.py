"""What a user can get wrong in a design: one message with the fact and the next step, before anything is made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.campaign import CampaignError
from testbed.cli import main
from testbed.prepared import prepare
from testbed.run_folder import DiskFullError
from testbed.toml_text import toml_text
from tests.design.campaigns import document


def refused(tmp_path: Path, factors: dict[str, Any], **more: Any) -> str:
    path = tmp_path / "campaign.toml"
    path.write_text(toml_text(document(factors, **more)), encoding="utf-8")
    with pytest.raises(CampaignError) as raised:
        prepare(path)
    said = str(raised.value)
    assert said.startswith(f"{path}: ")
    assert "\n\n" not in said
    assert raised.value.exit_code == 2
    return said


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ({"client": [2, 4]}, ["factors.client", "Did you mean clients?"]),
        ({"round": [2, 4]}, ["factors.round", "Did you mean rounds?"]),
        ({"poling": ["stock"]}, ["factors.poling", "Did you mean polling?"]),
        ({"pi_cpu": [0.4]}, ["factors.pi_cpu", "Did you mean testbed.pi_cpu?"]),
        ({"testbed": {"profile": ["paper-5g"]}}, ["factors.testbed.profile", "Did you mean testbed.profiles?"]),
        ({"workload.setings.layout": ["flat"]}, ["Did you mean workload.settings.layout?"]),
        ({"layout": ["flat"]}, ["factors.layout", "workload.settings.layout"]),
        ({"priorities.flwr-clientap": [1]}, ["Did you mean priorities.flwr-clientapp?"]),
        ({"workload.settings.layuot": ["flat"]}, ["factors.workload.settings.layuot", "Did you mean layout?"]),
        ({"seed": [1, 2]}, ["factors.seed", "can be no factor"]),
        ({"testbed.kind": ["emulated"]}, ["factors.testbed.kind", "one testbed"]),
        ({"workload.settings.num-clients": [2]}, ["Write factors.clients"]),
        ({"clients": 4}, ["factors.clients = 4", "Write [4]"]),
        ({"clients": []}, ["factors.clients", "list of levels"]),
        ({"clients": [4, 4]}, ["factors.clients", "twice"]),
    ],
)
def test_a_factor_that_is_none(tmp_path: Path, factors: dict[str, Any], expected: list[str]) -> None:
    said = refused(tmp_path, {"interface": ["5g"], **factors})
    for part in expected:
        assert part in said


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ({"clients": [2, 251]}, ["factors.clients has the level 251", "less than or equal to 250"]),
        ({"rounds": [5, 0]}, ["factors.rounds has the level 0", "greater than or equal to 1"]),
        ({"testbed.pi_cpu": [0.4, "much"]}, ['factors.testbed.pi_cpu has the level "much"', "valid number"]),
        ({"collect.interval_ms": [50]}, ["factors.collect.interval_ms has the level 50"]),
        ({"workload.settings.layout": ["flat", 3]}, ["factors.workload.settings.layout = 3", "Write a text"]),
        ({"workload.settings.validate": [1]}, ["factors.workload.settings.validate = 1", "Write true or false"]),
        ({"workload.app": ["nowhere"]}, ["nowhere", "pyproject.toml"]),
    ],
)
def test_a_level_that_cannot_be(tmp_path: Path, factors: dict[str, Any], expected: list[str]) -> None:
    said = refused(tmp_path, {"interface": ["5g"], **factors})
    for part in expected:
        assert part in said


def test_a_network_that_only_some_profiles_have(tmp_path: Path) -> None:
    factors = {"interface": ["5g", "5g-80mhz"], "testbed.profiles": ["default", "paper-5g-sweep"]}
    said = refused(tmp_path, factors)
    assert "5g-80mhz" in said
    assert "trials with profiles default" in said
    text = toml_text(
        document(factors, design={"exclude": [{"interface": "5g-80mhz", "testbed.profiles": "default"}]})
    )
    (tmp_path / "campaign.toml").write_text(text, encoding="utf-8")
    prepared = prepare(tmp_path / "campaign.toml")
    assert [one.networks for one in prepared.testbeds.values()] in (
        [("5g",), ("5g", "5g-80mhz")],
        [("5g", "5g-80mhz"), ("5g",)],
    )


def test_profiles_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "campaign.toml"
    path.write_text(toml_text(document({"interface": ["5g"], "testbed.profiles": ["default", "paper-6g"]})))
    assert main(["run", str(path), "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert "paper-6g" in said
    assert "Did you mean paper-5g" in said
    assert said.startswith(f"fedprobe: {path}: ")
    assert "trials with profiles paper-6g" in said


LAB = """
name = "lab"
known_hosts = "known_hosts"
[defaults.devices]
wifi = "wlan0"
[server]
name = "server"
management = "server.lab"
interfaces = { wifi = "198.51.100.1" }
[[nodes]]
name = "pi[1-3]"
management = "pi[1-3].lab"
interfaces = { wifi = "198.51.100.11" }
"""


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ({"interface": ["wifi"], "clients": [2, 4]}, "clients = 4, but lab has 3 nodes"),
        ({"interface": ["wifi", "5g"], "clients": [2]}, "factors.interface = '5g' is no network of inventory lab"),
        ({"interface": ["wifi"], "testbed.pi_cpu": [0.4]}, "testbed.pi_cpu: real hosts"),
    ],
)
def test_what_an_inventory_cannot_give(tmp_path: Path, factors: dict[str, Any], expected: str) -> None:
    (tmp_path / "lab.toml").write_text(LAB, encoding="utf-8")
    assert expected in refused(tmp_path, factors, testbed={"kind": "inventory", "inventory": "lab.toml"})


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"design": {"budget_h": 0.001}},
            ["design.budget_h = 0.001: one block of 2 trials takes about 0.0", "Allow"],
        ),
        ({"design": {"budget_h": 0}}, ["design.budget_h = 0", "greater than 0"]),
        ({"design": {"budget": 6}}, ["unknown key design.budget. Did you mean budget_h?"]),
        ({"design": {"warmup_rounds": 5}}, ["design.warmup_rounds = 5 of rounds = 5", "none is left"]),
        ({"design": {"exclude": [{"client": 2}]}}, ["design.exclude names 'client'", "Did you mean clients?"]),
        ({"design": {"exclude": [{"clients": 3}]}}, ["design.exclude: clients = 3 is no level"]),
        ({"design": {"exclude": [{"interface": "5g"}]}}, ["leaves no combination"]),
        ({"design": {"exclude": [{}]}}, ["entry 1, is empty"]),
        ({"design": {"block": "time of day"}}, ["design.hours", "Write both"]),
        ({"design": {"hours": ["02:00"]}}, ["design.hours", "Write both"]),
        ({"design": {"block": "time of day", "hours": ["24:30"]}}, ["design.hours has '24:30'", "02:00"]),
        ({"design": {"kind": "half"}}, ["design.kind = 'half'"]),
        ({"design": {"kind": "fraction"}}, ["design.generators", "Write both"]),
        ({"design": {"kind": "list"}}, ['design.kind = "list" and [[trial]]']),
        ({"trial": [{"interface": "5g"}]}, ['design.kind = "list" and [[trial]]']),
        ({"design": {"effect": 1.0}}, ["design.effect", "1 is no effect"]),
        ({"clients": 3}, ["clients = 3 stands beside factors.clients = [2, 4]"]),
    ],
)
def test_a_design_that_cannot_be(tmp_path: Path, more: dict[str, Any], expected: list[str]) -> None:
    said = refused(tmp_path, {"interface": ["5g"], "clients": [2, 4]}, **more)
    for part in expected:
        assert part in said


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([{"interface": "5g", "client": 2}], ["unknown key trial.client. Did you mean clients?"]),
        ([{"interface": "5g", "clients": 2}, {"interface": "5g"}], ["trial 2 has no level of clients"]),
        ([{"clients": 2}], ["trial 1 has no level of interface"]),
        ([{"interface": "5g"}, {"interface": "wifi"}, {"interface": "5g"}], ["trial 3 is the same as trial 1"]),
    ],
)
def test_a_list_that_is_not_whole(tmp_path: Path, trials: list[dict[str, Any]], expected: list[str]) -> None:
    path = tmp_path / "campaign.toml"
    path.write_text(toml_text({"name": "l", "rounds": 2, "clients": 2, "trial": trials, "design": {"kind": "list"}}))
    with pytest.raises(CampaignError) as raised:
        prepare(path)
    for part in expected:
        assert part in str(raised.value)


def test_a_disk_that_is_too_small_is_told_before_a_folder_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from testbed.design.disk import require_space
    from testbed.design.estimate import Estimate

    trials = [Estimate(seconds=1, size_bytes=10**14, source="")] * 3
    with pytest.raises(DiskFullError) as raised:
        require_space(tmp_path / "not" / "there", trials)
    assert "3 trials may need 300,000,000 MB" in str(raised.value)
    assert "--out" in str(raised.value)
    assert list(tmp_path.iterdir()) == []
    require_space(tmp_path / "not" / "there", [Estimate(seconds=1, size_bytes=1, source="")])


def test_an_earlier_run_that_tells_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "quickstart", "--dry-run", "--from", str(tmp_path)]) == 2
    assert "no trial there that ended well (0 were begun)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--deviation", "0"], "deviation"),
        (["--deviation", "0.1", "--effect", "1"], "no effect"),
        (["--deviation", "0.1", "--effect", "-2"], "ratio above 0"),
        (["--deviation", "0.1", "--repetitions", "1"], "2 or more"),
        (["--deviation", "0.1", "--power", "1.5"], "power lies between 0 and 1"),
        (["--deviation", "0.1", "--effect", "1.00001"], "more than 100,000"),
    ],
)
def test_questions_without_an_answer(options: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", *options]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert expected in said.err
    assert said.err.count("\n") == 1


def test_power_answers_in_words_and_as_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "--deviation", "1.0", "--effect", "1.6487212707"]) == 0  # e^0.5: Cohen's 64 in each group
    assert "needs 64 repetitions" in capsys.readouterr().out
    assert main(["power", "--deviation", "1.0", "--effect", "1.6487212707", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["comparisons"]["two groups"]["repetitions_needed"] == 64
    assert set(found["comparisons"]["blocks"]["smallest_ratio"]) == {"2", "3", "5", "10", "20"}
