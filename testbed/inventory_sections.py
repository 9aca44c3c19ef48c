"""The sections of an inventory file as they are written: with defaults, with ranges, with addresses as plain text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from testbed.inventory import (
    Clock,
    Controller,
    Emulator,
    HostAddress,
    Kind,
    Label,
    NetworkName,
    Port,
    Security,
    Strict,
    Text,
)
from testbed.inventory_words import device_place, network_address

DevicePlace = Annotated[str, AfterValidator(device_place)]
NetworkAddress = Annotated[str, AfterValidator(network_address)]


def _address_alone(value: Any) -> Any:
    """An address alone is short for a table of nothing else."""
    return {"address": value} if isinstance(value, str) else value


class Placed(Strict):
    """An address, or the first of a range; `device` is left out where [defaults.devices] has it."""

    address: Text
    device: Text | None = None


class PlacedOnNetwork(Placed):
    """A place on a measured network. `gateway`: for nodes whose server has one address on several networks."""

    gateway: NetworkAddress | None = None


AddressOrTable = Annotated[Placed, BeforeValidator(_address_alone)]
NetworkAddressOrTable = Annotated[PlacedOnNetwork, BeforeValidator(_address_alone)]


class Settings(Strict):
    """What a host takes from [defaults] unless it says otherwise. `jump = ""`: no jump host, whatever the default.

    `environment` is added to the default one.
    """

    user: Text | None = None
    port: Port | None = None
    key: Path | None = None
    jump: str | None = None
    python: Text | None = None
    work_folder: Text | None = None
    environment: dict[Text, str] = Field(default_factory=dict)


class Defaults(Settings):
    """[defaults]: `devices` holds a device for each network, and for `management` where it is known.

    `gateways` holds the gateway of each network, for nodes alone.
    """

    devices: dict[DevicePlace, Text] = Field(default_factory=dict)
    gateways: dict[NetworkName, NetworkAddress] = Field(default_factory=dict)


class HostSection(Settings):
    """[server] or one of [[nodes]]: a host, or a range of hosts that differ in nothing but name and addresses."""

    name: Text
    management: AddressOrTable
    interfaces: dict[NetworkName, NetworkAddressOrTable] = Field(default_factory=dict)
    groups: tuple[Label, ...] = ()


class JumpSection(Strict):
    """[jump_hosts.NAME]: user, port and key are left out where they are the defaults'."""

    address: HostAddress
    user: Text | None = None
    port: Port | None = None
    key: Path | None = None


class Document(Strict):
    """A whole inventory file."""

    name: Text
    kind: Kind = "real"
    clock: Clock = "own"
    security: Security = "none"
    known_hosts: Path
    defaults: Defaults = Defaults()
    jump_hosts: dict[Label, JumpSection] = Field(default_factory=dict)
    controller: Controller = Controller()
    server: HostSection
    nodes: tuple[HostSection, ...]
    emulator: Emulator | None = None


def shape_mistakes(document: dict[str, Any]) -> list[str]:
    """What is wrong with a file's outline, in an operator's words. Pure."""
    found = []
    match document.get("server"):
        case None:
            found.append(
                "there is no [server], so nodes have nothing to dial. Add that section, with name, management and "
                "interfaces"
            )
        case list() as several:
            found.append(f"[[server]] is a list, of {len(several)} here: a testbed has one. Write one [server]")
    match document.get("nodes"):
        case None | []:
            found.append("there are no nodes, so nothing can be measured. Add a [[nodes]] block for each, or a range")
        case dict():
            found.append("[nodes] is one table, and nodes are a list of blocks. Write [[nodes]], with two brackets")
    return found
