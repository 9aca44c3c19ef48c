"""Opens a connection and logs in: dial, check the host's key, offer ours. Every refusal has its own message."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING

from testbed.emulation import namespaces
from testbed.errors import LoginRefusedError, RemoteError, RemoteTimeoutError, UnreachableError
from testbed.host_keys import check_host_key, known_keys
from testbed.login import Login
from testbed.private_keys import keys_for
from testbed.ssh_channel import CHANNEL_TIMEOUT_S

if TYPE_CHECKING:
    from paramiko import Channel, PKey, Transport

# errors of paramiko are raised here as our own; its log would repeat them on the terminal
logging.getLogger("paramiko").addHandler(logging.NullHandler())
# sshd drops connections at random from the eleventh that has not logged in yet (MaxStartups), and every host behind a
# jump host begins with one
_AT_JUMP_HOSTS = threading.BoundedSemaphore(8)


def open_transports(login: Login, timeout_s: float) -> list[Transport]:
    """Log in to a host, by way of its jump hosts; its own connection is the last. Raises RemoteError.

    `timeout_s` is for each of: the connection, the exchange of keys, the login.
    """
    opened: list[Transport] = []
    try:
        for step in _route(login):
            gate: AbstractContextManager[object] = nullcontext() if step is login else _AT_JUMP_HOSTS
            with gate:
                connection = _forwarded(step, opened[-1], timeout_s) if opened else _dialled(step, timeout_s)
                opened.append(_logged_in(step, connection, timeout_s))
    except BaseException:
        close(opened)
        raise
    return opened


def close(transports: Sequence[Transport]) -> None:
    """Close connections, the last first: it runs through those before it."""
    for transport in reversed(transports):
        transport.close()


def _route(login: Login) -> list[Login]:
    """The jump hosts from the first one on, and then the host. Pure."""
    return [*(_route(login.jump) if login.jump else []), login]


def _dialled(login: Login, timeout_s: float) -> socket.socket:
    def dial() -> socket.socket:
        return socket.create_connection((login.address, login.port), timeout=timeout_s)

    try:
        if login.controller_namespace is None:
            return dial()
        return namespaces.inside(login.controller_namespace, dial)
    except TimeoutError as error:
        raise RemoteTimeoutError(
            f"{login.name}: no answer from {_place(login)} in {timeout_s:g} s. Is it switched on?"
        ) from error
    except OSError as error:
        raise UnreachableError(
            f"{login.name}: cannot reach {_place(login)}: {error.strerror or error}. "
            "Check the address, and that sshd runs there (emulated testbed: `fedprobe testbed status`)."
        ) from error


def _forwarded(login: Login, jump: Transport, timeout_s: float) -> Channel:
    from paramiko import ChannelException, SSHException

    through = f"{login.name}: its jump host {login.jump.name if login.jump else ''}"
    try:
        return jump.open_channel("direct-tcpip", (login.address, login.port), ("127.0.0.1", 0), timeout=timeout_s)
    except ChannelException as error:
        said = error.text.decode("utf-8", "replace") if isinstance(error.text, bytes) else error.text
        raise UnreachableError(
            f"{through} cannot reach {_place(login)}: {said}. Check the address as the jump host sees it, that sshd "
            "runs there, and that the jump host allows it (AllowTcpForwarding)."
        ) from error
    except (OSError, EOFError, SSHException) as error:
        raise RemoteTimeoutError(f"{through} got no answer from {_place(login)}: {error}.") from error


def _logged_in(login: Login, connection: socket.socket | Channel, timeout_s: float) -> Transport:
    import paramiko

    with ExitStack() as on_failure:
        on_failure.callback(connection.close)
        known = known_keys(login.known_hosts, login.known_as)
        with _explained(login):
            transport = paramiko.Transport(connection)
            on_failure.callback(transport.close)
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timeout_s
            transport.channel_timeout = CHANNEL_TIMEOUT_S
            _prefer(transport, known)
            transport.start_client(timeout=timeout_s)
            if not transport.initial_kex_done:
                raise TimeoutError
            check_host_key(login, transport.get_remote_server_key(), known)
            with keys_for(login) as keys:
                _authenticate(login, transport, keys)
        on_failure.pop_all()
    return transport


def _prefer(transport: Transport, known: Sequence[PKey]) -> None:
    """Ask for host keys of the types that are known: a host has several, and shows one."""
    options = transport.get_security_options()
    names = {key.get_name() for key in known}
    if "ssh-rsa" in names:
        names |= {"rsa-sha2-512", "rsa-sha2-256"}  # RFC 8332: the same keys, with a signature that is still trusted
    options.key_types = sorted(options.key_types, key=lambda name: name not in names)


def _authenticate(login: Login, transport: Transport, keys: Sequence[PKey]) -> None:
    from paramiko import AuthenticationException, BadAuthenticationType

    for key in keys:
        try:
            wanted = transport.auth_publickey(login.user, key)
        except BadAuthenticationType as error:
            wanted = error.allowed_types
        except AuthenticationException as error:
            if "timeout" in str(error):
                raise TimeoutError from error
            if not transport.is_active():  # sshd has seen enough keys (MaxAuthTries)
                break
            continue
        if not wanted:
            return
        raise LoginRefusedError(
            f"{login.name}: {login.user}@{login.address} wants more than a key, or another thing: "
            f"{', '.join(wanted)}. Let its sshd accept a key alone (PubkeyAuthentication, AuthenticationMethods)."
        )
    offered = f"the key {login.key}" if login.key else f"any of the agent's {len(keys)} keys (`ssh-add -l`)"
    raise LoginRefusedError(
        f"{login.name}: {login.user}@{login.address} does not accept {offered}. "
        "Add its public half to authorized_keys on the host."
    )


@contextlib.contextmanager
def _explained(login: Login) -> Iterator[None]:
    """What paramiko raises as our own errors."""
    from paramiko import SSHException

    try:
        yield
    except RemoteError:
        raise
    except TimeoutError as error:
        raise RemoteTimeoutError(
            f"{login.name}: {_place(login)} accepts connections but does not answer. Is it overloaded?"
        ) from error
    except (SSHException, OSError, EOFError) as error:
        raise UnreachableError(
            f"{login.name}: no SSH session with {_place(login)}: {error or 'the connection was closed'}. "
            "Check that this is an sshd, and its log."
        ) from error


def _place(login: Login) -> str:
    return f"{login.address} port {login.port}"
