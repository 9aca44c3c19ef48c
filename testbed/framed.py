"""A command between two marks, which give back exactly what it wrote and how it ended.

Neither SSH's exit status nor the end of a stream tells enough: every status from 0 to 255 may be the command's own, a
host's start-up files may write to both streams first, and what the command left in the background keeps them open.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from testbed.remote_scripts import RUN_SCRIPT, SUDO_SCRIPT

TIMEOUT = "timeout"
"""How a command ended that the host's guard ended."""
FOLDER = "folder"
"""How a command ended whose folder could not be entered: it never began."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands before and after a command's output, in the two halves that the host gets."""

    first: str
    second: str

    def __bytes__(self) -> bytes:
        return (self.first + self.second).encode("ascii")


def new_mark() -> Mark:
    """A mark that no output contains: 128 random bits."""
    return Mark(secrets.token_hex(8), secrets.token_hex(8))


def framed(
    argv: Sequence[str],
    mark: Mark,
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    sudo: bool = False,
) -> list[str]:
    """The command line that runs `argv` between marks. Raises ValueError for what no command line can hold. Pure."""
    made = ["sh", "-c", RUN_SCRIPT, "fedprobe", mark.first, mark.second, f"{timeout_s:.3f}", folder_word(cwd)]
    made += with_environment(argv, env)
    if sudo:
        made = ["sh", "-c", SUDO_SCRIPT, "fedprobe", *made]
    if any("\0" in word for word in made):
        raise ValueError("a NUL character cannot be part of a command line or its environment")
    return made


def folder_word(cwd: str | None) -> str:
    """A folder as `cd --` takes it for what it is: no `-` that goes back, nothing looked up in CDPATH. Pure."""
    return cwd if cwd and cwd.startswith("/") else f"./{cwd or ''}"


def with_environment(argv: Sequence[str], env: Mapping[str, str] | None) -> list[str]:
    """The arguments of `env --` that run a command with more variables. Raises ValueError. Pure."""
    if not argv:
        raise ValueError("a command needs at least the name of its program")
    for name in env or {}:
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an environment variable")
    # `env` would take a program's name with an equals sign for one more variable
    command = ["nice", "-n", "0", "--", *argv] if "=" in argv[0] else argv
    return [*(f"{name}={value}" for name, value in (env or {}).items()), *command]


class Frame:
    """One stream of a command, as it arrives."""

    def __init__(self, mark: Mark) -> None:
        self._mark = bytes(mark)
        self._received = bytearray()
        self._start: int | None = None
        self._end: int | None = None
        self._searched = 0
        self.ending: str | None = None

    @property
    def begun(self) -> bool:
        """Whether the first mark has arrived: the host runs the command."""
        return self._start is not None

    @property
    def content(self) -> bytes:
        """What the command wrote; before the first mark, what the host wrote in its place."""
        return bytes(self._received[self._start : self._end])

    def feed(self, block: bytes) -> bool:
        """Take the next bytes. Returns whether the stream is whole: `ending` is then what stands beside its mark."""
        self._received += block
        if self._start is None and (at := self._find(self._mark + b"\n")) is not None:
            self._start = self._searched = at + len(self._mark) + 1
        if self._start is not None and self._end is None:
            self._end = self._find(self._mark)
        if self._end is not None and self.ending is None:
            line, newline, _ = self._received[self._end + len(self._mark) :].partition(b"\n")
            if newline:
                self.ending = line.decode("ascii").strip()
        return self.ending is not None

    def _find(self, what: bytes) -> int | None:
        at = self._received.find(what, self._searched)
        if at < 0:
            self._searched = max(self._searched, len(self._received) - len(what) + 1)
            return None
        return at
