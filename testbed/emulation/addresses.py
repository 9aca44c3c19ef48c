"""Who has which name and address on an emulated testbed. Pure.

piJ      eth0 10.77.1.J   wlan0 10.77.2.J   wwan0 10.77.3.J   (/24 per network)
router K br0 10.77.K.254, up0 10.78.K.2/30
server   eth0 10.78.1.1   wlan0 10.78.2.1   wwan0 10.78.3.1   (/30 per network)
further networks (5g-80mhz) are K = 4, 5, … with wwan1, wwan2, …
mgmt0    piJ 10.76.0.J, server 10.76.0.250, controller 10.76.0.254   (never shaped)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from testbed.errors import UsageError

MANAGEMENT_DEVICE = "mgmt0"
MANAGEMENT_PART = "mgmt"
CONTROLLER_ADDRESS = "10.76.0.254"
SERVER_MANAGEMENT_ADDRESS = "10.76.0.250"
SERVER = "server"
MAX_NODES = 249  # 10.77.K.1 to .249: further up in the /24 are the server's and the controller's addresses
_LONGEST_NAME = 32
_SUFFIX = re.compile(r"[a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Network:
    """One network of the testbed; `number` is the third byte of its addresses."""

    name: str
    number: int
    device: str

    def node_address(self, node: int) -> str:
        """Address of Pi number `node`, counted from 1."""
        return f"10.77.{self.number}.{node}"

    def address(self, host: str) -> tuple[str, int]:
        """Address and prefix length of a host on this network."""
        if host == SERVER:
            return self.server_address, 30
        return self.node_address(int(host.removeprefix("pi"))), 24

    @property
    def clients(self) -> str:
        """The subnet of the Pis."""
        return f"10.77.{self.number}.0/24"

    @property
    def gateway(self) -> str:
        """The router as the Pis see it."""
        return f"10.77.{self.number}.254"

    @property
    def backhaul(self) -> str:
        """The subnet between router and server."""
        return f"10.78.{self.number}.0/30"

    @property
    def server_address(self) -> str:
        """The server as the Pis dial it on this network."""
        return f"10.78.{self.number}.1"

    @property
    def backhaul_gateway(self) -> str:
        """The router as the server sees it."""
        return f"10.78.{self.number}.2"


NETWORKS = {
    network.name: network
    for network in (Network("ethernet", 1, "eth0"), Network("wifi", 2, "wlan0"), Network("5g", 3, "wwan0"))
}


def is_network_name(name: str) -> bool:
    """Whether an emulated network may have that name: one of NETWORKS, or one of these with -SUFFIX."""
    kind, dash, suffix = name.partition("-")
    plain = not dash or _SUFFIX.fullmatch(suffix) is not None
    return kind in NETWORKS and plain and len(name) <= _LONGEST_NAME


def networks_named(names: Iterable[str]) -> dict[str, Network]:
    """The networks of these names; those beyond NETWORKS are numbered in the order given."""
    found: dict[str, Network] = {}
    further = 0
    for name in names:
        if name in NETWORKS:
            found[name] = NETWORKS[name]
            continue
        further += 1
        device = NETWORKS[name.partition("-")[0]].device.rstrip("0")
        found[name] = Network(name, len(NETWORKS) + further, f"{device}{further}")
    return found


@dataclass(frozen=True, slots=True)
class Topology:
    """The shape of one testbed."""

    testbed_id: str
    nodes: int
    networks: tuple[Network, ...]
    background: bool = False  # one client more, which only sends in the background and is no host

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names: the server first, then pi1, pi2, …"""
        return (SERVER, *(node_name(node) for node in range(1, self.nodes + 1)))

    @property
    def clients(self) -> int:
        """How many share each network: the nodes, and the background sender."""
        return self.nodes + self.background

    @property
    def client_numbers(self) -> range:
        """1 … clients; the background sender is the last."""
        return range(1, self.clients + 1)

    @property
    def linked(self) -> tuple[str, ...]:
        """All that have links: the hosts, and the background sender."""
        return (SERVER, *(node_name(client) for client in self.client_numbers))

    def namespace(self, part: str) -> str:
        """Name of the network namespace of a host, of a network's router or of the management bridge."""
        return f"{namespace_prefix(self.testbed_id)}{part}"

    def router(self, network: Network) -> str:
        """Name of the namespace of a network's router."""
        return self.namespace(f"net-{network.name}")

    @property
    def management(self) -> str:
        """Name of the namespace with the management bridge, from which the controller reaches every host."""
        return self.namespace(MANAGEMENT_PART)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All namespaces of the testbed."""
        ends = (self.namespace(one) for one in self.linked)
        return (self.management, *ends, *(self.router(network) for network in self.networks))


def topology(testbed_id: str, nodes: int, networks: Sequence[str], *, background: bool = False) -> Topology:
    """Check and name what was asked. Raises UsageError."""
    if not 1 <= nodes <= MAX_NODES - background:
        raise UsageError(
            f"nodes = {nodes}: an emulated testbed has 1 to {MAX_NODES - background} nodes{_beside(background)}: "
            "each network is a /24 of addresses. Ask for fewer."
        )
    unknown = [name for name in networks if not is_network_name(name)]
    if unknown or not networks or len(set(networks)) != len(networks):
        raise UsageError(
            f"networks = {list(networks)}: expected each of {', '.join(NETWORKS)} at most once and at least one, "
            "or one of these with -SUFFIX. Correct the list."
        )
    return Topology(testbed_id, nodes, tuple(networks_named(networks).values()), background)


def _beside(background: bool) -> str:
    return " beside a background sender" if background else ""


def namespace_prefix(testbed_id: str) -> str:
    """What the names of all namespaces of a testbed begin with."""
    return f"fp-{testbed_id}-"


def node_name(node: int) -> str:
    """Host name of Pi number `node`."""
    return f"pi{node}"


def management_address(host: str) -> str:
    """Address of a host on the management network."""
    return SERVER_MANAGEMENT_ADDRESS if host == SERVER else f"10.76.0.{int(host.removeprefix('pi'))}"
