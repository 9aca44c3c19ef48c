"""What a fault does on the host where it is applied, and how it is undone. Standard library alone: it runs on nodes.

Each action is made from the mapping that `testbed.faults.orders` wrote; `apply` returns what was done, in words, and
raises MissedError where there was nothing to do it to.
"""

from __future__ import annotations

import glob
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from instrument.clock import kernel_mono_ns
from instrument.clock_step import clear_step, set_step
from testbed.faults.action import Action, MissedError, complaint
from testbed.faults.arrivals import arrivals, datagrams
from testbed.faults.disks import Fill, SmallDisk
from testbed.faults.signals import Churn, Load, Signals

DISCARD_PORT = 9  # RFC 863: nobody answers


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
            if said := complaint(one):
                for other in self._undo[len(self._undo) - number :]:
                    complaint(other)
                raise MissedError(said)
        return self._words

    def undo(self) -> str | None:
        """All of them, whichever fails. Raises OSError with the complaints."""
        if complaints := [said for one in self._undo if (said := complaint(one))]:
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
