"""Pinning by route on real hosts: the server has one address, a host route says by which network it is reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from testbed.emulation import lifecycle, ownership
from testbed.errors import FedprobeError
from testbed.inventory import Inventory
from testbed.path_reading import look, route_of
from testbed.pinning import COMMAND_S, TABLE, Pins, commands, pins_of

from .conftest import Hosts
from .one_address import ONE_ADDRESS, routing, with_one_address

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def lab(able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hosts, Inventory]]:
    """Two Pis; the inventory is that of the server's one address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ownership.STATE_VARIABLE, str(tmp_path_factory.mktemp("state")))
        made = lifecycle.up(2, seed=8)
        hosts = Hosts(made)
        try:
            yield hosts, with_one_address(hosts)
        finally:
            hosts.close()
            lifecycle.down(made.name)


def pins(lab: tuple[Hosts, Inventory], *networks: str) -> Pins:
    """Each Pi on one of these networks."""
    hosts, inventory = lab
    sessions = {node.name: hosts[node.name] for node in inventory.nodes}
    return Pins(sessions, pins_of(inventory, zip(inventory.nodes, networks, strict=True)))


def both(hosts: Hosts) -> list[str]:
    return [routing(hosts, name) for name in ("pi1", "pi2")]


@pytest.mark.parametrize("network", ["ethernet", "wifi", "5g"])
def test_connections_go_by_the_pinned_network_and_the_server_sees_its_address(
    lab: tuple[Hosts, Inventory], network: str
) -> None:
    hosts, inventory = lab
    before = both(hosts)
    node = inventory.host("pi1")
    devices = {name: one.device for name, one in node.interfaces.items()}
    sink = hosts.start_traffic("server", "sink", "sink", ONE_ADDRESS, "1")
    try:
        with pins(lab, network, "ethernet") as pinned:
            pinned.apply()
            first = look(hosts["pi1"], ONE_ADDRESS, devices)
            own = hosts.traffic("pi1", "send", ONE_ADDRESS, "1000003")
            last = look(hosts["pi1"], ONE_ADDRESS, devices)
            assert pinned.undo() == []
    finally:
        hosts["server"].stop_group(sink, grace_s=0.5)
    moved = {name: last.counters[name].sent_bytes - first.counters[name].sent_bytes for name in devices}
    assert own == str(node.interfaces[network].address)
    assert first.route.device == last.route.device == devices[network]
    assert moved.pop(network) > 1_000_003
    assert all(count < 1000 for count in moved.values()), moved
    assert both(hosts) == before


def test_what_has_another_of_the_nodes_addresses_goes_its_way_as_before(lab: tuple[Hosts, Inventory]) -> None:
    hosts, inventory = lab
    wifi = str(inventory.host("pi1").interfaces["wifi"].address)
    question = ["ip", "-o", "route", "get", ONE_ADDRESS, "from", wifi]
    with pins(lab, "5g", "5g") as pinned:
        pinned.apply()
        assert "dev wlan0" in hosts["pi1"].check(question, timeout_s=9).text
        assert route_of(hosts["pi1"], ONE_ADDRESS).device == "wwan0"


def test_an_exception_undoes_it(lab: tuple[Hosts, Inventory]) -> None:
    hosts, _ = lab
    before = both(hosts)
    meanwhile: list[str] = []

    def trial_that_breaks() -> None:
        with pins(lab, "5g", "wifi") as pinned:
            pinned.apply()
            meanwhile.extend(both(hosts))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trial_that_breaks()
    assert all(TABLE in now and TABLE not in then for now, then in zip(meanwhile, before, strict=True))
    assert both(hosts) == before


def test_what_a_killed_run_left_is_taken_back_by_the_next_one(lab: tuple[Hosts, Inventory]) -> None:
    hosts, inventory = lab
    before = both(hosts)
    for pin in pins_of(inventory, [(inventory.host("pi1"), "wifi")]):
        for command in commands(pin):
            hosts["pi1"].check(command, timeout_s=COMMAND_S)
    assert both(hosts) != before
    with pins(lab, "5g", "5g") as pinned:
        pinned.apply()
        assert route_of(hosts["pi1"], ONE_ADDRESS).device == "wwan0"
    assert both(hosts) == before


def test_a_node_that_cannot_be_pinned_is_named_and_the_other_is_released(lab: tuple[Hosts, Inventory]) -> None:
    """Its gateway is on no network of the node's: the kernel refuses the route."""
    hosts, inventory = lab
    before = both(hosts)
    sessions = {node.name: hosts[node.name] for node in inventory.nodes}
    made = pins_of(inventory, [(node, "5g") for node in inventory.nodes])
    gateway = inventory.host("pi2").interfaces["5g"].model_copy(update={"gateway": "203.0.113.1"})
    with (
        pytest.raises(FedprobeError, match=r"pi2: .*203\.0\.113\.1"),
        Pins(sessions, [made[0], replace(made[1], interface=gateway)]) as pinned,
    ):
        pinned.apply()
    assert both(hosts) == before


def test_a_rule_of_somebody_elses_that_goes_first_is_noticed(lab: tuple[Hosts, Inventory]) -> None:
    hosts, _ = lab
    rule = ["to", ONE_ADDRESS, "lookup", "main", "pref", "9"]
    hosts["pi2"].check(["ip", "rule", "add", *rule], timeout_s=9)
    before = both(hosts)
    try:
        said = r"pi2: 10\.79\.0\.1 is reached by eth0 and not by wwan0"
        with pytest.raises(FedprobeError, match=said), pins(lab, "5g", "5g") as pinned:
            pinned.apply()
        assert both(hosts) == before
    finally:
        hosts["pi2"].check(["ip", "rule", "del", *rule], timeout_s=9)
