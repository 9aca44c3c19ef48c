"""Builds a testbed: hosts, links, queues, delayers, conditions, and at last its inventory."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.emulation import cpu_limit, following, hosts, keys, links, namespaces, programs, rootless, sending, tc
from testbed.emulation.addresses import CONTROLLER_ADDRESS, MANAGEMENT_DEVICE, NETWORKS, SERVER, Network
from testbed.emulation.delayer import command as delayer_command
from testbed.emulation.hosts import HostPlan
from testbed.emulation.shaping import ShapingPlan, delay_element, queue_rules, shaping_plan
from testbed.emulation.site import Site, spawn_module, wait_until_ready
from testbed.inventory import Controller, EmulatedNetwork, Emulator, Host, Interface, Inventory, Management, PiCpu
from testbed.inventory_file import read_inventory, write_inventory

INVENTORY_FILE = "inventory.toml"
_CONTROLLER_KEY = "controller_key"
_KNOWN_HOSTS = "known_hosts"
_CONGESTION_CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")


def build(site: Site) -> Inventory:
    """Build everything; returns when every host answers. Raises EmulationError, leaving what was built."""
    site.profile_file.write_text(site.profiles.text, encoding="utf-8")
    time_namespaces = hosts.kernel_has_time_namespaces()
    plans = hosts.host_plans(
        site.shape, site.folder, site.seed, time_namespaces=time_namespaces, rootless=rootless.is_rootless()
    )
    _write_host_files(plans, site.folder)
    if rootless.is_rootless():
        # an ordinary user's hosts make their networks themselves, else they could change nothing there
        pi_cpu = _start_hosts(site, plans)
        links.build(site.shape)
    else:
        links.build(site.shape)
        pi_cpu = _start_hosts(site, plans)
    networks = _shape_all(site)
    for name, network in networks.items():
        _wait_for_delayer(name, network)
    networks = {network.name: _with_trace(site, network, networks[network.name]) for network in site.shape.networks}
    background = sending.start(site)
    hosts.wait_until_reachable(plans, site.shape.management)
    emulator = _emulator(site, plans, networks).model_copy(update={"pi_cpu": pi_cpu, "background": background})
    path = site.folder / INVENTORY_FILE
    write_inventory(_inventory(site, plans, emulator), path)
    return read_inventory(path)


def _write_host_files(plans: Sequence[HostPlan], folder: Path) -> None:
    controller = keys.new_key(folder / _CONTROLLER_KEY)
    public = {}
    for plan in plans:
        hosts.write_files(plan, plans, controller)
        public[plan.address] = keys.new_key(plan.folder / "host_key")
    (folder / _KNOWN_HOSTS).write_text(keys.known_hosts(public), encoding="utf-8")


def _start_hosts(site: Site, plans: Sequence[HostPlan]) -> PiCpu | None:
    """Start every host, nodes in a group with their processor limit where one is asked for."""
    cores, testbed_id = site.conditions.pi_cpu_cores, site.shape.testbed_id
    if cores is None:
        for plan in plans:
            hosts.start(plan, testbed_id)
        return None
    controller = cpu_limit.require_controller()
    for plan in plans:
        group = None if plan.name == SERVER else cpu_limit.limit(controller, testbed_id, plan.name, cores)
        hosts.start(plan, testbed_id, group)
    return PiCpu(cores=cores, period_us=cpu_limit.PERIOD_US, cgroup=controller.version)


def _shape_all(site: Site) -> dict[str, EmulatedNetwork]:
    netem = tc.kernel_has_netem()
    return {network.name: _shape(site, network, netem=netem) for network in site.shape.networks}


def _shape(site: Site, network: Network, *, netem: bool) -> EmulatedNetwork:
    link = site.profiles.links[network.name]
    plan = shaping_plan(link, network, site.shape.clients, delay_element(link, netem=netem))
    namespaces.inside(site.shape.router(network), lambda: tc.apply(plan, site.shape.testbed_id))
    if plan.element != "nfqueue":
        return EmulatedNetwork(delay_element=plan.element)
    return _start_delayer(site, network, plan)


def _start_delayer(site: Site, network: Network, plan: ShapingPlan) -> EmulatedNetwork:
    histogram = site.folder / f"delayer-{network.name}.json"
    router, testbed_id = site.shape.router(network), site.shape.testbed_id
    argv = delayer_command(plan.impairments, histogram, site.seed * len(NETWORKS) + network.number)
    pid = spawn_module(argv, router, testbed_id, _log(histogram))
    restore, rules = ["iptables-restore", "--noflush"], queue_rules(plan)
    namespaces.inside(router, lambda: programs.output(restore, testbed_id=testbed_id, standard_input=rules))
    return EmulatedNetwork(delay_element=plan.element, pid=pid, histogram=histogram)


def _log(histogram: Path) -> Path:
    return histogram.with_suffix(".log")


def _wait_for_delayer(name: str, network: EmulatedNetwork) -> None:
    """Until the delayer, if there is one, has bound its queues, which it tells by its first snapshot."""
    if network.pid is None or network.histogram is None:
        return
    wait_until_ready(
        network.pid,
        network.histogram.exists,
        _log(network.histogram),
        what=f"the delayer of {name}",
        next_step="It needs a kernel with NETLINK_QUEUE and XT_TARGET_NFQUEUE, or one with netem: install the "
        "kernel's extra modules.",
    )


def _with_trace(site: Site, network: Network, made: EmulatedNetwork) -> EmulatedNetwork:
    return made.model_copy(update={"trace": following.follow(site, network, made.delay_element)})


def _emulator(site: Site, plans: Sequence[HostPlan], networks: Mapping[str, EmulatedNetwork]) -> Emulator:
    offsets_s = {plan.name: plan.monotonic_offset_s for plan in plans}
    return Emulator(
        testbed_id=site.shape.testbed_id,
        seed=site.seed,
        profile_file=site.profile_file,
        congestion_control=_CONGESTION_CONTROL.read_text(encoding="ascii").strip(),
        rootless=rootless.is_rootless(),
        networks=dict(networks),
        monotonic_offset_s={name: one for name, one in offsets_s.items() if one is not None},
    )


def _inventory(site: Site, plans: Sequence[HostPlan], emulator: Emulator) -> Inventory:
    return Inventory(
        name=site.shape.testbed_id,
        kind="emulated",
        clock="shared",  # the wall clock: no kernel has namespaces of it
        known_hosts=site.folder / _KNOWN_HOSTS,
        controller=Controller(management=CONTROLLER_ADDRESS, namespace=site.shape.management),
        hosts=tuple(host_of(site, plan) for plan in plans),
        emulator=emulator,
    )


def host_of(site: Site, plan: HostPlan) -> Host:
    """A host as an inventory has it."""
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
            user=plan.user,
            key=site.folder / _CONTROLLER_KEY,
            device=MANAGEMENT_DEVICE,
        ),
        interfaces={name: Interface.model_validate(one) for name, one in interfaces.items()},
        python=str(plan.venv / "bin" / Path(sys.executable).name),
        work_folder=str(plan.work),
    )
