"""The shell of a host over a connection to it: everything but how bytes travel."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from testbed.connection import Connection, about
from testbed.errors import RemoteError, RemoteTimeoutError, SudoRefusedError, UnreachableError
from testbed.framed import FOLDER, TIMEOUT, Frame, folder_word, framed, new_mark, with_environment
from testbed.local_files import LocalFiles
from testbed.remote_scripts import DIGEST_SCRIPT, START_SCRIPT, STARTED_SCRIPT, STOP_SCRIPT
from testbed.shell import Completed, RemoteFile
from testbed.transfers import End, copy, digest_of

COMMAND_S = 15.0
"""For commands of our own that do next to nothing."""
_SLACK_S = 15.0  # for a host to end a command at its limit, and to say so
_STOP_POLLS_PER_S = 20
_READ_AGAIN_BYTES = 256 * 1024  # to read so much again costs less than to start sha256sum
_DIGEST_BYTES_PER_S = 5_000_000  # a Pi's processor does tenfold, its card perhaps not
_SHOWN_CHARACTERS = 200


class HostShell:
    """A `testbed.shell.Shell`. `user` is who commands run as."""

    def __init__(self, name: str, user: str, connection: Connection) -> None:
        self._name = name
        self._user = user
        self._connection = connection

    @property
    def name(self) -> str:
        """What messages call the host."""
        return self._name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the host; what `start` started goes on."""
        self._connection.close()

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        sudo: bool = False,
    ) -> Completed:
        """Run a command to its end, whatever its status: see Shell."""
        mark = new_mark()
        stdout, stderr = Frame(mark), Frame(mark)
        line = framed(argv, mark, timeout_s=timeout_s, env=env, cwd=cwd, sudo=sudo)
        with about(self._name, f"`{_shown(argv)}`"):
            self._connection.execute(line, stdout, stderr, limit_s=timeout_s + _SLACK_S)
        match stderr.ending:
            case None if not stderr.begun:
                raise self._not_begun(argv, stderr.content, sudo=sudo)
            case None:
                raise UnreachableError(
                    f"{self._name}: `{_shown(argv)}` was cut off: the host ended it or went away. "
                    "Look at the host, and connect again."
                )
            case word if word == TIMEOUT:
                raise RemoteTimeoutError(
                    f"{self._name}: `{_shown(argv)}` was still running after {timeout_s:g} s and was ended. "
                    "See why on the host, or allow more time."
                )
            case word if word == FOLDER:
                said = Completed(0, b"", stderr.content).complaint
                raise RemoteError(f"{self._name}: `{_shown(argv)}`: cannot enter {cwd}: {said}. Make the folder.")
            case status:
                return Completed(int(status), stdout.content, stderr.content)

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
        done = self.run(argv, timeout_s=timeout_s, env=env, cwd=cwd, sudo=sudo)
        if done.status:
            raise RemoteError(
                f"{self._name}: `{_shown(argv)}` failed with status {done.status}: {done.complaint}. "
                "Try it on the host by hand."
            )
        return done

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
        """Start a command that outlives this connection; returns its pid: see Shell."""
        line = ["nice", "-n", str(nice), "--", "env", "--", *with_environment(argv, env)]
        files = [folder_word(cwd), stdout, stderr]
        script = ["sh", "-c", START_SCRIPT, "fedprobe", STARTED_SCRIPT, *files, *line]
        done = self.run(script, timeout_s=COMMAND_S)
        if done.status:
            raise RemoteError(
                f"{self._name}: cannot start `{_shown(argv)}`: {done.complaint}. "
                "Check that its folders exist on the host."
            )
        return int(done.stdout)

    def stop_group(self, pid: int, *, grace_s: float) -> None:
        """End what `start` started, with all of its session: TERM, and KILL for what runs after `grace_s`."""
        polls = str(round(grace_s * _STOP_POLLS_PER_S))
        self.run(["sh", "-c", STOP_SCRIPT, "stop", str(pid), polls], timeout_s=grace_s + COMMAND_S)

    def alive(self, pid: int) -> bool:
        """Whether a process runs; one that ended and waits for its parent does not."""
        path = f"/proc/{pid}/stat"
        try:
            text = self.read_text(path)
        except (UnreachableError, RemoteTimeoutError):
            raise
        except RemoteError:  # it ended between the opening and the reading
            text = self.read_text(path)
        return text.rpartition(") ")[2][:1] not in {"", "Z", "X"}

    def get(self, remote: str, local: Path) -> None:
        """Copy a file from the host, its SHA-256 compared at both ends: see Shell."""
        with about(self._name, remote):
            copy(self._there(remote), _here(local))

    def put(self, local: Path, remote: str) -> None:
        """Copy a file to the host, as `get`."""
        with about(self._name, remote):
            copy(_here(local), self._there(remote))

    def put_folder(self, local: Path, remote: str) -> None:
        """Copy a folder and what is below it, compiled Python left out; folders that exist are kept."""
        below = [one for one in sorted(local.rglob("*")) if "__pycache__" not in one.relative_to(local).parts]
        there = {one: posixpath.join(remote, *one.relative_to(local).parts) for one in below}
        folders = [there[one] for one in below if one.is_dir()]
        self.check(["mkdir", "-p", "--", remote, *folders], timeout_s=COMMAND_S)
        for one in below:
            if not one.is_dir():
                self.put(one, there[one])

    def listdir(self, remote: str) -> list[RemoteFile]:
        """The entries of a folder on the host, by name."""
        with about(self._name, remote):
            return sorted(self._connection.files.entries(remote), key=lambda file: file.name)

    def write_text(self, remote: str, text: str) -> None:
        """Write a small file on the host anew, as UTF-8."""
        with about(self._name, remote):
            self._connection.files.write(remote, 0, [text.encode()])

    def read_bytes(self, remote: str, *, offset: int = 0) -> bytes:
        """The bytes of a file from an offset to its present end; empty where there is no such file yet."""
        with about(self._name, remote):
            try:
                return b"".join(self._connection.files.read(remote, offset, None))
            except FileNotFoundError:
                return b""

    def read_text(self, remote: str) -> str:
        """The text of a small file; empty where there is no such file yet."""
        return self.read_bytes(remote).decode("utf-8", "replace")

    def _there(self, path: str) -> End:
        return End(self._connection.files, path, self._digest)

    def _digest(self, path: str, size_bytes: int) -> str:
        """The SHA-256 of a file's first bytes, taken on the host unless they are few."""
        if size_bytes <= _READ_AGAIN_BYTES:
            return digest_of(self._connection.files, path, size_bytes)
        limit_s = COMMAND_S + size_bytes / _DIGEST_BYTES_PER_S
        done = self.check(["sh", "-c", DIGEST_SCRIPT, "digest", path, str(size_bytes)], timeout_s=limit_s)
        return done.text.split(maxsplit=1)[0]

    def _not_begun(self, argv: Sequence[str], said: bytes, *, sudo: bool) -> RemoteError:
        complaint = Completed(0, b"", said).complaint
        if not sudo:
            return RemoteError(
                f"{self._name}: cannot run `{_shown(argv)}`: {complaint}. "
                "It takes sh, and setsid of util-linux, and a login shell that runs commands."
            )
        return SudoRefusedError(
            f"{self._name}: sudo does not run `{_shown(argv)}` for {self._user} without a password: {complaint}. "
            f"Allow it on the host with this line (visudo -f /etc/sudoers.d/fedprobe): "
            f"{self._user} ALL=(root) NOPASSWD: ALL"
        )


def _here(path: Path) -> End:
    files = LocalFiles(Path.cwd())
    digest: Callable[[str, int], str] = partial(digest_of, files)
    return End(files, str(path), digest)


def _shown(argv: Sequence[str]) -> str:
    """A command line as one line of a message, its end cut off where it is long."""
    text = " ".join(shlex.join(argv).split())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
