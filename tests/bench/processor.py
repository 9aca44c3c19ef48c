"""Processor seconds of Flower's processes, read from /proc by a process that is none of them.

Source: proc_pid_stat(5), fields 14 to 17: utime, stime, and those of the children that were waited for.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# the kernel keeps fifteen characters of a name
ROLES = {
    "flower-superlin": "SuperLink",
    "flower-supernod": "SuperNode",
    "flower-superexe": "SuperExec",
    "flwr-serverapp": "ServerApp",
    "flwr-clientapp": "ClientApp",
}


class Process(NamedTuple):
    """One process, or one that has ended and not been waited for."""

    name: str
    parent: int
    own_ticks: int
    children_ticks: int


def roots(trial: str) -> list[int]:
    """The SuperLink and the SuperNode whose environment names this trial."""
    mark = f"FEDPROBE_TRIAL={trial}".encode()
    return [
        pid
        for pid, process in _processes().items()
        if process.name in {"flower-superlin", "flower-supernod"} and mark in _environment(pid)
    ]


def seconds_by_role(started: Sequence[int]) -> dict[str, float]:
    """Processor seconds until now of these processes and all below them, by role.

    What a SuperExec waited for is what it starts: the ServerApp below a SuperLink, ClientApps below a SuperNode.
    """
    processes = _processes()
    children = defaultdict(list)
    for pid, process in processes.items():
        children[process.parent].append(pid)
    ticks: dict[str, int] = defaultdict(int)
    for root in started:
        below_node = root in processes and processes[root].name == "flower-supernod"
        found = [root]
        while found:
            pid = found.pop()
            found += children[pid]
            if process := processes.get(pid):
                role = ROLES.get(process.name, process.name)
                role = f"{role} of the {'node' if below_node else 'server'}" if role == "SuperExec" else role
                ticks[role] += process.own_ticks
                ticks["ClientApp" if below_node else "ServerApp"] += process.children_ticks
    return {role: count / _TICKS_PER_S for role, count in ticks.items()}


def _processes() -> dict[int, Process]:
    found = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 (a list of names, twenty times a second)
        if entry.isdigit() and (text := _read(Path("/proc") / entry / "stat")):
            name, _, rest = text.decode(errors="replace").partition("(")[2].rpartition(")")
            fields = rest.split()
            user, system, children_user, children_system = map(int, fields[11:15])
            found[int(entry)] = Process(name, int(fields[1]), user + system, children_user + children_system)
    return found


def _environment(pid: int) -> list[bytes]:
    return _read(Path(f"/proc/{pid}/environ")).split(b"\0")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""
