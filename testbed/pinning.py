"""Pins nodes to one network where the address that they dial does not: a host route and two rules, always undone.

First choice, and the better one: the server has an address of its own on each network, and dialling it decides. Then
there is nothing to do here. Second, where it has one address on several networks: on the node

    ip route add SERVER via GATEWAY dev DEVICE src OWN table 7710
    ip rule add from OWN to SERVER lookup 7710          what is bound to the address of that network
    ip rule add from 0.0.0.0/32 to SERVER lookup 7710   what is bound to no address yet: a socket that connects

What has another of the node's addresses, such as the SSH session that does all this, goes its way as before. The main
table is not touched, so taking these back leaves what was there. Root is needed on the node.

    with Pins(sessions, pins_of(inventory, [(node, network)])) as pins:
        pins.apply()
        ...
        problems = pins.undo()

Source of the commands: ip-rule(8), ip-route(8).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from testbed.errors import FedprobeError, RemoteError
from testbed.every_host import on_every_host
from testbed.interrupts import Interrupts
from testbed.inventory import Host, Interface, Inventory, NetworkName
from testbed.path_reading import SEARCH_PATH, route_of
from testbed.shell import Shell

TABLE = "7710"
PREFERENCE = "710"  # before the source rules that a host with several interfaces has, after the local table's
COMMAND_S = 20.0
IP = ("ip", "-4")
UNBOUND = "0.0.0.0/32"  # IPv6 has no rule for sockets without an address (net/ipv6/fib6_rules.c, fib6_rule_match)


class PinningError(FedprobeError):
    """A node could not be pinned to a network, or not be released again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One node that is to reach the server by one network's interface."""

    node: str
    network: NetworkName
    server: str
    interface: Interface

    @property
    def name(self) -> str:
        """The node's."""
        return self.node


def pins_of(inventory: Inventory, networks: Iterable[tuple[Host, NetworkName]]) -> list[Pin]:
    """What has to be pinned by route for nodes to use these networks; none where the address dialled decides."""
    return [
        Pin(
            node=node.name,
            network=network,
            server=inventory.server_addresses[network],
            interface=node.interfaces[network],
        )
        for node, network in networks
        if network in inventory.networks_by_route
    ]


def commands(pin: Pin) -> list[list[str]]:
    """What is run on the node, as root, in this order. Pure."""
    server, own = f"{pin.server}/32", str(pin.interface.address)
    through = ["via", str(pin.interface.gateway)] if pin.interface.gateway else []
    route = [*IP, "route", "add", server, *through, "dev", pin.interface.device, "src", own, "table", TABLE]
    rules = [
        [*IP, "rule", "add", "from", source, "to", server, "lookup", TABLE, "pref", PREFERENCE]
        for source in (own, UNBOUND)
    ]
    return [route, *rules]


class Pins:
    """The pins of one trial. Leaving the `with` block undoes what was not undone, and no signal interrupts that."""

    def __init__(
        self, sessions: Mapping[str, Shell], pins: Sequence[Pin], interrupts: Interrupts | None = None
    ) -> None:
        self._sessions = sessions
        self._pins = pins
        self._interrupts = interrupts
        self._applied = False

    def __enter__(self) -> Pins:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._interrupts.shield() if self._interrupts else nullcontext():
            problems = self.undo()
        if problems and error is None:
            raise PinningError("; ".join(problems))

    def apply(self) -> None:
        """Pin every node, after taking back what a killed run left there. Raises FedprobeError."""
        self._applied = True  # from here on there may be something to undo
        if self._pins:
            on_every_host(self._pins, self._apply_one).required()

    def undo(self) -> list[str]:
        """Release every node; a second time there is nothing to do. Returns what went wrong, by node."""
        if not (self._applied and self._pins):
            return []
        self._applied = False
        failed = on_every_host(self._pins, lambda pin: release(self._sessions[pin.node])).errors
        return [
            f"{name}: the pinning by route is not undone: {error} On that host: sudo ip rule del table {TABLE} "
            f"(until there is none), sudo ip route flush table {TABLE}"
            for name, error in failed.items()
        ]

    def _apply_one(self, pin: Pin) -> None:
        shell = self._sessions[pin.node]
        release(shell)
        for command in commands(pin):
            shell.check(command, timeout_s=COMMAND_S, env=SEARCH_PATH, sudo=True)
        found = route_of(shell, pin.server)
        if found.device != pin.interface.device:
            raise PinningError(
                f"{pin.node}: {pin.server} is reached by {found.device or found.problem} and not by "
                f"{pin.interface.device}, in spite of a host route for {pin.network}: a rule before preference "
                f"{PREFERENCE} decides. See `ip rule` there."
            )


def release(shell: Shell) -> None:
    """Take back the rules and the route of this module, whichever are there. Raises RemoteError."""
    for rule in _rules(shell):
        command = [*IP, "rule", "del", "pref", str(rule["priority"]), "table", TABLE]
        shell.check(command, timeout_s=COMMAND_S, env=SEARCH_PATH, sudo=True)
    if _has_routes(shell):
        shell.check([*IP, "route", "flush", "table", TABLE], timeout_s=COMMAND_S, env=SEARCH_PATH, sudo=True)


def _rules(shell: Shell) -> list[dict[str, Any]]:
    text = shell.check([*IP, "-j", "rule", "show"], timeout_s=COMMAND_S, env=SEARCH_PATH).text
    try:
        found = json.loads(text or "[]")
    except ValueError as error:
        raise RemoteError(
            f"{shell.name}: `ip -j rule show` prints no JSON: {text[:80]!r}. Update iproute2."
        ) from error
    return [rule for rule in found if str(rule.get("table")) == TABLE]


def _has_routes(shell: Shell) -> bool:
    """A table that never had a route is an error to newer kernels, and empty to older ones."""
    shown = shell.run([*IP, "route", "show", "table", TABLE], timeout_s=COMMAND_S, env=SEARCH_PATH)
    return shown.status == 0 and bool(shown.text.strip())
