"""What the controller does on a host: run, start and stop commands, move files. One contract, local or over SSH.

    with connect(login_to(inventory, inventory.server)) as shell:
        shell.check(["uname", "-r"], timeout_s=5).text

`testbed.ssh.connect` and `testbed.local_shell.local_shell` make one. Commands are lists of arguments that arrive as
they are, whatever they contain; relative paths begin at the home folder of the user. A shell belongs to one thread
at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that has ended, its streams exact. `status`: its exit status, or 128 + n where signal n ended it."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Its output as UTF-8; bytes that are not become U+FFFD."""
        return self.stdout.decode("utf-8", "replace")

    @property
    def complaint(self) -> str:
        """What it wrote to stderr, for a message."""
        return self.stderr.decode("utf-8", "replace").strip() or "no message"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """An entry of a folder on a host."""

    name: str
    size_bytes: int
    is_folder: bool


class Shell(Protocol):
    """A host that commands run on. Everything here raises RemoteError, with the host's name in the message."""

    @property
    def name(self) -> str:
        """What messages call the host."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None:
        """Let go of the host; what `start` started goes on."""
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        sudo: bool = False,
    ) -> Completed:
        """Run a command to its end, whatever its status; 127: there is no such program.

        Its stdin is empty. `env` is added to the environment of a login; `sudo` makes it root's command, and changes
        nothing where the user is root. What it left running in the background goes on, and is not waited for.
        Raises RemoteTimeoutError after `timeout_s`, having ended the command and its children on the host, and
        SudoRefusedError where sudo asks for a password.
        """
        ...

    def check(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        sudo: bool = False,
    ) -> Completed:
        """As `run`; raises RemoteError with what the command complains about unless its status is 0."""
        ...

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
        """Start a command in a session of its own that outlives this connection; returns its pid on the host.

        `stdout` and `stderr` are files on the host, written anew; `nice` is added to the priority number.
        """
        ...

    def stop_group(self, pid: int, *, grace_s: float) -> None:
        """End what `start` started, with all of its session: TERM, and KILL for what runs after `grace_s`."""
        ...

    def alive(self, pid: int) -> bool:
        """Whether a process runs; one that ended and waits for its parent does not."""
        ...

    def get(self, remote: str, local: Path) -> None:
        """Copy a file from the host, its SHA-256 compared at both ends.

        It grows as `local` + ".part", from which a copy that was cut off is continued. Raises DigestError.
        """
        ...

    def put(self, local: Path, remote: str) -> None:
        """Copy a file to the host, as `get`."""
        ...

    def put_folder(self, local: Path, remote: str) -> None:
        """Copy a folder and what is below it, compiled Python left out; folders that exist are kept."""
        ...

    def listdir(self, remote: str) -> list[RemoteFile]:
        """The entries of a folder on the host, by name."""
        ...

    def write_text(self, remote: str, text: str) -> None:
        """Write a small file on the host anew, as UTF-8."""
        ...

    def read_bytes(self, remote: str, *, offset: int = 0) -> bytes:
        """The bytes of a file from an offset to its present end; empty where there is no such file yet."""
        ...

    def read_text(self, remote: str) -> str:
        """The text of a small file; empty where there is no such file yet."""
        ...
