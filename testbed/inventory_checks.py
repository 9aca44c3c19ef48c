"""What is wrong between hosts of an inventory, each with its next step. Pure.

Subnets are not compared: behind a 5G core a node and the server are on different ones. Each mistake is told once, of
however many hosts, since a range makes it of all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.formats import listed
from testbed.inventory import Host, Inventory
from testbed.inventory_words import MANAGEMENT, plain


def mistakes_of(inventory: Inventory) -> list[str]:
    """Everything that no testbed can be; empty where all is well."""
    rules = (_kind, _names, _interfaces, _addresses, _devices, _gateways)
    return [mistake for rule in rules for mistake in rule(inventory)]


def _kind(inventory: Inventory) -> Iterator[str]:
    emulated = inventory.kind == "emulated"
    if emulated != (inventory.emulator is not None):
        yield (
            f'kind = "{inventory.kind}" with {"no" if emulated else "an"} [emulator] section: emulated testbeds only '
            "have one, and `fedprobe testbed up` writes it. Correct kind, or the section"
        )
    if emulated and inventory.clock != "shared":
        yield (
            'kind = "emulated" with clock = "own": the hosts of an emulated testbed all read this machine\'s clock. '
            'Write clock = "shared"'
        )


def _names(inventory: Inventory) -> Iterator[str]:
    times = Counter(host.name for host in inventory.hosts)
    if twice := [name for name, number in times.items() if number > 1]:
        yield f"more than one host is named {listed(twice)}, ranges counted out. Give each host a name of its own"


def _interfaces(inventory: Inventory) -> Iterator[str]:
    if without := [host.name for host in inventory.hosts if not host.interfaces]:
        yield f"nothing can be measured on {listed(without)}: no interfaces there. Add an address on a network"
    known = inventory.networks
    beyond: dict[str, list[str]] = defaultdict(list)
    for node in inventory.nodes:
        for network in node.interfaces:
            if network not in known:
                beyond[network].append(node.name)
    for network, names in beyond.items():
        yield (
            f"{network} has {listed(names)} on it, but no address of the server for them to dial (the server is on "
            f"{', '.join(known) or 'no network'}). Add {network} to the server's interfaces, or correct the name"
        )


@dataclass(frozen=True, slots=True)
class _Use:
    """One place in which an address is written. `port` is of a login: forwarded ports share an address.

    `may_repeat`: the server may have it on several networks, told apart by `testbed.pinning`, which knows IPv4 alone.
    """

    host: str
    network: str
    port: int | None
    may_repeat: bool = False

    def __str__(self) -> str:
        return f"{self.host}'s " + ("for management" if self.network == MANAGEMENT else f"on {self.network}")


def _addresses(inventory: Inventory) -> Iterator[str]:
    uses: dict[str, list[_Use]] = defaultdict(list)
    for host in inventory.hosts:
        for address, use in _uses(host):
            uses[plain(address)].append(use)
    alike: dict[tuple[str, str], list[tuple[str, _Use, _Use]]] = defaultdict(list)
    for address, of in uses.items():
        if pair := _clash(of):
            alike[pair[0].network, pair[1].network].append((address, *pair))
    for (network, other_network), found in alike.items():
        address, one, other = found[0]
        how = "used twice" if network == other_network else "in two networks"
        more = f" ({len(found)} addresses are like that)" if len(found) > 1 else ""
        yield f"{address} is {how}: it is {one} and {other}{more}. Give each its own address"


def _uses(host: Host) -> Iterator[tuple[str, _Use]]:
    yield host.management.address, _Use(host.name, MANAGEMENT, host.management.port)
    for network, interface in host.interfaces.items():
        may_repeat = host.role == "server" and interface.address.version == 4
        yield str(interface.address), _Use(host.name, network, None, may_repeat)


def _clash(uses: list[_Use]) -> tuple[_Use, _Use] | None:
    """Two uses of one address that cannot both be right."""
    for place, one in enumerate(uses):
        for other in uses[place + 1 :]:
            if _is_clash(one, other):
                return one, other
    return None


def _is_clash(one: _Use, other: _Use) -> bool:
    if one.network == other.network == MANAGEMENT:
        return one.port == other.port
    if MANAGEMENT in {one.network, other.network}:
        return one.host != other.host  # a host may be logged in to over a measured network: a verdict says so
    return not (one.may_repeat and other.may_repeat)


def _devices(inventory: Inventory) -> Iterator[str]:
    """Of nodes alone: a server's networks are told by the address dialled, and may well share a card."""
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for node in inventory.nodes:
        by_device: dict[str, list[str]] = defaultdict(list)
        for network, interface in node.interfaces.items():
            by_device[interface.device].append(network)
        for device, networks in by_device.items():
            if len(networks) > 1:
                alike[device, tuple(networks)].append(node.name)
    for (device, together), names in alike.items():
        yield (
            f"{listed(list(together))} are on one device, {device}, of {listed(names)}: their bytes cannot be told "
            "apart. Name the device of each network"
        )


def _gateways(inventory: Inventory) -> Iterator[str]:
    """A gateway is of the IP version of what is reached through it."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for node in inventory.nodes:
        for network, interface in node.interfaces.items():
            server = inventory.server.interfaces.get(network)
            if interface.gateway and server and interface.gateway.version != server.address.version:
                alike[network, str(interface.gateway)].append(node.name)
    for (network, gateway), names in alike.items():
        yield (
            f"{gateway}, the gateway of {listed(names)} on {network}, is not of the IP version of the server's "
            f"address there, {inventory.server_addresses[network]}. Write one that is"
        )
