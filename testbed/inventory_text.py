"""Writes an inventory as a file for people: what all hosts share once, then a block for each host. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import IPvAnyAddress

from testbed.inventory import Host, Inventory, Jump
from testbed.inventory_words import MANAGEMENT
from testbed.toml_text import toml_text

# key of the file -> what a host has for it
_SETTINGS: dict[str, Callable[[Host], str | int | None]] = {
    "user": lambda host: host.management.user,
    "port": lambda host: host.management.port,
    "key": lambda host: _text(host.management.key),
    "python": lambda host: host.python,
    "work_folder": lambda host: host.work_folder,
}


def inventory_text(inventory: Inventory) -> str:
    """The file that `testbed.inventory_file` reads as this very inventory."""
    return toml_text(_document(inventory))


def _document(inventory: Inventory) -> dict[str, Any]:
    hosts = inventory.hosts
    common = {key: shared for key, value in _SETTINGS.items() if (shared := _shared(map(value, hosts))) is not None}
    devices = _devices(hosts)
    jumps = {jump.name: _jump(jump) for host in hosts if (jump := host.management.jump)}
    jumps.pop(inventory.server.name, None)
    return {
        "name": inventory.name,
        "kind": inventory.kind,
        "clock": inventory.clock,
        "security": inventory.security,
        "known_hosts": str(inventory.known_hosts),
        "defaults": {**common, "devices": devices or None},
        "jump_hosts": jumps or None,
        "controller": inventory.controller.model_dump(mode="json"),
        "server": _host(inventory.server, common, devices),
        "nodes": [_host(node, common, devices) for node in inventory.nodes],
        "emulator": inventory.emulator.model_dump(mode="json") if inventory.emulator else None,
    }


def _shared(values: Iterable[str | int | None]) -> str | int | None:
    """The value that all have; None where they differ."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _devices(hosts: tuple[Host, ...]) -> dict[str, str]:
    """The device of each network, and of management, that no host contradicts."""
    found: dict[str, set[str]] = {}
    for host in hosts:
        for network, interface in host.interfaces.items():
            found.setdefault(network, set()).add(interface.device)
    management = {host.management.device for host in hosts}
    named = {device for device in management if device is not None}
    if named == management:  # a host that names none must not be given one
        found[MANAGEMENT] = named
    return {place: devices.pop() for place, devices in found.items() if len(devices) == 1}


def _jump(jump: Jump) -> dict[str, str | int | None]:
    return {"address": jump.address, "user": jump.user, "port": jump.port, "key": _text(jump.key)}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _host(host: Host, common: dict[str, str | int], devices: dict[str, str]) -> dict[str, Any]:
    login = host.management
    own = {key: value(host) for key, value in _SETTINGS.items() if key not in common}
    return {
        "name": host.name,
        "management": _placed(login.address, login.device, devices.get(MANAGEMENT)),
        **own,
        "jump": login.jump.name if login.jump else None,
        "groups": list(host.groups) or None,
        "environment": host.environment or None,
        "interfaces": {
            network: _placed(str(one.address), one.device, devices.get(network), gateway=one.gateway)
            for network, one in host.interfaces.items()
        },
    }


def _placed(
    address: str, device: str | None, default: str | None, *, gateway: IPvAnyAddress | None = None
) -> str | dict[str, str]:
    own = {} if device == default or device is None else {"device": device}
    through = {} if gateway is None else {"gateway": str(gateway)}
    return {"address": address, **own, **through} if own or through else address
