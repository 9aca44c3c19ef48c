"""A campaign whose trials differ in their number of clients: the testbed is rebuilt, and each trial has its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.campaign.conftest import ran

CAMPAIGN = """
name = "two-sizes"
seed = 5
rounds = 2
repetitions = 2
[factors]
interface = ["ethernet"]
polling = ["fast"]
clients = [1, 2]
[design]
warmup_rounds = 1
cooldown_s = 3
[priorities]
flower-superlink = -5
flower-supernode = -5
flwr-clientapp = 10
"""


@pytest.mark.netns
@pytest.mark.long
def test_each_trial_runs_at_its_own_levels(tmp_path: Path) -> None:
    file = tmp_path / "two-sizes.toml"
    file.write_text(CAMPAIGN, encoding="utf-8")
    made = ran(file, tmp_path / "run")
    assert made.code in {0, 3}, made.stderr
    plan = json.loads((made.folder / "plan.json").read_text(encoding="utf-8"))
    planned = [(trial["name"], trial["clients"]) for trial in plan["trials"]]
    assert sorted(clients for _, clients in planned) == [1, 1, 2, 2]
    begun: list[str] = []
    for name, clients in planned:
        facts = json.loads((made.folder / "trials" / name / "trial.json").read_text(encoding="utf-8"))
        assert facts["outcome"] == "ok", facts["reason"]
        assert len(facts["nodes"]) == clients
        assert facts["settings"]["levels"]["clients"] == clients
        assert facts["settings"]["warmup_rounds"] == 1
        begun.append(min(facts["entered"].values()))
    assert begun == sorted(begun), "in the order of the plan"
    summary = json.loads((made.folder / "report" / "summary.json").read_text(encoding="utf-8"))
    assert set(summary["polling"]["levels"]) == {"clients 1, fast", "clients 2, fast"}
    rules = {verdict["rule"] for verdict in summary["verdicts"]}
    assert {"levels", "warm_up"} <= rules
    assert summary["round"]["ethernet"]["complete"] == 2, "one round of each trial is no warm-up"
