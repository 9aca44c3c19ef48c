"""Builds a testbed in its state folder: hosts, links, queues, delayers, and at last its inventory."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from instrument.clock import SystemClock, sleep_s
from testbed.emulation import hosts, keys, links, namespaces, ownership, processes, programs, tc
from testbed.emulation.addresses import (
    CONTROLLER_ADDRESS,
    MANAGEMENT_DEVICE,
    NETWORKS,
    SERVER,
    Network,
    Topology,
)
from testbed.emulation.delayer import command as delayer_command
from testbed.emulation.hosts import HostPlan
from testbed.emulation.profiles import Profiles
from testbed.emulation.shaping import ShapingPlan, delay_element, queue_rules, shaping_plan
from testbed.errors import EmulationError
from testbed.inventory import Controller, EmulatedNetwork, Emulator, Host, Interface, Inventory, Management
from testbed.inventory_file import read_inventory, write_inventory

INVENTORY_FILE = "inventory.toml"
_CONTROLLER_KEY = "controller_key"
_KNOWN_HOSTS = "known_hosts"
_PROFILE_FILE = "profiles.toml"
_CONGESTION_CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")
_DELAYER_TIMEOUT_S = 15.0
_POLL_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is to be built, and where its files go."""

    shape: Topology
    folder: Path
    profiles: Profiles
    seed: int


def build(site: Site) -> Inventory:
    """Build everything; returns when every host answers. Raises EmulationError, leaving what was built."""
    (site.folder / _PROFILE_FILE).write_text(site.profiles.text, encoding="utf-8")
    time_namespaces = hosts.kernel_has_time_namespaces()
    plans = hosts.host_plans(site.shape, site.folder, site.seed, time_namespaces=time_namespaces)
    _write_host_files(plans, site.folder)
    links.build(site.shape)
    for plan in plans:
        hosts.start(plan, site.shape.testbed_id)
    networks = _shape_all(site)
    for name, network in networks.items():
        _wait_for_delayer(name, network)
    hosts.wait_until_reachable(plans, site.shape.management)
    path = site.folder / INVENTORY_FILE
    write_inventory(_inventory(site, plans, networks), path)
    return read_inventory(path)


def _write_host_files(plans: Sequence[HostPlan], folder: Path) -> None:
    controller = keys.new_key(folder / _CONTROLLER_KEY)
    public = {}
    for plan in plans:
        hosts.write_files(plan, plans, controller)
        public[plan.address] = keys.new_key(plan.folder / "host_key")
    (folder / _KNOWN_HOSTS).write_text(keys.known_hosts(public), encoding="utf-8")


def _shape_all(site: Site) -> dict[str, EmulatedNetwork]:
    netem = tc.kernel_has_netem()
    return {network.name: _shape(site, network, netem=netem) for network in site.shape.networks}


def _shape(site: Site, network: Network, *, netem: bool) -> EmulatedNetwork:
    link = site.profiles.links[network.name]
    plan = shaping_plan(link, network, site.shape.nodes, delay_element(link, netem=netem))
    namespaces.inside(site.shape.router(network), lambda: tc.apply(plan, site.shape.testbed_id))
    if plan.element != "nfqueue":
        return EmulatedNetwork(delay_element=plan.element)
    return _start_delayer(site, network, plan)


def _start_delayer(site: Site, network: Network, plan: ShapingPlan) -> EmulatedNetwork:
    histogram = site.folder / f"delayer-{network.name}.json"
    router, testbed_id = site.shape.router(network), site.shape.testbed_id
    argv = delayer_command(plan.impairments, histogram, site.seed * len(NETWORKS) + network.number)
    importable = {"PYTHONPATH": ownership.this_prefix(), "PYTHONDONTWRITEBYTECODE": "1"}
    pid = hosts.spawn(argv, router, testbed_id, log=_log(histogram), extra=importable)
    restore, rules = ["iptables-restore", "--noflush"], queue_rules(plan)
    namespaces.inside(router, lambda: programs.output(restore, testbed_id=testbed_id, standard_input=rules))
    return EmulatedNetwork(delay_element=plan.element, pid=pid, histogram=histogram)


def _log(histogram: Path) -> Path:
    return histogram.with_suffix(".log")


def _wait_for_delayer(name: str, network: EmulatedNetwork) -> None:
    """Until the delayer, if there is one, has bound its queues, which it tells by its first snapshot."""
    if network.pid is None or network.histogram is None:
        return
    clock = SystemClock()
    deadline_ns = clock.mono_ns() + int(_DELAYER_TIMEOUT_S * 1e9)
    while not network.histogram.exists():
        if processes.start_ticks(network.pid) is None or clock.mono_ns() > deadline_ns:
            said = _log(network.histogram).read_text(encoding="utf-8", errors="replace").strip()
            raise EmulationError(
                f"the delayer of {name} did not start: {said[-500:] or 'it said nothing'}. It needs a kernel with "
                "NETLINK_QUEUE and XT_TARGET_NFQUEUE, or one with netem: install the kernel's extra modules."
            )
        sleep_s(_POLL_S)


def _inventory(site: Site, plans: Sequence[HostPlan], networks: Mapping[str, EmulatedNetwork]) -> Inventory:
    offsets_s = {plan.name: plan.monotonic_offset_s for plan in plans}
    return Inventory(
        name=site.shape.testbed_id,
        kind="emulated",
        clock="shared",  # the wall clock: no kernel has namespaces of it
        known_hosts=site.folder / _KNOWN_HOSTS,
        controller=Controller(management=CONTROLLER_ADDRESS, namespace=site.shape.management),
        hosts=tuple(_host(site, plan) for plan in plans),
        emulator=Emulator(
            testbed_id=site.shape.testbed_id,
            seed=site.seed,
            profile_file=site.folder / _PROFILE_FILE,
            congestion_control=_CONGESTION_CONTROL.read_text(encoding="ascii").strip(),
            networks=dict(networks),
            monotonic_offset_s={name: one for name, one in offsets_s.items() if one is not None},
        ),
    )


def _host(site: Site, plan: HostPlan) -> Host:
    interfaces = {
        network.name: {"device": network.device, "address": network.address(plan.name)[0]}
        for network in site.shape.networks
    }
    return Host(
        name=plan.name,
        role="server" if plan.name == SERVER else "node",
        management=Management(
            address=plan.address,
            port=hosts.SSH_PORT,
            key=site.folder / _CONTROLLER_KEY,
            device=MANAGEMENT_DEVICE,
        ),
        interfaces={name: Interface.model_validate(one) for name, one in interfaces.items()},
        python=str(plan.venv / "bin" / Path(sys.executable).name),
        work_folder=str(plan.work),
    )
