"""Faults of processes: those of the trial are ended or stopped, others keep the processor busy. Runs on nodes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.faults.action import MARK, MissedError
from testbed.faults.processes_of import found

_LOOK_S = 0.02


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


def _sent(number: signal.Signals, processes: Mapping[int, str]) -> dict[int, str]:
    done = {}
    for pid, role in processes.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            done[pid] = role
    return done


def _named(processes: Mapping[int, str]) -> str:
    return ", ".join(f"{role} {pid}" for pid, role in sorted(processes.items())) or "nobody"
