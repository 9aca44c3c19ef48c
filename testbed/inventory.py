"""The inventory: which hosts there are, how to log in, and by which addresses they reach each other.

Here every host says all of itself. In a file defaults and ranges keep fifty Pis from being fifty blocks;
`testbed.inventory_file` reads such a file, of a real laboratory and of an emulated testbed alike. Paths are absolute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, IPvAnyAddress, model_validator

from testbed.errors import InventoryError
from testbed.inventory_words import host_address, label, network_name, same_address
from testbed.validation import nearest

NetworkName = Annotated[str, AfterValidator(network_name)]
Label = Annotated[str, AfterValidator(label)]
HostAddress = Annotated[str, AfterValidator(host_address)]
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, Field(min_length=1)]
Role = Literal["server", "node"]
Kind = Literal["emulated", "real"]
Clock = Literal["own", "shared"]
Security = Literal["none", "tls", "tls+supernode-auth"]


class Strict(BaseModel):
    """Base of everything in an inventory: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Account(Strict):
    """An SSH server and who logs in there: `key` is a private key's file on the controller; None: the SSH agent's."""

    address: HostAddress
    port: Port = 22
    user: Text = "root"
    key: Path | None = None


class Jump(Account):
    """A host that is only passed through to reach others. It too has its line in known_hosts."""

    name: Label


class Management(Account):
    """How the controller reaches a host. `device` is None where nobody said which one has the address."""

    device: Text | None = None
    jump: Jump | None = None


class Interface(Strict):
    """A host's interface on one measured network.

    `gateway` is what the host route of `testbed.pinning` leads through; None: the server is on the link itself.
    """

    device: Text
    address: IPvAnyAddress
    gateway: IPvAnyAddress | None = None


class Host(Strict):
    """One host. `python` and `work_folder` are paths on that host, `groups` labels to choose hosts by.

    `environment` is for all that is started there.
    """

    name: Label
    role: Role
    management: Management
    interfaces: dict[NetworkName, Interface]
    python: Text = "python3"
    work_folder: Text = "fedprobe"
    environment: dict[Text, str] = {}
    groups: tuple[Label, ...] = ()

    @property
    def shared_networks(self) -> tuple[NetworkName, ...]:
        """The measured networks that management uses too: by the same address, or by the same device."""
        return tuple(name for name, one in self.interfaces.items() if self._is_management(one))

    def _is_management(self, interface: Interface) -> bool:
        by_address = same_address(self.management.address, str(interface.address))
        return by_address or self.management.device == interface.device


class Controller(Strict):
    """Where fedprobe itself runs. Connections start from `namespace`; None: from this very machine."""

    name: Label = "controller"
    management: HostAddress | None = None
    namespace: Text | None = None


class FollowedTrace(Strict):
    """The process that makes a network's rates follow a trace, the trace's files, and the log of applied rates."""

    pid: int
    files: tuple[Text, ...]
    period_s: float
    log: Path


class EmulatedNetwork(Strict):
    """What makes a network's delay, and, for the delayer, its process and its lateness histogram."""

    delay_element: Literal["netem", "nfqueue", "none"]
    pid: int | None = None
    histogram: Path | None = None
    trace: FollowedTrace | None = None


class PiCpu(Strict):
    """The processor limit of each node: Pi-like, not a Pi."""

    cores: float
    period_us: int
    cgroup: Literal["v1", "v2"]


class BackgroundSender(Strict):
    """What was asked of the background sender of a network, and the files that count its frames, by direction."""

    network: NetworkName
    uplink_bit_per_s: int
    downlink_bit_per_s: int
    sent: dict[Literal["uplink", "downlink"], Path]
    received: dict[Literal["uplink", "downlink"], Path]


class Emulator(Strict):
    """Facts of an emulated testbed that every result records."""

    testbed_id: Text
    seed: int
    profile_file: Path
    congestion_control: Text  # of the kernel: all hosts share it
    networks: dict[NetworkName, EmulatedNetwork]
    rootless: bool = False  # made by an ordinary user: nothing there has real-time priority
    monotonic_offset_s: dict[str, int] = {}  # host -> offset of its clock; empty: no time namespaces here
    pi_cpu: PiCpu | None = None
    background: BackgroundSender | None = None


class Inventory(Strict):
    """A testbed. `clock` is "shared" where all hosts read one wall clock: then chrony has nothing to do there.

    `security` is what SuperLink and SuperNodes ask of each other.
    """

    name: Text
    kind: Kind
    clock: Clock
    security: Security = "none"
    known_hosts: Path
    controller: Controller = Controller()
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
    def networks(self) -> tuple[NetworkName, ...]:
        """The measured networks, which are those that the server is on."""
        return tuple(self.server.interfaces)

    @property
    def server_addresses(self) -> dict[NetworkName, str]:
        """What a node dials on each network."""
        return {network: str(one.address) for network, one in self.server.interfaces.items()}

    @property
    def networks_by_route(self) -> tuple[NetworkName, ...]:
        """The networks on which the server has the address that it has on another one too.

        There a host route on the node, not the address that it dials, decides which way its bytes go.
        """
        times = Counter(one.address for one in self.server.interfaces.values())
        return tuple(network for network, one in self.server.interfaces.items() if times[one.address] > 1)

    @property
    def controller_namespace(self) -> str | None:
        """Where connections start from; None: from this very machine."""
        return self.controller.namespace

    def host(self, name: str) -> Host:
        """The host of that name. Raises InventoryError."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise InventoryError(f"inventory {self.name} has no host {name!r}. {nearest(name, self._host_names())}")

    def group(self, name: str) -> tuple[Host, ...]:
        """The hosts with that label, in the file's order. Raises InventoryError where no host has it."""
        found = tuple(host for host in self.hosts if name in host.groups)
        if found:
            return found
        known = list(dict.fromkeys(group for host in self.hosts for group in host.groups))
        hint = nearest(name, known) if known else 'Give hosts a label: groups = ["NAME"].'
        raise InventoryError(f"inventory {self.name} has no group {name!r}. {hint}")

    def sharings(self) -> list[tuple[str, NetworkName]]:
        """Every host and measured network of it that management uses too."""
        return [(host.name, network) for host in self.hosts for network in host.shared_networks]

    def _host_names(self) -> Sequence[str]:
        return [host.name for host in self.hosts]

    @model_validator(mode="after")
    def _has_one_server(self) -> Self:
        servers = [host.name for host in self.hosts if host.role == "server"]
        if len(servers) != 1:
            raise ValueError(f"has servers {servers}: a testbed has one")
        return self
