"""What trial.json says of a trial's testbed, from which the report makes its verdicts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis.load import Records, SegmentRecords
from analysis.measured import measure
from analysis.model import TrialTimes
from analysis.rules import judge
from analysis.trial import trial_facts
from instrument.flower.priority import PRIORITY
from instrument.records import Fault
from testbed.campaign import Campaign, app_folder
from testbed.inventory_file import parse_inventory
from testbed.plan import plan_of
from testbed.run_folder import TrialFolder
from testbed.setting import Setting
from testbed.trial_document import asked, conditions
from tests.instrument.made_records import header

LAB = """\
name = "lab"
clock = "shared"
known_hosts = "known_hosts"
[defaults]
key = "key"
[defaults.devices]
wifi = "wlan0"
[server]
name = "server"
management = "192.0.2.1"
interfaces = { wifi = "198.51.100.1" }
[[nodes]]
name = "pi[1-3]"
management = "198.51.100.11"
interfaces = { wifi = "198.51.100.11" }
"""


def test_a_clock_and_a_shared_management_network_reach_the_report(tmp_path: Path) -> None:
    campaign = Campaign.model_validate({"name": "c", "rounds": 1, "clients": 2, "factors": {"interface": ["wifi"]}})
    setting = Setting(
        app=app_folder(campaign, Path("c.toml")),
        inventory=parse_inventory(LAB, Path("/lab.toml")),
        profiles=None,
        sessions={},
        interrupts=None,  # type: ignore[arg-type]
        progress=None,  # type: ignore[arg-type]
    )
    (planned,) = plan_of(campaign)
    folder = TrialFolder(tmp_path / planned.name)
    folder.enter("done", **{**asked(setting, planned), "outcome": "ok", "reason": ""})
    times = TrialTimes(facts=trial_facts(folder.path / "trial.json"), messages=(), rounds=(), clocks=())
    verdicts = {verdict.rule: verdict for verdict in judge([times], measure([times]))}
    assert "1 trial" in verdicts["shared_clock"].finding
    assert "wifi too, on 2 hosts (pi1 and pi2)" in verdicts["management_shared"].finding


@pytest.mark.parametrize(
    ("nice", "where", "set_whole"), [(-5, None, True), (0, None, False), (-5, PRIORITY, False), (-5, "grid", True)]
)
def test_a_priority_is_set_where_every_process_and_its_group_got_it(
    nice: int, where: str | None, set_whole: bool
) -> None:
    asked_for = {
        "name": "c",
        "rounds": 1,
        "clients": 1,
        "factors": {"interface": ["wifi"]},
        "priorities": {"flower-superlink": -5},
    }
    faults = [] if where is None else [Fault(where=where, error="refused", mono_ns=1)]
    superlink = header(role="flower-superlink", nice=nice)
    records = Records(segments=[SegmentRecords(name="one", header=superlink, records=faults, end=None)])
    found = conditions(
        SimpleNamespace(inventory=parse_inventory(LAB, Path("/lab.toml"))),  # type: ignore[arg-type]
        Campaign.model_validate(asked_for),
        records,
    )
    assert found["priorities"] is set_whole
