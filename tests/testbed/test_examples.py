"""What is shipped: campaigns are read, planned, and accepted by the bundled app; the inventory is a laboratory."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fl_app.workloads.settings import settings
from testbed.campaign import app_folder, read_campaign
from testbed.commands.run import campaign_file
from testbed.design.cells import cells_of
from testbed.inventory_file import parse_inventory
from testbed.plan import plan_of

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))
INVENTORIES = [path for path in EXAMPLES if path.stem == "lab"]
CAMPAIGNS = [path for path in EXAMPLES if path not in INVENTORIES]


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_a_shipped_campaign_is_accepted(path: Path) -> None:
    campaign = read_campaign(path)
    assert campaign.name == path.stem
    assert len(plan_of(campaign)) == len(cells_of(campaign)) * campaign.repetitions
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


def test_the_shipped_inventory_is_a_laboratory_of_ten_pis() -> None:
    (path,) = INVENTORIES
    lab = parse_inventory(path.read_text(encoding="utf-8"), path)
    assert lab.name == path.stem
    assert [node.name for node in lab.nodes] == [f"pi{number:02d}" for number in range(1, 11)]
    assert lab.networks == ("ethernet", "wifi", "5g")
    assert {network for node in lab.nodes for network in node.interfaces} == {"ethernet", "wifi", "5g"}
    assert str(lab.host("pi10").interfaces["5g"].address) == "10.45.0.20"
    assert lab.sharings() == []
    assert (lab.kind, lab.clock) == ("real", "own")


def test_what_the_shipped_inventory_has_commented_out_can_be_taken_in() -> None:
    (path,) = INVENTORIES
    text = re.sub(r"^# (?=\[|[a-z_0-9]+ = )", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lab = parse_inventory(text, path)
    assert lab.host("pi11").management.port == 2222
    jump = lab.host("pi11").management.jump
    assert jump is not None
    assert jump.address == "gate.example.org"
    assert lab.server.management.jump is None
