"""From a file's sections to hosts that each say all of themselves: defaults filled in, ranges counted out.

Mistakes are collected, not raised at the first, so that an operator reads of all of them at once. Reads no file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.formats import listed
from testbed.inventory import Emulator, Host, Interface, Inventory, Jump, Management, Role
from testbed.inventory_sections import Document, HostSection, JumpSection, PlacedOnNetwork, Settings
from testbed.inventory_words import MANAGEMENT, host_address, label, network_address
from testbed.ranges import beside, counted
from testbed.validation import did_you_mean

PORT, USER, PYTHON, WORK_FOLDER = 22, "root", "python3", "fedprobe"


def expanded(document: Document, folder: Path) -> tuple[Inventory | None, list[str]]:
    """The inventory of a document whose relative paths start in `folder`; or None, and what is wrong with it."""
    expansion = _Expansion(document, folder)
    hosts = [*expansion.hosts("server", document.server)]
    for section in document.nodes:
        hosts += expansion.hosts("node", section)
    expansion.refuse_jump_hosts_named_as({host.name for host in hosts})
    known_hosts = expansion.path("known_hosts", document.known_hosts)
    emulator = expansion.emulator(document.emulator)
    mistakes = expansion.all_mistakes()
    if mistakes:
        return None, mistakes
    made = Inventory(
        name=document.name,
        kind=document.kind,
        clock=document.clock,
        security=document.security,
        known_hosts=known_hosts,
        controller=document.controller,
        hosts=tuple(hosts),
        emulator=emulator,
    )
    return made, []


@dataclass
class _Expansion:
    """Makes hosts of sections, and keeps what cannot be made."""

    document: Document
    folder: Path
    mistakes: list[str] = field(default_factory=list)
    without_device: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Places that have no device, by network: one default would serve them all."""

    def all_mistakes(self) -> list[str]:
        """Each mistake once, though a wrong default spoils every section."""
        return list(dict.fromkeys([*self.mistakes, *self._missing_devices()]))

    def _missing_devices(self) -> Iterator[str]:
        for network, places in self.without_device.items():
            have = "has" if len(places) == 1 else "have"
            yield (
                f"{listed(places)} {have} no device, and [defaults.devices] has none for {network}. Add it there, or "
                f'write {network} = {{ device = "DEVICE", address = "ADDRESS" }}'
            )

    def hosts(self, role: Role, section: HostSection) -> list[Host]:
        """The hosts of one section; none where it has a mistake."""
        place = "server" if role == "server" else f"nodes.{section.name}"
        names = self._texts(f"{place}.name", section.name, lambda: [label(name) for name in counted(section.name)])
        if role == "server" and len(names) > 1:
            self.mistakes.append(f"{place}.name is a range of {len(names)}, and a testbed has one server. Name one")
        logins = self._logins(section, place, len(names))
        columns = {
            network: self._interfaces(role, network, entry, f"{place}.interfaces.{network}", len(names))
            for network, entry in section.interfaces.items()
        }
        if any(len(column) != len(names) for column in columns.values()) or len(logins) != len(names):
            return []
        return [
            Host(
                name=name,
                role=role,
                management=logins[number],
                interfaces={network: column[number] for network, column in columns.items()},
                python=section.python or self.document.defaults.python or PYTHON,
                work_folder=section.work_folder or self.document.defaults.work_folder or WORK_FOLDER,
                environment={**self.document.defaults.environment, **section.environment},
                groups=section.groups,
            )
            for number, name in enumerate(names)
        ]

    def refuse_jump_hosts_named_as(self, hosts: Collection[str]) -> None:
        """A name stands for one host."""
        for name in self.document.jump_hosts:
            if name in hosts:
                self.mistakes.append(f"[jump_hosts.{name}] is named as one of the hosts. Give it a name of its own")

    def path(self, place: str, path: Path) -> Path:
        """An absolute path."""
        try:
            return self.folder / path.expanduser()
        except RuntimeError:
            self.mistakes.append(f"{place} = '{path}': there is no such user's home here. Write the whole path")
            return path

    def emulator(self, emulator: Emulator | None) -> Emulator | None:
        """The emulator's facts with absolute paths."""
        if emulator is None:
            return None
        networks = {
            name: one.model_copy(update={"histogram": one.histogram and self.path("histogram", one.histogram)})
            for name, one in emulator.networks.items()
        }
        profile_file = self.path("emulator.profile_file", emulator.profile_file)
        return emulator.model_copy(update={"profile_file": profile_file, "networks": networks})

    def _logins(self, section: HostSection, place: str, hosts: int) -> list[Management]:
        defaults, entry = self.document.defaults, section.management
        addresses = self._addresses(f"{place}.management", entry.address, hosts, host_address)
        way = self._way(section, place)
        device = entry.device or defaults.devices.get(MANAGEMENT)
        jump = self._jump(section, place)
        return [Management(address=address, device=device, jump=jump, **way) for address in addresses]

    def _way(self, section: Settings | JumpSection, place: str) -> dict[str, Any]:
        """User, port and key of a login."""
        defaults = self.document.defaults
        key = section.key or defaults.key
        return {
            "user": section.user or defaults.user or USER,
            "port": section.port or defaults.port or PORT,
            "key": key and self.path(f"{place}.key" if section.key else "defaults.key", key),
        }

    def _interfaces(
        self, role: Role, network: str, entry: PlacedOnNetwork, place: str, hosts: int
    ) -> list[Interface]:
        addresses = self._addresses(place, entry.address, hosts, network_address)
        device = entry.device or self.document.defaults.devices.get(network)
        if device is None:
            self.without_device[network].append(place)
            return []
        gateway = self._gateway(role, network, entry, place)
        return [
            Interface.model_validate({"device": device, "address": address, "gateway": gateway})
            for address in addresses
        ]

    def _gateway(self, role: Role, network: str, entry: PlacedOnNetwork, place: str) -> str | None:
        if role == "node":
            return entry.gateway or self.document.defaults.gateways.get(network)
        if entry.gateway:
            self.mistakes.append(
                f"{place} has a gateway, and gateways are of nodes: their host routes lead through them. Move it "
                "to [defaults.gateways], or to the nodes' interfaces"
            )
        return None

    def _addresses(self, place: str, text: str, hosts: int, checked: Callable[[str], str]) -> list[str]:
        return self._texts(place, text, lambda: [checked(one) for one in beside(text, hosts)] if hosts else [])

    def _texts(self, place: str, text: str, made: Callable[[], list[str]]) -> list[str]:
        try:
            return made()
        except ValueError as error:
            said = str(error)
            self.mistakes.append(f"{place} = {text!r}: {said}" + ("" if ". " in said else ". Correct it"))
            return []

    def _jump(self, section: HostSection, place: str) -> Jump | None:
        """The jump host of a section, by itself or by default; by default no host is reached through itself."""
        name = self._jump_name(section)
        if not name:
            return None
        place = "defaults.jump" if section.jump is None else f"{place}.jump"
        known, server = self.document.jump_hosts, self.document.server
        if name in known:
            way = self._way(known[name], f"jump_hosts.{name}")
            return Jump(name=name, address=known[name].address, **way)
        if name != server.name:
            hint = did_you_mean(name, [*known, server.name]) or "Add that section, with its address"
            self.mistakes.append(f"{place} = {name!r}: there is no [jump_hosts.{name}], nor such a server. {hint}")
            return None
        if self._jump_name(server):
            self.mistakes.append(f"{place} = {name!r} has a jump host itself, and one is passed, not two. Name that")
            return None
        addresses = self._addresses("server.management", server.management.address, 1, host_address)
        way = self._way(server, "server")
        return Jump(name=name, address=addresses[0], **way) if addresses else None

    def _jump_name(self, section: HostSection) -> str:
        if section.jump is not None:
            return section.jump
        default = self.document.defaults.jump or ""
        return "" if default == section.name else default
