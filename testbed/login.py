"""How the controller logs in to one host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed.inventory import Host, Inventory

SSH_PORT = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where a host's sshd is, as whom and with which key to log in, and by which file its own key is known.

    `key` None: the keys of the SSH agent. `jump` None: the host is reached directly. `controller_namespace` is the
    network namespace that the first connection starts from; None: this process's.
    """

    name: str
    address: str
    known_hosts: Path
    port: int = SSH_PORT
    user: str = "root"
    key: Path | None = None
    jump: Login | None = None
    controller_namespace: str | None = None

    @property
    def known_as(self) -> str:
        """What known_hosts calls the host."""
        return self.address if self.port == SSH_PORT else f"[{self.address}]:{self.port}"


def login_to(inventory: Inventory, host: Host) -> Login:
    """The login that an inventory describes."""
    return Login(
        name=host.name,
        address=host.management.address,
        port=host.management.port,
        user=host.management.user,
        key=inventory.key,
        known_hosts=inventory.known_hosts,
        controller_namespace=inventory.controller_namespace,
    )
