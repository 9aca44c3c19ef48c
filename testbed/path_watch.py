"""Looks at every node of a trial before it and after it, for the proof of where its bytes went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from testbed.deployment import Deployment
from testbed.every_host import on_every_host
from testbed.inventory import Host, Inventory, NetworkName
from testbed.path_reading import look
from testbed.paths import Look, NodePath, look_of


class PathWatch:
    """The looks at the nodes of one trial; a node without both of them has no path."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._before: Mapping[str, Look] = {}
        self._after: Mapping[str, Look] = {}

    @classmethod
    def of_document(cls, deployment: Deployment, document: Mapping[str, Any]) -> PathWatch:
        """The looks that `as_document` told."""
        watch = cls(deployment)
        watch._before = {node: look_of(two["before"]) for node, two in document.items() if two["before"]}
        watch._after = {node: look_of(two["after"]) for node, two in document.items() if two["after"]}
        return watch

    def as_document(self) -> dict[str, Any]:
        """The looks by node, for trial.json: what is left to do of a trial can then be done by another process."""
        return {
            node.name: {
                "before": asdict(self._before[node.name]) if node.name in self._before else None,
                "after": asdict(self._after[node.name]) if node.name in self._after else None,
            }
            for node in self._deployment.nodes
        }

    def look_before(self) -> None:
        """Before anything of the trial is started. Raises FedprobeError where a node does not answer."""
        self._before = on_every_host(self._deployment.nodes, self._look).required()

    def look_after(self) -> list[str]:
        """After everything has ended. Returns what went wrong, by node."""
        if not self._before:
            return []
        found = on_every_host(self._deployment.nodes, self._look)
        self._after = found.results
        return [f"{name}: its interfaces cannot be read: {error}" for name, error in found.errors.items()]

    def paths(self, seen: Mapping[str, int]) -> list[NodePath]:
        """The paths of the nodes; `seen` are the addresses that the server saw, with the number of requests."""
        return [
            path_of(
                self._deployment.inventory,
                node,
                network=self._deployment.network(node),
                before=self._before[node.name],
                after=self._after[node.name],
                seen=seen,
            )
            for node in self._deployment.nodes
            if node.name in self._before and node.name in self._after
        ]

    def _look(self, node: Host) -> Look:
        deployment = self._deployment
        server = deployment.inventory.server_addresses[deployment.network(node)]
        return look(deployment.sessions[node.name], server, devices_of(node))


def path_of(
    inventory: Inventory,
    node: Host,
    *,
    network: NetworkName,
    before: Look,
    after: Look,
    seen: Mapping[str, int] = MappingProxyType({}),
) -> NodePath:
    """A node's path between two looks, while it was to use that network. Pure."""
    addresses = {name: str(one.address) for name, one in node.interfaces.items()}
    return NodePath(
        node=node.name,
        network=network,
        server=inventory.server_addresses[network],
        pinned_by="route" if network in inventory.networks_by_route else "address",
        devices=devices_of(node),
        addresses=addresses,
        before=before,
        after=after,
        shared=node.shared_networks,
        seen={address: seen[address] for address in addresses.values() if address in seen},
    )


def devices_of(node: Host) -> dict[NetworkName, str]:
    """A node's devices by network. Pure."""
    return {network: one.device for network, one in node.interfaces.items()}
