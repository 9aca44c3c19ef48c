"""Finds the processes of a testbed in /proc, and ends them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from instrument.clock import SystemClock, sleep_s
from testbed.emulation import namespaces, programs
from testbed.emulation.addresses import namespace_prefix
from testbed.errors import EmulationError

_PROC = Path("/proc")
_END_TIMEOUT_S = 10.0
_POLL_S = 0.005
_STATE_FIELD, _START_FIELD = 0, 19  # in what follows the name in /proc/PID/stat, see proc(5)


def start_ticks(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None: there is no such process, or only its remains."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[_STATE_FIELD] in "ZX" else int(fields[_START_FIELD])


def boot_id() -> str:
    """Which boot of this machine this is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def of_testbed(testbed_id: str) -> list[int]:
    """The living processes of a testbed: marked by their environment, or inside one of its namespaces."""
    names = namespaces.names(namespace_prefix(testbed_id))
    inside = {found for name in names if (found := namespaces.identity(name)) is not None}
    mark = f"{programs.TESTBED_VARIABLE}={testbed_id}".encode()
    return [pid for pid in _pids() if start_ticks(pid) is not None and _belongs(pid, inside, mark)]


def end_all(testbed_id: str) -> None:
    """Kill every process of a testbed and wait until none is left. Raises EmulationError."""
    clock = SystemClock()
    deadline_ns = clock.mono_ns() + int(_END_TIMEOUT_S * 1e9)
    ended: set[int] = set()
    while found := of_testbed(testbed_id):
        if clock.mono_ns() > deadline_ns:
            raise EmulationError(
                f"processes {found} of testbed {testbed_id} do not end. Look at them: ps -fp {found[0]}"
            )
        _kill(set(found) - _parents_of_namespaces())
        ended.update(found)
        sleep_s(_POLL_S)
    _bury(ended)


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _parents_of_namespaces() -> set[int]:
    """Each `unshare` whose host is not buried yet: it does that and ends, and killed before, it leaves a zombie."""
    return {parent for pid in _pids() if (parent := _parent_of_namespace(pid)) is not None}


def _parent_of_namespace(pid: int) -> int | None:
    try:
        lines = (_PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    fields = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
    ids = fields.get("NSpid", [])
    return int(fields["PPid"][0]) if len(ids) > 1 and ids[-1] == "1" else None


def _bury(pids: set[int]) -> None:
    """Take the exit status of those that this process started: nobody else can."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _pids() -> Iterator[int]:
    return (int(path.name) for path in _PROC.iterdir() if path.name.isdigit() and int(path.name) != os.getpid())


def _belongs(pid: int, inside: set[int], mark: bytes) -> bool:
    folder = _PROC / str(pid)
    try:
        if (folder / "ns/net").stat().st_ino in inside:
            return True
        return mark in (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
