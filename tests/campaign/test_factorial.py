"""A campaign whose trials differ in their number of clients: the testbed is rebuilt, and each trial has its own.

What a dry run said of its commands is what its processes then recorded of themselves.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.campaign.conftest import fedprobe, ran

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


def started(spool: Path) -> str:
    """The command line of a host's SuperLink or SuperNode, as the process itself recorded it."""
    (segment,) = [path for path in spool.iterdir() if re.search("flower-super(link|node)-", path.name)]
    with segment.open(encoding="utf-8") as file:
        _, program, *arguments = json.loads(file.readline())["argv"]
    return shlex.join([Path(program).name, *arguments])


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
    foretold = subprocess.run(fedprobe("run", file, "--dry-run", "--json"), capture_output=True, check=True)
    commands = json.loads(foretold.stdout)["commands"]
    begun: list[str] = []
    for name, clients in planned:
        facts = json.loads((made.folder / "trials" / name / "trial.json").read_text(encoding="utf-8"))
        assert facts["outcome"] == "ok", facts["reason"]
        assert len(facts["nodes"]) == clients
        assert facts["settings"]["levels"]["clients"] == clients
        assert facts["settings"]["warmup_rounds"] == 1
        begun.append(min(facts["entered"].values()))
        assert list(commands[name]) == ["server", *facts["nodes"]]
        for host, lines in commands[name].items():
            assert started(made.folder / "trials" / name / "spool" / host) in "\n".join(lines)
    assert begun == sorted(begun), "in the order of the plan"
    summary = json.loads((made.folder / "report" / "summary.json").read_text(encoding="utf-8"))
    assert set(summary["polling"]["levels"]) == {"clients 1, fast", "clients 2, fast"}
    rules = {verdict["rule"] for verdict in summary["verdicts"]}
    assert {"levels", "warm_up"} <= rules
    assert summary["round"]["ethernet"]["complete"] == 2, "one round of each trial is no warm-up"
