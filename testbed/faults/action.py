"""What every action of a fault has in common. Standard library alone: it runs on nodes."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping
from typing import Any, Protocol

MARK = "FEDPROBE_FAULT"  # in the environment of what carries faults out, so that what a killed run left is found
COMMAND_S = 20.0
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


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


def complaint(command: Mapping[str, Any]) -> str:
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
