"""The host's Flower processes: processor, memory, disk, sockets, and the wait for a processor.

A host is a network namespace here: on an emulated testbed many hosts share one machine and its process table.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from collectors.protocol import Reading, Site
from instrument.identity import role_of, run_queue_wait_s
from instrument.metrics import checked

# a young process may yet exec something else, as the launcher does: for so many ticks it is looked at again
SETTLING_TICKS = 10
# the kernel walks its whole hash of sockets for /proc/net/tcp, 7 ms where it has 262144 buckets: not at every tick
CONNECTIONS_EVERY_TICKS = 10


@dataclass(slots=True)
class _Sighting:
    """A process seen before: its role (None: not one of Flower's here), and for how many ticks it was seen."""

    role: str | None
    ticks: int
    process: psutil.Process | None


class FlowerProcesses:
    """One reading a tick for each Flower process, subject "role:pid", and their number, subject "all".

    Connections are counted at the first tick and every tenth, and left out of the readings between.
    Command lines are remembered by pid, so that a tick costs little on a host with hundreds of processes.
    """

    def __init__(self, site: Site) -> None:
        del site  # every poller is made alike
        self._seen: dict[int, _Sighting] = {}
        self._ticks = 0
        self._namespace = _network_namespace("self")

    def read(self) -> Iterable[Reading]:
        """The readings, each made when it is asked for; a process that ends meanwhile has none."""
        self._look()
        count_now = self._ticks % CONNECTIONS_EVERY_TICKS == 0
        established = _established_sockets() if count_now else None
        self._ticks += 1
        count = 0
        for pid, sighting in self._seen.items():
            if sighting.role is None or sighting.process is None:
                continue
            values = _values(sighting.process, established)
            if values:
                count += 1
                yield Reading(f"{sighting.role}:{pid}", checked(values))
        yield Reading("all", checked({"process_count": count}))

    def _look(self) -> None:
        before, self._seen = self._seen, {}
        for pid in psutil.pids():
            sighting = before.get(pid)
            if sighting is None:
                sighting = _Sighting(self._role(pid), 0, None)
            elif sighting.ticks < SETTLING_TICKS:
                sighting.role = self._role(pid)
            sighting.ticks += 1
            if sighting.role is not None and sighting.process is None:
                sighting.process = _process(pid)
            self._seen[pid] = sighting

    def _role(self, pid: int) -> str | None:
        role = role_of(_command_line(pid))
        if role is None or self._namespace != (_network_namespace(pid) or self._namespace):
            return None
        return role


def _values(process: psutil.Process, established: Set[str] | None) -> dict[str, int | float]:
    """What this process lets itself be asked; empty when it has ended. I/O of another user's process is left out."""
    values: dict[str, int | float] = {}
    try:
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:  # SuperNodes leave ended ClientApps unreaped for a while
                return {}
            times = process.cpu_times()
            values["process_cpu_time_s"] = float(times.user + times.system)
            values["process_memory_rss_bytes"] = process.memory_info().rss
        wait_s = run_queue_wait_s(process.pid)
        if wait_s is not None:
            values["process_run_queue_wait_s"] = wait_s
        values.update(_needing_permission(process, established))
    except psutil.NoSuchProcess:
        return {}
    return values


def _needing_permission(process: psutil.Process, established: Set[str] | None) -> dict[str, int]:
    try:
        io = process.io_counters()
        connections = (
            {} if established is None else {"process_connections": len(_open_files(process.pid) & established)}
        )
    except (psutil.AccessDenied, OSError):
        return {}
    return {
        "process_disk_read_bytes": io.read_bytes,
        "process_disk_write_bytes": io.write_bytes,
        "process_io_read_bytes": io.read_chars,
        "process_io_write_bytes": io.write_chars,
        **connections,
    }


def _established_sockets() -> set[str]:
    """Names, as under /proc/PID/fd, of this namespace's established TCP sockets.

    Read once for all processes: psutil parses the same tables again for each of them.
    Source: Documentation/networking/proc_net_tcp.rst: the fourth field is the state, the tenth the inode.
    """
    names = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()
        except OSError:  # a kernel without IPv6
            continue
        rows = (line.split() for line in lines[1:])
        names |= {f"socket:[{row[9]}]" for row in rows if row[3] == "01"}
    return names


def _open_files(pid: int) -> set[str]:
    """What a process's descriptors point to. Raises PermissionError for another user's process."""
    names = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 (a Path for each would double the time)
        with suppress(FileNotFoundError):
            names.add(os.readlink(f"/proc/{pid}/fd/{descriptor}"))  # noqa: PTH115
    return names


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _command_line(pid: int) -> list[str]:
    """Words of a command line; empty for a kernel thread and for a process that has ended.

    Source: proc_pid_cmdline(5).
    """
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return text.decode(errors="replace").rstrip("\0").split("\0")


def _network_namespace(pid: int | str) -> str | None:
    """Name of a process's network namespace, None where it may not be known."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")  # noqa: PTH115
    except OSError:
        return None
