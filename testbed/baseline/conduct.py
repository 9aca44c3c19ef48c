"""Measures the links of a testbed, one node on one network at a time, everything else silent.

iperf3's server takes the SuperLink's port, so that no firewall needs another hole; nodes are pinned as in a trial.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from instrument.clock import SystemClock, sleep_s
from testbed.baseline.document import BaselineLink
from testbed.baseline.link import COMMAND_S, GRACE_S, POLL_S, LinkMeasurement
from testbed.baseline.plan import Plan
from testbed.deployment import SUPERLINK_PORT
from testbed.errors import FedprobeError, RemoteError
from testbed.interrupts import Interrupts
from testbed.inventory import Host, Inventory, NetworkName
from testbed.pinning import Pins, pins_of
from testbed.progress import RunProgress
from testbed.shell import Shell

READY_S = 10.0
PACKAGES = {"iperf3": "iperf3", "ping": "iputils-ping"}
NEEDED = {"server": ("iperf3",), "node": ("iperf3", "ping")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The testbed whose links are measured, the nodes that a campaign uses, and how they are measured."""

    inventory: Inventory
    nodes: Sequence[Host]
    sessions: Mapping[str, Shell]
    interrupts: Interrupts
    progress: RunProgress
    plan: Plan


def measured(site: Site, network: NetworkName) -> list[BaselineLink]:
    """The link of every node on a network; what could not be measured of one is its problem, and the others go on.

    Raises Interrupted, having ended what was begun.
    """
    server = site.inventory.server
    absent = {host.name: _absent(site.sessions[host.name], host) for host in (server, *site.nodes)}
    return _of_network(site, network, absent)


def _absent(shell: Shell, host: Host) -> str:
    """What a host lacks for this, as a sentence; empty where it has everything, or does not answer."""
    try:
        lacks = [name for name in NEEDED[host.role] if not _has(shell, name)]
    except FedprobeError as error:
        return str(error)
    packages = " ".join(PACKAGES[name] for name in lacks)
    return f"{host.name} has no {' and no '.join(lacks)}. There: sudo apt install {packages}" if lacks else ""


def _has(shell: Shell, program: str) -> bool:
    return shell.run(["sh", "-c", 'command -v "$1"', "has", program], timeout_s=COMMAND_S).status == 0


def _of_network(site: Site, network: NetworkName, absent: Mapping[str, str]) -> list[BaselineLink]:
    nodes = [node for node in site.nodes if network in node.interfaces]
    found: dict[str, BaselineLink] = {}
    problem = absent[site.inventory.server.name]
    if not problem:
        try:
            _measure_network(site, nodes, network, absent, found)
        except FedprobeError as error:
            problem = str(error)
    without = {node.name: BaselineLink(node=node.name, network=network, problems=(problem,)) for node in nodes}
    return [found.get(name, link) for name, link in without.items()]


def _measure_network(
    site: Site,
    nodes: Sequence[Host],
    network: NetworkName,
    absent: Mapping[str, str],
    found: dict[str, BaselineLink],
) -> None:
    """Fill in what is found of each node, so that it stands where a later one ends it all."""
    to_pin = pins_of(site.inventory, [(node, network) for node in nodes])
    with Pins(site.sessions, to_pin, site.interrupts) as pins, _iperf3_server(site, network):
        pins.apply()
        for node in nodes:
            site.progress.doing(f"link baseline: {node.name} on {network}")
            if absent[node.name]:
                found[node.name] = BaselineLink(node=node.name, network=network, problems=(absent[node.name],))
                continue
            found[node.name] = LinkMeasurement(
                inventory=site.inventory,
                node=node,
                network=network,
                shell=site.sessions[node.name],
                interrupts=site.interrupts,
                plan=site.plan,
            ).measured()


@contextmanager
def _iperf3_server(site: Site, network: NetworkName) -> Iterator[None]:
    """iperf3's server on the address that nodes dial, listening. Raises RemoteError where it does not."""
    server = site.inventory.server
    shell, folder = site.sessions[server.name], posixpath.join(server.work_folder, "baseline")
    shell.check(["mkdir", "-p", folder], timeout_s=COMMAND_S)
    log = posixpath.join(folder, "iperf3-server.log")
    address = site.inventory.server_addresses[network]
    command = ["iperf3", "--server", "--bind", address, "--port", str(SUPERLINK_PORT), "--forceflush"]
    pid = shell.start(command, stdout=log, stderr=log)
    try:
        _wait_listening(shell, pid, log)
        yield
    finally:
        with site.interrupts.shield():
            shell.stop_group(pid, grace_s=GRACE_S)


def _wait_listening(shell: Shell, pid: int, log: str) -> None:
    clock = SystemClock()
    deadline_ns = clock.mono_ns() + round(READY_S * 1e9)
    while "Server listening" not in (written := shell.read_text(log)):
        if clock.mono_ns() > deadline_ns or not shell.alive(pid):
            said = " ".join(written.split())[-200:] or "nothing"
            raise RemoteError(
                f"{shell.name}: iperf3's server does not listen on port {SUPERLINK_PORT}; it said: {said}. "
                "End what holds that port."
            )
        sleep_s(POLL_S)
