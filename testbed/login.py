"""How the controller logs in to one host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed.inventory import Account, Host, Inventory

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
    """The login that an inventory describes, by way of the host's jump host if it has one."""
    jump = host.management.jump
    if jump is None:
        return _login(inventory, host.name, host.management, None)
    return _login(inventory, host.name, host.management, _login(inventory, jump.name, jump, None))


def _login(inventory: Inventory, name: str, account: Account, jump: Login | None) -> Login:
    return Login(
        name=name,
        address=account.address,
        port=account.port,
        user=account.user,
        key=account.key,
        known_hosts=inventory.known_hosts,
        jump=jump,
        controller_namespace=None if jump else inventory.controller_namespace,
    )
