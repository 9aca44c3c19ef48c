"""A shell that does nothing and notes what it was asked for: what a dry run shows is what a trial's own code asks.

Commands succeed at once. What is asked of them is answered as a trial that goes well would have it.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from testbed.shell import Completed, RemoteFile

# read by whoever asked for a document of Flower's; nobody else looks at it
_ANSWER = b"""{"success": true, "run-id": "RUN", "node-id": "NODE", "runs": [{"status": "finished:completed"}]}\n"""
READY = "ready\n"


@dataclass(slots=True)
class RecordingShell:
    """A `testbed.shell.Shell` of a host; `lines` are what was asked, each as a line that a shell would take."""

    name: str
    lines: list[str] = field(default_factory=list)
    _started: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        sudo: bool = False,
    ) -> Completed:
        """Note a command; it succeeds."""
        match argv:
            case ["kill", signal, pid] if pid.isdigit():
                self.lines.append(f"kill {signal} PID  # {self._started[int(pid) - 1]}")
            case _:
                self.lines.append(command_line(argv, env=env, cwd=cwd, sudo=sudo))
        return Completed(0, _answer(argv), b"")

    def check(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        sudo: bool = False,
    ) -> Completed:
        """As `run`."""
        return self.run(argv, timeout_s=timeout_s, env=env, cwd=cwd, sudo=sudo)

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
        """Note a command that goes on; its pid is its place among those started here."""
        sent = f">{shlex.quote(stdout)} 2>{'&1' if stderr == stdout else shlex.quote(stderr)}"
        first = ["nice", "-n", str(nice)] if nice else []
        self.lines.append(f"{command_line([*first, *argv], env=env, cwd=cwd)} {sent} &")
        self._started.append(_program(argv))
        return len(self._started)

    def stop_group(self, pid: int, *, grace_s: float) -> None:
        """Note the end of what was started."""
        self.lines.append(f"kill -TERM -- -PID  # {self._started[pid - 1]}; KILL after {grace_s:g} s")

    def alive(self, pid: int) -> bool:
        """All that was started runs."""
        return True

    def get(self, remote: str, local: Path) -> None:
        """Note a file that is fetched."""
        self.lines.append(f"# fetch {remote}")

    def put(self, local: Path, remote: str) -> None:
        """Note a file that is copied there."""
        self.lines.append(f"# copy {local} to {remote}")

    def put_folder(self, local: Path, remote: str) -> None:
        """Note a folder that is copied there."""
        self.lines.append(f"# copy {local}/ to {remote}/")

    def listdir(self, remote: str) -> list[RemoteFile]:
        """Note a folder that is looked into to fetch what is there."""
        self.lines.append(f"# fetch {remote}/*")
        return []

    def write_text(self, remote: str, text: str) -> None:
        """Note a file that is written; what is in it may be a secret."""
        self.lines.append(f"# write {remote} ({len(text.encode())} bytes)")

    def read_bytes(self, remote: str, *, offset: int = 0) -> bytes:
        """Nothing is there yet."""
        return b""

    def read_text(self, remote: str) -> str:
        """What a program says that is ready."""
        return READY


def command_line(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None, sudo: bool = False
) -> str:
    """A command as one line for bash: quoted, after its environment, its folder and sudo."""
    words = [f"{name}={_quoted(value)}" for name, value in (env or {}).items()]
    words += (["sudo", "-n"] if sudo else []) + [_quoted(word) for word in argv]
    return (f"cd {_quoted(cwd)} && " if cwd else "") + " ".join(words)


def _quoted(word: str) -> str:
    if "\n" not in word:
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"$'{escaped}'"


def _answer(argv: Sequence[str]) -> bytes:
    match argv:
        case ["sh", "-c", _, _, program, *_] if posixpath.basename(program) == "flwr":
            return _ANSWER
        case ["sh", "-c", *_]:
            return b""
        case ["ip", *_]:
            return b"[]" if "-j" in argv else b""
    return _ANSWER


def _program(argv: Sequence[str]) -> str:
    """What of a command says which process it is: what comes after `--`, else its module."""
    words = list(argv)
    if "--" in words:
        return words[words.index("--") + 1]
    return words[words.index("-m") + 1] if "-m" in words else words[0]
