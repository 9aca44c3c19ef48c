"""What a fault does on the host where it is applied, and how it is undone. Standard library alone: it runs on nodes.

Each action is made from the mapping that `testbed.faults.orders` wrote; `apply` returns what was done, in words, and
raises MissedError where there was nothing to do it to.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from instrument.clock import kernel_mono_ns
from instrument.clock_step import clear_step, set_step
from testbed.faults.arrivals import arrivals, datagrams
from testbed.faults.processes_of import found

MARK = "FEDPROBE_FAULT"  # in the environment of what carries faults out, so that what a killed run left is found
COMMAND_S = 20.0
DISCARD_PORT = 9  # RFC 863: nobody answers
BALLAST = "fedprobe-ballast"
SMALL_DISK = "fedprobe-fault"  # the name of the mount: what a killed run left is known by it
LARGEST_DISK_BYTES = 300_000_000
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_WRITE_BYTES = 65536
_LOOK_S = 0.02


class MissedError(Exception):
    """There was nothing to apply the fault to, or the host refused it."""


class Action(Protocol):
    """One thing that can be done and undone. `undone_when_told`: also where the trial ends before its time is up."""

    undone_when_told: bool

    def apply(self, told: threading.Event) -> str:
        """Do it. Raises MissedError."""
        ...

    def undo(self) -> str | None:
        """Undo it; None: nothing was to undo."""
        ...


class Signals:
    """Sends a signal to processes of the trial, and another one at the end."""

    undone_when_told = True

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._roles = set(asked["roles"])
        self._trial = str(asked["trial"])
        self._spool = Path(asked["spool"])
        self._number = signal.Signals(asked["signal"])
        self._undo = signal.Signals(asked["undo_signal"]) if asked.get("undo_signal") else None
        self._wait_s = float(asked["wait_s"])
        self._sent: dict[int, str] = {}

    def apply(self, told: threading.Event) -> str:
        """Send it to every process of these roles, as soon as there is one. Raises MissedError where none comes."""
        polls = int(self._wait_s / _LOOK_S)
        while not (there := found(self._trial, self._roles, self._spool)):
            polls -= 1
            if polls < 0 or told.wait(_LOOK_S):
                raise MissedError(f"no process of {', '.join(sorted(self._roles))} ran")
        self._sent = _sent(self._number, there)
        if not self._sent:
            raise MissedError(f"{', '.join(sorted(set(there.values())))} ended by itself at that moment")
        return f"{self._number.name} to {_named(self._sent)}"

    def undo(self) -> str | None:
        """Send the other signal, where there is one."""
        return None if self._undo is None else f"{self._undo.name} to {_named(_sent(self._undo, self._sent))}"


class Churn:
    """Kills a SuperNode with all that it started; undoing starts a new one, which is what joining is."""

    undone_when_told = False

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._leaving = Signals(asked)
        self._start: Mapping[str, Any] = asked["start"]

    def apply(self, told: threading.Event) -> str:
        """The node leaves."""
        return self._leaving.apply(told)

    def undo(self) -> str | None:
        """The node joins."""
        with Path(self._start["log"]).open("ab") as log:
            process = subprocess.Popen(
                self._start["argv"],
                env={**{key: text for key, text in os.environ.items() if key != MARK}, **self._start["env"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return f"started SuperNode {process.pid}"


class Commands:
    """Runs commands, and others to undo them: a link's."""

    undone_when_told = True

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._apply: Sequence[Mapping[str, Any]] = asked["apply"]
        self._undo: Sequence[Mapping[str, Any]] = asked["undo"]
        self._words = str(asked["words"])

    def apply(self, told: threading.Event) -> str:
        """All of them, or none: where one fails, those before it are undone."""
        del told
        for number, one in enumerate(self._apply):
            if complaint := _complaint(one):
                for other in self._undo[len(self._undo) - number :]:
                    _complaint(other)
                raise MissedError(complaint)
        return self._words

    def undo(self) -> str | None:
        """All of them, whichever fails. Raises OSError with the complaints."""
        if complaints := [complaint for one in self._undo if (complaint := _complaint(one))]:
            raise OSError("; ".join(complaints))
        return "undone"


class Settings:
    """Lowers numbers that kernel files hold to a part of what they were: a limit, a frequency."""

    undone_when_told = True

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._pattern = str(asked["files"])
        self._ratio = float(asked["ratio"])
        self._least = int(asked["least"])
        self._before: dict[str, str] = {}

    def apply(self, told: threading.Event) -> str:
        """Write, and read back. Raises MissedError, with everything as it was."""
        del told
        files = sorted(glob.glob(self._pattern))  # noqa: PTH207 the pattern is absolute
        if not files:
            raise MissedError(f"this host has no {self._pattern}")
        try:
            for file in files:
                self._lower(file)
        except (OSError, MissedError) as error:
            self.undo()
            raise MissedError(str(error)) from error
        return f"{self._ratio:g} of {', '.join(sorted(set(self._before.values())))} in {self._pattern}"

    def undo(self) -> str | None:
        """Write back what was there."""
        for file, text in self._before.items():
            Path(file).write_text(text, encoding="ascii")
        return f"as before: {', '.join(sorted(set(self._before.values())))}"

    def _lower(self, file: str) -> None:
        before = Path(file).read_text(encoding="ascii").strip()
        lowered = self._lowered(before, file)
        self._before[file] = before
        Path(file).write_text(lowered, encoding="ascii")
        there = Path(file).read_text(encoding="ascii").strip()
        if there == before:
            raise MissedError(f"{file} stays {before}, asked {lowered}")

    def _lowered(self, before: str, file: str) -> str:
        first, *rest = before.split()
        if not first.isdigit():
            raise MissedError(f"{file} holds {before!r}: there is no limit to lower")
        return " ".join([str(max(self._least, round(int(first) * self._ratio))), *rest])


class Step:
    """Steps the injected clock of this host."""

    undone_when_told = False  # with the trial its file is gone too; a step back in between would be another fault

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._file = Path(asked["file"])
        self._mono_ns, self._wall_ns = int(asked["mono_ns"]), int(asked["wall_ns"])

    def apply(self, told: threading.Event) -> str:
        """As of now."""
        del told
        if not self._file.exists():
            raise MissedError(f"{self._file} is gone")
        set_step(self._file, from_ns=kernel_mono_ns(), mono_ns=self._mono_ns, wall_ns=self._wall_ns)
        which = "monotonic" if self._mono_ns else "wall"
        return f"the injected {which} clock by {(self._mono_ns or self._wall_ns) / 1e6:+g} ms"

    def undo(self) -> str | None:
        """Step back."""
        clear_step(self._file)
        return "stepped back"


class SmallDisk:
    """Puts a small tmpfs over a folder; undoing keeps what is in it and takes it away."""

    undone_when_told = True

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._folder = Path(asked["folder"])
        self._bytes = int(asked["bytes"])

    def apply(self, told: threading.Event) -> str:
        """Mount it. Raises MissedError."""
        del told
        options = f"size={self._bytes},mode=0777"
        command = ["mount", "-t", "tmpfs", "-o", options, SMALL_DISK, str(self._folder)]
        if complaint := _complaint({"argv": command}):
            raise MissedError(complaint)
        return f"a disk of {self._bytes} bytes at {self._folder}"

    def undo(self) -> str | None:
        """Copy what is in it beside it, let it go, and put the copies where they were. Raises OSError."""
        kept = self._folder.with_name(f"{self._folder.name}.kept")
        kept.mkdir(exist_ok=True)
        files = [file for file in self._folder.iterdir() if file.is_file() and file.name != BALLAST]
        for file in files:
            shutil.copy2(file, kept / file.name)
        if complaint := _complaint({"argv": ["umount", "-l", str(self._folder)]}):
            raise OSError(complaint)
        for file in files:
            (kept / file.name).replace(self._folder / file.name)
        kept.rmdir()
        return f"taken away, {len(files)} files kept"


class Fill:
    """Fills a small disk of its own to the last byte: never another one."""

    undone_when_told = True

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._file = Path(asked["folder"]) / BALLAST

    def apply(self, told: threading.Event) -> str:
        """Write until nothing more goes in. Raises MissedError where the folder is no small disk."""
        del told
        folder = self._file.parent
        size = shutil.disk_usage(folder).total
        if not os.path.ismount(folder) or size > LARGEST_DISK_BYTES:
            raise MissedError(f"{folder} is no small disk of its own, and nothing else is ever filled")
        written = 0
        file = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for chunk in (_WRITE_BYTES, 512, 1):
                with _until_full():
                    while True:
                        written += os.write(file, bytes(chunk))
        finally:
            os.close(file)
        return f"{written} bytes, until the disk of {size} was full"

    def undo(self) -> str | None:
        """Make room."""
        self._file.unlink(missing_ok=True)
        return "room again"


class Load:
    """Busy processes; each ends by itself too, should nobody end it."""

    undone_when_told = True

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._count = int(asked["processes"])
        self._limit_s = int(asked["limit_s"])
        self._running: list[subprocess.Popen[bytes]] = []

    def apply(self, told: threading.Event) -> str:
        """Start them."""
        del told
        code = f"import signal\nsignal.alarm({self._limit_s})\nwhile True: pass"
        self._running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(self._count)]
        return f"{self._count} busy processes"

    def undo(self) -> str | None:
        """End them."""
        for process in self._running:
            process.kill()
            process.wait()
        return "ended"


class Traffic:
    """Sends datagrams by a trace of arrivals from a thread of its own."""

    undone_when_told = True

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._address = (str(asked["address"]), DISCARD_PORT)
        self._source = str(asked["source"])
        self._trace = arrivals(Path(asked["trace"]).read_text(encoding="ascii").splitlines(), "trace")
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._datagrams = self._bytes = self._refused = 0

    def apply(self, told: threading.Event) -> str:
        """Begin the trace."""
        del told
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()
        return f"{len(self._trace)} arrivals to {self._address[0]}"

    def undo(self) -> str | None:
        """End it, and say what was sent."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        refused = f", {self._refused} refused by this host" if self._refused else ""
        return f"sent {self._bytes} bytes in {self._datagrams} datagrams{refused}"

    def _send(self) -> None:
        begun_ns = kernel_mono_ns()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
            outward.bind((self._source, 0))
            for one in self._trace:
                if self._ended.wait(max(0.0, one.after_s - (kernel_mono_ns() - begun_ns) / 1e9)):
                    return
                for size in datagrams(one.size_bytes):
                    try:
                        outward.sendto(bytes(size), self._address)
                    except OSError:
                        self._refused += 1
                        continue
                    self._datagrams, self._bytes = self._datagrams + 1, self._bytes + size


ACTIONS: Mapping[str, Callable[[Mapping[str, Any]], Action]] = {
    "signals": Signals,
    "churn": Churn,
    "commands": Commands,
    "settings": Settings,
    "step": Step,
    "small-disk": SmallDisk,
    "fill": Fill,
    "load": Load,
    "traffic": Traffic,
}


def _sent(number: signal.Signals, processes: Mapping[int, str]) -> dict[int, str]:
    done = {}
    for pid, role in processes.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            done[pid] = role
    return done


def _named(processes: Mapping[int, str]) -> str:
    return ", ".join(f"{role} {pid}" for pid, role in sorted(processes.items())) or "nobody"


def _complaint(command: Mapping[str, Any]) -> str:
    """Runs a command; what it complains about, empty where it succeeds."""
    argv = command["argv"]
    try:
        done = subprocess.run(
            argv,
            input=command.get("input", ""),
            env={**os.environ, "PATH": _SEARCH_PATH},
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"`{' '.join(argv)}`: {error}"
    return f"`{' '.join(argv)}`: {done.stderr.strip() or 'no message'}" if done.returncode else ""


@contextlib.contextmanager
def _until_full() -> Any:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
