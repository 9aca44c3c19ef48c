"""Builds the namespaces, links, addresses and routes of a topology. Nothing is shaped here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from testbed.emulation import namespaces, offloads
from testbed.emulation.addresses import (
    CONTROLLER_ADDRESS,
    MANAGEMENT_DEVICE,
    SERVER,
    Network,
    Topology,
    management_address,
    node_name,
)
from testbed.emulation.namespaces import write_sysctl
from testbed.emulation.shaping import DOWNLINK_DEVICE, UPLINK_DEVICE
from testbed.errors import EmulationError

if TYPE_CHECKING:
    from pyroute2 import IPRoute

_BRIDGE = DOWNLINK_DEVICE
_TABLE_BASE = 100
_STRICT, _LOOSE = "1", "2"


def build(topology: Topology) -> None:
    """Build everything of a topology, in namespaces that are there or are made. Raises EmulationError."""
    for name in (name for name in topology.namespaces if not namespaces.exists(name)):
        namespaces.create(name)
    namespaces.inside(topology.management, lambda: _management(topology))
    for network in topology.networks:
        namespaces.inside(topology.router(network), partial(_router, topology, network))
    for host in topology.linked:
        namespaces.inside(topology.namespace(host), partial(_host, topology, host))


def _management(topology: Topology) -> None:
    from pyroute2 import IPRoute

    _without_ipv6()
    with IPRoute() as ip:
        _bridge(ip, CONTROLLER_ADDRESS)
        for host in topology.linked:
            _port(ip, f"m-{host}", topology.namespace(host), MANAGEMENT_DEVICE)
        _all_up(ip)
        offloads.switch_off(f"m-{host}" for host in topology.linked)


def _router(topology: Topology, network: Network) -> None:
    """A bridge with a port per Pi, and a link to the server. Forwards between these two subnets only.

    It has no other route, and the strict source check drops what claims to be from another network.
    """
    from pyroute2 import IPRoute

    _without_ipv6()
    write_sysctl("net.ipv4.ip_forward", "1")
    _source_check(_STRICT)
    ports = [f"p-{node_name(node)}" for node in topology.client_numbers]
    with IPRoute() as ip:
        _bridge(ip, network.gateway)
        _veth(ip, UPLINK_DEVICE, topology.namespace(SERVER), network.device)
        _address(ip, UPLINK_DEVICE, network.backhaul_gateway, 30)
        for node, port in zip(topology.client_numbers, ports, strict=True):
            _port(ip, port, topology.namespace(node_name(node)), network.device)
        _all_up(ip)
    offloads.switch_off([UPLINK_DEVICE, *ports])


def _host(topology: Topology, host: str) -> None:
    from pyroute2 import IPRoute

    _without_ipv6()
    _source_check(_LOOSE)
    # several interfaces on one machine: answer for an address only on the interface that has it
    write_sysctl("net.ipv4.conf.all.arp_ignore", "1")
    write_sysctl("net.ipv4.conf.all.arp_announce", "2")
    # a trial must not inherit the congestion window of the one before
    write_sysctl("net.ipv4.tcp_no_metrics_save", "1")
    with IPRoute() as ip:
        _address(ip, MANAGEMENT_DEVICE, management_address(host), 24)
        for network in topology.networks:
            _address(ip, network.device, *network.address(host))
        _all_up(ip)
        for network in topology.networks:
            _route(ip, network, host)
            _verify_route(ip, network, host)
    offloads.switch_off([MANAGEMENT_DEVICE, *(network.device for network in topology.networks)])


def _route(ip: IPRoute, network: Network, host: str) -> None:
    """Pin a network's traffic to its interface: by the dialled address, and by the source address of answers."""
    device = _index(ip, network.device)
    if host == SERVER:
        ip.route("add", dst=network.clients, gateway=network.backhaul_gateway, oif=device)
        return
    table = _TABLE_BASE + network.number
    own, _ = network.address(host)
    ip.route("add", dst=network.backhaul, gateway=network.gateway, oif=device)
    ip.route("add", dst="default", gateway=network.gateway, oif=device, priority=100 * network.number)
    ip.route("add", dst="default", gateway=network.gateway, oif=device, table=table)
    ip.rule("add", src=own, table=table, priority=1000 + network.number)


def _verify_route(ip: IPRoute, network: Network, host: str) -> None:
    peer = network.node_address(1) if host == SERVER else network.server_address
    found = ip.route("get", dst=peer)[0]
    if found.get_attr("RTA_OIF") != _index(ip, network.device):
        raise EmulationError(
            f"{host}: {peer} is not reached by {network.device}, so a trial on {network.name} would measure another "
            "link. Run `fedprobe testbed down`, then up again."
        )


def _bridge(ip: IPRoute, address: str) -> None:
    ip.link("add", ifname=_BRIDGE, kind="bridge")
    _address(ip, _BRIDGE, address, 24)


def _port(ip: IPRoute, near: str, namespace: str, far: str) -> None:
    _veth(ip, near, namespace, far)
    ip.link("set", index=_index(ip, near), master=_index(ip, _BRIDGE))


def _veth(ip: IPRoute, near: str, namespace: str, far: str) -> None:
    with namespaces.opened(namespace) as descriptor:
        ip.link("add", ifname=near, kind="veth", peer={"ifname": far, "net_ns_fd": descriptor})


def _address(ip: IPRoute, device: str, address: str, prefix_length: int) -> None:
    ip.addr("add", index=_index(ip, device), address=address, prefixlen=prefix_length)


def _all_up(ip: IPRoute) -> None:
    for link in ip.get_links():
        ip.link("set", index=link["index"], state="up")


def _index(ip: IPRoute, device: str) -> int:
    return int(ip.link_lookup(ifname=device)[0])


def _source_check(mode: str) -> None:
    for scope in ("all", "default"):
        write_sysctl(f"net.ipv4.conf.{scope}.rp_filter", mode)


def _without_ipv6() -> None:
    for scope in ("all", "default"):
        write_sysctl(f"net.ipv6.conf.{scope}.disable_ipv6", "1")
