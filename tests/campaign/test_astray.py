"""Where a trial's bytes went: another way makes it invalid; pinned by route they go where they should."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.emulation import lifecycle, ownership
from testbed.emulation.addresses import NETWORKS
from testbed.inventory import Inventory
from testbed.inventory_file import write_inventory
from testbed.pinning import TABLE
from tests.campaign.conftest import Ran, ran, small_campaign, wait_until
from tests.testbed.emulation.conftest import Hosts
from tests.testbed.emulation.one_address import routing, send_to_server, with_one_address

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]
NODES = ("pi1", "pi2")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """A testbed that is up all the time, as a laboratory is, so that its routes can be spoilt."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ownership.STATE_VARIABLE, str(tmp_path_factory.mktemp("state")))
        inventory = lifecycle.up(2, networks=("ethernet", "5g"), seed=4)
        found = Hosts(inventory)
        try:
            yield found
        finally:
            found.close()
            lifecycle.down(inventory.name)


def campaign_on(inventory: Inventory, folder: Path, *, rounds: int = 1) -> Path:
    """A campaign over 5g on the hosts of that inventory."""
    write_inventory(inventory, folder / "lab.toml")
    campaign = small_campaign(folder, clients=2, rounds=rounds, interface="5g", polling=["fast"])
    text = campaign.read_text(encoding="utf-8")
    campaign.write_text(f'{text}\n[testbed]\nkind = "inventory"\ninventory = "lab.toml"\n', encoding="utf-8")
    return campaign


def trial_of(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("trials/*/trial.json")
    return dict(json.loads(file.read_text()))


def moved_bytes(trial: dict[str, Any], node: str, network: str) -> int:
    return sum(trial["paths"][node]["interfaces"][network]["moved"].values())


@pytest.fixture(scope="module")
def gone_astray(hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """A trial over 5g in which pi2's way to the server's 5g address leads over its Ethernet interface."""
    folder = tmp_path_factory.mktemp("astray")
    ethernet, server = NETWORKS["ethernet"], hosts.inventory.server_addresses["5g"]
    send_to_server(hosts.inventory, ethernet, server)
    route = [f"{server}/32", "via", ethernet.gateway, "dev", ethernet.device]
    hosts["pi2"].check(["ip", "route", "replace", *route], timeout_s=9)
    try:
        yield ran(campaign_on(hosts.inventory, folder), folder / "run")
    finally:
        hosts["pi2"].check(["ip", "route", "del", *route], timeout_s=9)


def test_a_trial_whose_bytes_went_over_another_interface_is_invalid(gone_astray: Ran) -> None:
    trial = trial_of(gone_astray.folder)
    assert trial["flower_status"] == "finished:completed", gone_astray.stderr
    assert (trial["outcome"], trial["ran_whole"]) == ("invalid", True)
    assert [one["reason"] for one in trial["reasons"]] == ["another interface"]
    assert gone_astray.code == 3
    assert "Traceback" not in gone_astray.stderr


def test_both_counters_are_shown_wherever_the_trial_is(gone_astray: Ran) -> None:
    trial = trial_of(gone_astray.folder)
    moved = trial["paths"]["pi2"]["interfaces"]
    for network, device in (("5g", "wwan0"), ("ethernet", "eth0")):
        counted = moved[network]["moved"]
        shown = f"{network} ({device}) {counted['sent_bytes']:,} B sent, {counted['received_bytes']:,} B received"
        assert shown in trial["reason"]
        assert shown in (gone_astray.folder / "report" / "report.html").read_text()
        assert shown in " ".join(gone_astray.stdout.split())
    assert "The route to 10.78.3.1 was by eth0 before the trial and by eth0 after it" in trial["reason"]


def test_only_the_node_that_went_astray_is_blamed(gone_astray: Ran) -> None:
    trial = trial_of(gone_astray.folder)
    assert "pi2's bytes" in trial["reason"]
    assert "pi1's bytes" not in trial["reason"]
    assert moved_bytes(trial, "pi2", "5g") < 1000 < 1_000_000 < moved_bytes(trial, "pi2", "ethernet")
    assert moved_bytes(trial, "pi1", "ethernet") < 1000 < 1_000_000 < moved_bytes(trial, "pi1", "5g")
    assert set(trial["paths"]["pi1"]["seen_by_server"]) == {"10.77.3.1"}
    assert set(trial["paths"]["pi2"]["seen_by_server"]) == {"10.77.1.2"}
    failed = {check["name"] for check in trial["checks"] if not check["ok"]}
    assert {"pi2: route to 10.78.3.1", "pi2: bytes by interface", "server: peers"} <= failed
    assert not [name for name in failed if name.startswith("pi1")]


def test_what_the_invalid_trial_measured_is_kept(gone_astray: Ran) -> None:
    (trial,) = (gone_astray.folder / "trials").iterdir()
    assert list((trial / "records").glob("*.parquet"))
    summary = json.loads((gone_astray.folder / "report" / "summary.json").read_text())
    assert [made["compared"] for made in summary["trials"]] == [False]
    assert summary["messages"]["total"] == 2


@pytest.fixture(scope="module")
def one_address(hosts: Hosts, gone_astray: Ran) -> Inventory:
    """The same testbed as a laboratory whose server has one address; after the trial that went astray."""
    return with_one_address(hosts)


@pytest.mark.long
def test_a_server_with_one_address_is_reached_by_the_trials_network(
    hosts: Hosts, one_address: Inventory, tmp_path: Path
) -> None:
    before = [routing(hosts, name) for name in NODES]
    result = ran(campaign_on(one_address, tmp_path), tmp_path / "run")
    trial = trial_of(result.folder)
    assert trial["outcome"] == "ok", trial["reason"]
    assert result.code in {0, 3}
    assert not [check for check in trial["checks"] if not check["ok"]]
    for node in NODES:
        path = trial["paths"][node]
        assert (path["pinned_by"], path["server"]) == ("route", "10.79.0.1")
        assert path["route_before"]["device"] == path["route_after"]["device"] == "wwan0"
        assert moved_bytes(trial, node, "ethernet") < 1000 < 1_000_000 < moved_bytes(trial, node, "5g")
    assert [routing(hosts, name) for name in NODES] == before


@pytest.mark.long
def test_ctrl_c_releases_the_nodes(
    hosts: Hosts, one_address: Inventory, tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    before = [routing(hosts, name) for name in NODES]
    folder = tmp_path / "run"
    process = started("run", campaign_on(one_address, tmp_path, rounds=20), "--out", folder)
    wait_until(lambda: _is_running(folder) or process.poll() is not None)
    assert all(TABLE in routing(hosts, name) for name in NODES)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 1
    assert [routing(hosts, name) for name in NODES] == before
    assert trial_of(folder)["reason"] == "interrupted by the user"


def _is_running(folder: Path) -> bool:
    return any(json.loads(file.read_text())["state"] == "running" for file in folder.glob("trials/*/trial.json"))
