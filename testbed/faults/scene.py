"""What orders are made of, taken from a trial's deployment and its testbed."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.deployment import Deployment
from testbed.emulation import cpu_limit
from testbed.emulation.addresses import Network
from testbed.emulation.profiles import load_profiles
from testbed.emulation.shaping import ShapedClass, shaping_plan
from testbed.faults.churn import Move, poisson, read
from testbed.faults.orders import Scene, targets
from testbed.faults.tables import FaultStep
from testbed.inventory import Host, Inventory, NetworkName


def scene_of(deployment: Deployment) -> Scene:
    """The scene of a trial. Nothing is read before an order asks for it."""
    inventory, nodes = deployment.inventory, deployment.nodes
    return Scene(
        inventory=inventory,
        nodes=nodes,
        network=deployment.network,
        trial=deployment.trial,
        folder=deployment.folder,
        classes=lambda network: _classes(inventory, network),
        cpu_limit_file=lambda host: _cpu_limit_file(inventory, host),
        start_of=lambda node: _start_of(deployment, node),
        text_of=lambda path: Path(path).read_text(encoding="ascii"),
        moves_of=lambda step: moves_of(
            step, [node.name for node in targets(step, inventory, nodes)], _seed(deployment)
        ),
    )


def moves_of(step: FaultStep, nodes: Sequence[str], seed: str) -> list[Move]:
    """The moves of a churn. Raises TraceError or OSError for a trace that cannot be used."""
    if step.trace is not None:
        return read(Path(step.trace).read_text(encoding="ascii").splitlines(), step.trace, nodes)
    assert step.leave_per_h is not None
    assert step.duration_s is not None
    return poisson(
        nodes, leave_per_h=step.leave_per_h, join_per_h=step.join_per_h, duration_s=step.duration_s, seed=seed
    )


def _seed(deployment: Deployment) -> str:
    """Another one for each trial, and the same when it is repeated."""
    return f"{deployment.campaign.seed}/{deployment.trial}"


def _classes(inventory: Inventory, network: NetworkName) -> Sequence[ShapedClass]:
    """The classes that the router of an emulated network was told."""
    assert inventory.emulator
    link = load_profiles(inventory.emulator.profile_file).links[network]
    address = inventory.nodes[0].interfaces[network].address
    number = ipaddress.ip_address(str(address)).packed[2]
    clients = len(inventory.nodes) + (inventory.emulator.background is not None)
    element = inventory.emulator.networks[network].delay_element
    return shaping_plan(link, Network(network, number, ""), clients, element).classes


def _cpu_limit_file(inventory: Inventory, host: str) -> str:
    controller = cpu_limit.require_controller()
    name = "cpu.max" if controller.version == "v2" else "cpu.cfs_quota_us"
    return str(controller.root / cpu_limit.group_name(inventory.name) / host / name)


def _start_of(deployment: Deployment, node: Host) -> Mapping[str, Any]:
    program, log = deployment.supernode(node), deployment.folder(node, "logs", "supernode.log")
    return {"argv": list(program.command), "env": {**program.environment, **node.environment}, "log": log}
