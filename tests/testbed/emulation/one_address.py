"""Changes of an emulated testbed for tests of pinning: a server with one address, and a way round to another network.

A server's 5g address can be reached by the ethernet router too, once that knows where to send it.
"""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address

from testbed.emulation import namespaces, programs
from testbed.emulation.addresses import NETWORKS, Network, topology
from testbed.inventory import Host, Inventory
from tests.testbed.emulation.conftest import Hosts

ONE_ADDRESS = "10.79.0.1"


def with_one_address(hosts: Hosts) -> Inventory:
    """Give the server one address that all its networks reach; the inventory of that laboratory."""
    inventory = hosts.inventory
    hosts["server"].check(["ip", "address", "add", f"{ONE_ADDRESS}/32", "dev", "lo"], timeout_s=9)
    for name in inventory.networks:
        send_to_server(inventory, NETWORKS[name], ONE_ADDRESS)
    return inventory.model_copy(update={"hosts": tuple(map(_changed, inventory.hosts))})


def send_to_server(inventory: Inventory, network: Network, address: str) -> None:
    """Let the router of a network pass what is for that address of the server's on to it."""
    assert inventory.emulator is not None
    testbed_id = inventory.emulator.testbed_id
    router = topology(testbed_id, len(inventory.nodes), inventory.networks).router(network)
    command = ["ip", "route", "replace", f"{address}/32", "via", network.server_address]
    namespaces.inside(router, partial(programs.output, command, testbed_id=testbed_id))


def _changed(host: Host) -> Host:
    update = {
        name: {"address": ip_address(ONE_ADDRESS)}
        if host.role == "server"
        else {"gateway": ip_address(NETWORKS[name].gateway)}
        for name in host.interfaces
    }
    interfaces = {name: one.model_copy(update=update[name]) for name, one in host.interfaces.items()}
    return host.model_copy(update={"interfaces": interfaces})


def routing(hosts: Hosts, name: str) -> str:
    """All rules and routes of a host."""
    commands = (["ip", "rule"], ["ip", "route", "show", "table", "all"])
    return "\n".join(hosts[name].check(command, timeout_s=9).text for command in commands)
