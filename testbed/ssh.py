"""A session on a host: run, start and stop commands, move files.

    with connect(inventory, inventory.server) as session:
        session.run(["uname", "-r"], timeout_s=5)

Only known hosts, only the inventory's key. A session belongs to one thread at a time.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from testbed.errors import RemoteError, RemoteTimeoutError, UnreachableError
from testbed.inventory import Host, Inventory
from testbed.remote_scripts import ALIVE_SCRIPT, STOP_SCRIPT
from testbed.ssh_login import load_known_hosts, open_connection, translated

if TYPE_CHECKING:
    from paramiko import Channel, SFTPClient, SSHClient

CONNECT_TIMEOUT_S = 15.0
_STOP_POLLS_PER_S = 20
_REMOTE_TIMEOUT_STATUS = 124  # of coreutils' timeout; 137 where it had to kill
# errors of paramiko are raised here as our own; its log would repeat them on the terminal
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An entry of a folder on a host."""

    name: str
    size_bytes: int
    is_folder: bool


class Session:
    """An open connection to a host; made by `connect`."""

    def __init__(self, host: Host, client: SSHClient) -> None:
        self.host = host
        self._client = client
        self._files: SFTPClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; what `start` started goes on."""
        if self._files:
            self._files.close()
        self._client.close()

    def run(self, argv: Sequence[str], *, timeout_s: float, env: Mapping[str, str] | None = None) -> Completed:
        """Run a command to its end, whatever its status. Raises RemoteTimeoutError, having ended it."""
        limit = ["timeout", "--kill-after=1", f"{timeout_s:g}"]
        done = self._execute(shlex.join([*_environment(env), *limit, *argv]), timeout_s + 5)
        if done.status == _REMOTE_TIMEOUT_STATUS:
            raise RemoteTimeoutError(
                f"{self.host.name}: `{shlex.join(argv)}` was still running after {timeout_s:g} s and was ended. "
                "See why on the host, or allow more time."
            )
        return done

    def check(self, argv: Sequence[str], *, timeout_s: float, env: Mapping[str, str] | None = None) -> str:
        """What a command prints; raises RemoteError with what it complains about unless its status is 0."""
        done = self.run(argv, timeout_s=timeout_s, env=env)
        if done.status:
            raise RemoteError(
                f"{self.host.name}: `{shlex.join(argv)}` failed with status {done.status}: "
                f"{done.stderr.strip() or 'no message'}. Try it on the host by hand."
            )
        return done.stdout

    def start(
        self,
        argv: Sequence[str],
        *,
        stdout: str,
        stderr: str,
        env: Mapping[str, str] | None = None,
        nice: int = 0,
        cwd: str | None = None,
    ) -> int:
        """Start a command in a session of its own that outlives the connection; returns its pid on the host.

        `stdout` and `stderr` are files on the host, written anew; `nice` is added to the priority number.
        """
        command = shlex.join([*_environment(env), "nice", "-n", str(nice), *argv])
        errors = "2>&1" if stderr == stdout else f"2>{shlex.quote(stderr)}"
        output = f"</dev/null >{shlex.quote(stdout)} {errors}"
        enter = f"cd {shlex.quote(cwd)} && " if cwd else ""
        done = self._execute(f"{enter}{{ setsid {command} {output} & echo $!; }}", CONNECT_TIMEOUT_S)
        if done.status or not done.stdout.strip().isdigit():
            raise RemoteError(
                f"{self.host.name}: cannot start `{shlex.join(argv)}`: {done.stderr.strip() or 'no message'}. "
                "Check that its folders exist on the host."
            )
        return int(done.stdout)

    def stop_group(self, pid: int, *, grace_s: float) -> None:
        """End what `start` started, with all its children: TERM, and KILL for what runs after `grace_s`."""
        polls = str(round(grace_s * _STOP_POLLS_PER_S))
        self._execute(shlex.join(["sh", "-c", STOP_SCRIPT, "stop", str(pid), polls]), grace_s + 15)

    def alive(self, pid: int) -> bool:
        """Whether a process runs; one that ended and waits for its parent does not."""
        script = shlex.join(["sh", "-c", ALIVE_SCRIPT, "alive", str(pid)])
        return self._execute(script, CONNECT_TIMEOUT_S).status == 0

    def get(self, remote: str, local: Path) -> None:
        """Copy a file from the host."""
        with self._about(remote):
            self._sftp().get(remote, str(local))

    def put(self, local: Path, remote: str) -> None:
        """Copy a file to the host."""
        with self._about(remote):
            self._sftp().put(str(local), remote)

    def listdir(self, remote: str) -> list[RemoteFile]:
        """The entries of a folder on the host, by name."""
        with self._about(remote):
            entries = self._sftp().listdir_attr(remote)
        files = [RemoteFile(one.filename, one.st_size or 0, stat.S_ISDIR(one.st_mode or 0)) for one in entries]
        return sorted(files, key=lambda file: file.name)

    def put_folder(self, local: Path, remote: str) -> None:
        """Copy a folder and what is below it, compiled Python left out; folders that exist are kept."""
        with self._about(remote):
            self.run(["mkdir", "-p", remote], timeout_s=CONNECT_TIMEOUT_S)
            for entry in sorted(local.iterdir()):
                if entry.name == "__pycache__":
                    continue
                if entry.is_dir():
                    self.put_folder(entry, f"{remote}/{entry.name}")
                else:
                    self._sftp().put(str(entry), f"{remote}/{entry.name}")

    def write_text(self, remote: str, text: str) -> None:
        """Write a small file on the host anew."""
        with self._about(remote), self._sftp().open(remote, "w") as file:
            file.write(text)

    def read_bytes(self, remote: str, *, offset: int = 0) -> bytes:
        """The bytes of a file from an offset to its present end; empty where there is no such file yet."""
        try:
            with self._sftp().open(remote, "rb") as file:
                file.seek(offset)
                content: bytes = file.read()
                return content
        except FileNotFoundError:
            return b""

    def read_text(self, remote: str) -> str:
        """The text of a small file; empty where there is no such file yet."""
        return self.read_bytes(remote).decode("utf-8", "replace")

    def _sftp(self) -> SFTPClient:
        if self._files is None:
            self._files = self._client.open_sftp()
        return self._files

    @contextlib.contextmanager
    def _about(self, path: str) -> Iterator[None]:
        from paramiko import SSHException

        try:
            yield
        except (OSError, EOFError, SSHException) as error:
            raise RemoteError(
                f"{self.host.name}: {path}: {error or type(error).__name__}. "
                "Check that the path exists on both sides."
            ) from error

    def _execute(self, command: str, timeout_s: float) -> Completed:
        from paramiko import SSHException

        try:
            transport = self._client.get_transport()
            if transport is None:
                raise SSHException("the session is closed")
            channel = transport.open_session(timeout=CONNECT_TIMEOUT_S)
            channel.exec_command(command)
        except (OSError, EOFError, SSHException) as error:
            raise UnreachableError(
                f"{self.host.name}: the connection is lost: {error or type(error).__name__}. Connect again."
            ) from error
        return self._collected(channel, command, timeout_s)

    def _collected(self, channel: Channel, command: str, timeout_s: float) -> Completed:
        expired = threading.Event()

        def give_up() -> None:
            expired.set()
            channel.close()

        timer = threading.Timer(timeout_s, give_up)
        timer.start()
        try:
            stdout, stderr = _read_both(channel)
            status = channel.recv_exit_status()
        finally:
            timer.cancel()
            timer.join()
            channel.close()
        if expired.is_set():
            raise RemoteTimeoutError(
                f"{self.host.name}: no answer to `{command}` within {timeout_s:g} s. Check the host and its link."
            )
        return Completed(status, stdout, stderr)


def connect(inventory: Inventory, host: Host, *, timeout_s: float = CONNECT_TIMEOUT_S) -> Session:
    """Log in to a host of an inventory. Raises RemoteError."""
    import paramiko

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    load_known_hosts(client, inventory.known_hosts)
    connection = open_connection(inventory, host, timeout_s)
    try:
        client.connect(
            host.management.address,
            port=host.management.port,
            username=host.management.user,
            key_filename=str(host.management.key),
            look_for_keys=False,
            allow_agent=False,
            sock=connection,
            timeout=timeout_s,
            banner_timeout=timeout_s,
            auth_timeout=timeout_s,
        )
    except Exception as error:
        client.close()
        connection.close()
        raise translated(error, inventory, host) from error
    return Session(host, client)


def _environment(env: Mapping[str, str] | None) -> list[str]:
    return ["env", *(f"{key}={value}" for key, value in (env or {}).items())]


def _read_both(channel: Channel) -> tuple[str, str]:
    """Both streams to their end; one thread each, so that neither fills up and stops the command."""
    errors: list[bytes] = []
    reader = threading.Thread(target=lambda: errors.append(channel.makefile_stderr("rb").read()))
    reader.start()
    output = channel.makefile("rb").read()
    reader.join()
    return output.decode("utf-8", "replace"), b"".join(errors).decode("utf-8", "replace")
