"""A campaign and its testbed: what the one asks for and the other has not is named, with what it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.campaign import Campaign, CampaignError, read_campaign
from testbed.campaign_testbed import inventory_of, require
from testbed.emulation.keys import new_key
from testbed.errors import InventoryError
from testbed.inventory import Inventory
from testbed.inventory_file import parse_inventory

LAB = """\
name = "lab"
known_hosts = "known_hosts"
[defaults]
key = "key"
[defaults.devices]
wifi = "wlan0"
lora = "lora0"
[server]
name = "server"
management = "server.lab"
interfaces = { wifi = "198.51.100.1", lora = "203.0.113.1" }
[[nodes]]
name = "pi[1-2]"
management = "pi[1-2].lab"
interfaces = { wifi = "198.51.100.11", lora = "203.0.113.11" }
[[nodes]]
name = "pi3"
management = "pi3.lab"
interfaces = { wifi = "198.51.100.13" }
"""


def lab() -> Inventory:
    return parse_inventory(LAB, Path("/lab.toml"))


def campaign(
    *, interface: str = "wifi", clients: int = 2, kind: str = "inventory", inventory: str = "lab.toml"
) -> Campaign:
    return Campaign.model_validate(
        {
            "name": "c",
            "rounds": 1,
            "clients": clients,
            "factors": {"interface": [interface]},
            "testbed": {"kind": kind, **({"inventory": inventory} if inventory else {})},
        }
    )


def refused(asked: Campaign) -> str:
    with pytest.raises(CampaignError) as raised:
        require(asked, Path("c.toml"), lab())
    return str(raised.value)


def test_a_network_of_any_name_is_measured_where_the_inventory_has_it() -> None:
    require(campaign(interface="lora"), Path("c.toml"), lab())


def test_a_network_that_the_inventory_lacks_is_named_with_those_it_has() -> None:
    assert refused(campaign(interface="wfi")) == (
        "c.toml: factors.interface = 'wfi' is no network of inventory lab, which has wifi and lora. "
        "Did you mean wifi?"
    )
    assert refused(campaign(interface="5g")).endswith("has wifi and lora. Name one of these.")


def test_the_emulated_testbed_has_three_networks() -> None:
    with pytest.raises(CampaignError, match=r"'lora' is no network of the emulated testbed, which has ethernet,"):
        inventory_of(campaign(interface="lora", kind="emulated", inventory=""), Path("c.toml"))


def test_a_node_without_the_network_is_named() -> None:
    said = refused(campaign(interface="lora", clients=3))
    assert "'lora'" in said
    assert "no address to pi3" in said


def test_too_few_nodes_are_told() -> None:
    assert "clients = 4, but lab has 3 nodes" in refused(campaign(clients=4))


def test_an_inventory_is_found_beside_the_campaign_and_its_key_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(LAB)
    with pytest.raises(InventoryError, match="there is no such file"):
        inventory_of(campaign(), tmp_path / "c.toml")
    new_key(tmp_path / "key")
    found = inventory_of(campaign(), tmp_path / "c.toml")
    assert found is not None
    assert len(found.nodes) == 3


def test_a_text_that_is_no_network_is_refused_by_the_campaign_itself(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('name = "c"\nrounds = 1\nclients = 1\n[factors]\ninterface = ["Wi Fi"]\n')
    with pytest.raises(CampaignError, match=r"factors\.interface\.0 = 'Wi Fi': a network's name has at most 16"):
        read_campaign(path)
