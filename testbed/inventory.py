"""The inventory: which hosts there are, how to log in, and by which addresses they reach each other.

A real laboratory writes this file by hand; an emulated testbed writes it for itself, in the same form.
`known_hosts`, `key` and the emulator's files are relative to the inventory file; `~` is the reader's home.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, ValidationError, model_validator

from testbed.errors import InventoryError
from testbed.toml_text import toml_text
from testbed.validation import explained, nearest

NetworkName = Literal["ethernet", "wifi", "5g"]
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Management(_Strict):
    """How the controller reaches a host: an address or name, never one of a measured network if it can be helped."""

    address: Text
    port: Port = 22
    user: Text = "root"


class Interface(_Strict):
    """A host's interface on one network."""

    device: Text
    address: IPvAnyAddress


class Host(_Strict):
    """One host. `python` and `work_folder` are paths on that host; `environment` is for all that is started there."""

    name: Text
    role: Literal["server", "node"]
    management: Management
    interfaces: dict[NetworkName, Interface]
    python: Text = "python3"
    work_folder: Text = "fedprobe"
    environment: dict[str, str] = {}


class EmulatedNetwork(_Strict):
    """What makes a network's delay, and, for the delayer, its process and its lateness histogram."""

    delay_element: Literal["netem", "nfqueue", "none"]
    pid: int | None = None
    histogram: Path | None = None


class Emulator(_Strict):
    """Facts of an emulated testbed that every result records."""

    testbed_id: Text
    seed: int
    profile_file: Path
    congestion_control: Text  # of the kernel: all hosts share it
    networks: dict[NetworkName, EmulatedNetwork]
    monotonic_offset_s: dict[str, int] = {}  # host -> offset of its clock; empty: no time namespaces here


class Inventory(_Strict):
    """A testbed. `controller_namespace` is where connections start from; None: from this very machine."""

    name: Text
    kind: Literal["emulated", "real"]
    known_hosts: Path
    key: Path
    controller_namespace: str | None = None
    hosts: tuple[Host, ...]
    emulator: Emulator | None = None

    @property
    def server(self) -> Host:
        """The one host with the role `server`."""
        return next(host for host in self.hosts if host.role == "server")

    @property
    def nodes(self) -> tuple[Host, ...]:
        """The hosts with the role `node`, in the file's order."""
        return tuple(host for host in self.hosts if host.role == "node")

    @property
    def server_addresses(self) -> dict[NetworkName, str]:
        """What a node dials on each network."""
        return {network: str(one.address) for network, one in self.server.interfaces.items()}

    def host(self, name: str) -> Host:
        """The host of that name. Raises InventoryError."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise InventoryError(f"inventory {self.name} has no host {name!r}. {nearest(name, self._host_names())}")

    def _host_names(self) -> list[str]:
        return [host.name for host in self.hosts]

    @model_validator(mode="after")
    def _is_a_testbed(self) -> Self:
        names = self._host_names()
        servers = [host.name for host in self.hosts if host.role == "server"]
        if len(servers) != 1 or len(names) < 2:
            raise ValueError(f"has servers {servers} among {len(names)} hosts: expected one server and a node")
        if len(set(names)) != len(names):
            raise ValueError(f"names a host twice in {names}: give each its own name")
        for node in self.nodes:
            if missing := set(node.interfaces) - set(self.server.interfaces):
                raise ValueError(
                    f"{node.name} is on {sorted(missing)}, where the server has no address: "
                    "add it to the server's interfaces"
                )
        if (self.kind == "emulated") != (self.emulator is not None):
            raise ValueError("has an [emulator] section if, and only if, kind is emulated")
        return self


def read_inventory(path: Path) -> Inventory:
    """The inventory in a file. Raises InventoryError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InventoryError(f"{path}: cannot be read: {error.strerror}. Name an existing file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InventoryError(f"{path}: not TOML: {error}. Correct that line.") from error
    try:
        found = Inventory.model_validate(document)
    except ValidationError as error:
        raise InventoryError(f"{path}: {explained(error, Inventory)}") from error
    return _with_absolute_paths(found, path.absolute().parent)


def write_inventory(inventory: Inventory, path: Path) -> None:
    """Replace the file at once by this inventory."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(toml_text(inventory.model_dump(mode="json")), encoding="utf-8")
    fresh.replace(path)


def _with_absolute_paths(inventory: Inventory, folder: Path) -> Inventory:
    emulator = inventory.emulator
    if emulator:
        profile_file = _absolute(folder, emulator.profile_file)
        networks = {
            name: one.model_copy(update={"histogram": one.histogram and _absolute(folder, one.histogram)})
            for name, one in emulator.networks.items()
        }
        emulator = emulator.model_copy(update={"profile_file": profile_file, "networks": networks})
    known_hosts, key = (_absolute(folder, one) for one in (inventory.known_hosts, inventory.key))
    return inventory.model_copy(update={"known_hosts": known_hosts, "key": key, "emulator": emulator})


def _absolute(folder: Path, path: Path) -> Path:
    return folder / path.expanduser()
