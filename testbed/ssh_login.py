"""How a login goes wrong, and the connection below it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.emulation import namespaces
from testbed.errors import (
    LoginRefusedError,
    RemoteTimeoutError,
    UnknownHostKeyError,
    UnreachableError,
    WrongHostKeyError,
)
from testbed.inventory import Host, Inventory

if TYPE_CHECKING:
    from paramiko import SSHClient


def load_known_hosts(client: SSHClient, path: Path) -> None:
    """Tell a client which hosts it may talk to. Raises UnknownHostKeyError without the file."""
    try:
        client.load_host_keys(str(path))
    except OSError as error:
        raise UnknownHostKeyError(
            f"{path}: no known_hosts file: {error.strerror}. Make it: ssh-keyscan HOST > {path}, then compare "
            "the fingerprints with those on the hosts."
        ) from error


def open_connection(inventory: Inventory, host: Host, timeout_s: float) -> socket.socket:
    """A TCP connection to a host, made from where the inventory says. Raises RemoteError."""
    address = (host.management.address, host.management.port)

    def dial() -> socket.socket:
        return socket.create_connection(address, timeout=timeout_s)

    try:
        if inventory.controller_namespace is None:
            return dial()
        return namespaces.inside(inventory.controller_namespace, dial)
    except TimeoutError as error:
        raise RemoteTimeoutError(
            f"{host.name}: no answer from {address[0]} port {address[1]} in {timeout_s:g} s. Is it switched on?"
        ) from error
    except OSError as error:
        raise UnreachableError(
            f"{host.name}: cannot reach {address[0]} port {address[1]}: {error.strerror or error}. "
            "Check the address, and that sshd runs there (emulated testbed: `fedprobe testbed status`)."
        ) from error


def translated(error: Exception, inventory: Inventory, host: Host) -> Exception:
    """A failed login as one of our errors; any other exception as it is."""
    from paramiko import AuthenticationException, BadHostKeyException, SSHException

    address = host.management.address
    match error:
        case BadHostKeyException():
            return WrongHostKeyError(
                f"{host.name}: the host key of {address} is not the one in {inventory.known_hosts}: another machine "
                "answers, or it was installed anew. Compare the fingerprint on the host, then correct that line."
            )
        case AuthenticationException():
            return LoginRefusedError(
                f"{host.name}: {host.management.user}@{address} does not accept the key {host.management.key}. "
                "Add its public half to authorized_keys on the host."
            )
        case TimeoutError():
            return RemoteTimeoutError(
                f"{host.name}: {address} accepts connections but does not answer. Is it overloaded?"
            )
        case SSHException() if "not found in known_hosts" in str(error):
            return UnknownHostKeyError(
                f"{host.name}: the host key of {address} is not in {inventory.known_hosts}. "
                "Compare the fingerprint on the host, then add the line."
            )
        case SSHException() | OSError() | EOFError():
            return UnreachableError(
                f"{host.name}: no SSH session with {address}: {error}. "
                f"Check its sshd and the key file {host.management.key}."
            )
    return error
