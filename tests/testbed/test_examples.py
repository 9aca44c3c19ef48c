"""The shipped campaigns: each is read, planned, and accepted by the bundled app."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fl_app.workloads.settings import settings
from testbed.campaign import app_folder, read_campaign
from testbed.commands.run import campaign_file
from testbed.plan import plan_of

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_shipped_campaign_is_accepted(path: Path) -> None:
    campaign = read_campaign(path)
    assert campaign.name == path.stem
    assert len(plan_of(campaign)) == 3 * len(campaign.factors.polling) * campaign.repetitions
    assert campaign_file(path.stem) == path
    project = tomllib.loads((app_folder(campaign, path) / "pyproject.toml").read_text(encoding="utf-8"))
    defaults = project["tool"]["flwr"]["app"]["config"]
    assert campaign.run_config().keys() <= defaults.keys(), "flwr run refuses a key that the app does not know"
    settings({**defaults, **campaign.run_config()})


def test_the_payload_campaign_sends_every_combination_once() -> None:
    (path,) = [path for path in EXAMPLES if path.stem == "payload"]
    campaign = read_campaign(path)
    project = tomllib.loads((app_folder(campaign, path) / "pyproject.toml").read_text(encoding="utf-8"))
    chosen = settings({**project["tool"]["flwr"]["app"]["config"], **campaign.run_config()})
    assert chosen.workload == "payload"
    assert len(chosen.payload.exchanges) == campaign.rounds
