"""Processor time of programs that are not the campaign's: what else the machine did while it was measured.

The campaign's are Flower's processes and all of fedprobe's: its variables are in their environment, or its name is in
their command line. So is sshd, by which the campaign comes to its hosts. Kernel threads are nobody's program.
What a program used between its last reading and its end is missed, as is one that lived between two readings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from collectors.protocol import Reading, Site
from instrument.identity import role_of
from instrument.metrics import checked

EVERY_TICKS = 3  # every process is asked: about 2 ms for a hundred of them, on a core of a server
SETTLING_LOOKS = 3  # a young process may yet exec something else, and with another environment
NAMED = 3  # so many programs are told one by one
KERNEL_THREAD = 0x00200000  # PF_KTHREAD of include/linux/sched.h
MARKS = (b"FEDPROBE_TRIAL=", b"FEDPROBE_HOST=", b"FEDPROBE_TESTBED=")
OWN_PROGRAMS = ("fedprobe", "flwr")
OWN_MODULES = ("testbed", "collectors")
LOGIN_SERVERS = ("sshd", "sshd-session", "sshd-auth")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """What /proc/PID/stat tells of a process; `cpu_s` is user and system time, cumulative.

    An ended process that nobody has waited for yet has neither command line nor environment.
    """

    name: str
    ended: bool
    kernel_thread: bool
    cpu_s: float
    start_ticks: int


@dataclass(slots=True)
class _Sighting:
    """A process seen before, in how many looks, and what it used since it was first seen."""

    is_other: bool
    start_ticks: int
    name: str
    cpu_s: float
    looks: int = 1
    used_s: float = 0.0


class OtherPrograms:
    """At every third tick one reading of them all, subject "all", and one of each that used most, "name:pid".

    All that is counted is since the first reading; a process that began later is counted whole.
    """

    def __init__(self, site: Site | None = None, *, every_ticks: int = EVERY_TICKS) -> None:
        del site  # every poller is made alike
        self._every_ticks = every_ticks
        self._seen: dict[int, _Sighting] = {}
        self._used_s = 0.0
        self._is_first = True
        self._ticks = 0
        self._processors = psutil.cpu_count() or 1

    def read(self) -> Iterable[Reading]:
        """The readings, the first of which is zero; none at the ticks between."""
        self._ticks += 1
        if (self._ticks - 1) % self._every_ticks:
            return
        before, self._seen = self._seen, dict(self._look())
        self._used_s += sum(
            one.used_s - (before[pid].used_s if pid in before and before[pid].start_ticks == one.start_ticks else 0.0)
            for pid, one in self._seen.items()
            if one.is_other
        )
        self._is_first = False
        values = {"system_cpu_logical_count": self._processors, "other_cpu_time_s": self._used_s}
        yield Reading("all", checked(values))
        others = [(pid, one) for pid, one in self._seen.items() if one.is_other and one.used_s > 0]
        for pid, one in sorted(others, key=lambda item: -item[1].used_s)[:NAMED]:
            yield Reading(f"{one.name}:{pid}", checked({"other_cpu_time_s": one.used_s}))

    def _look(self) -> Iterator[tuple[int, _Sighting]]:
        for pid in psutil.pids():
            sighting = self._seen.get(pid)
            if sighting is not None and sighting.looks >= SETTLING_LOOKS and not sighting.is_other:
                yield pid, sighting
                continue
            found = process_stat(pid)
            if found is None:
                continue
            if sighting is None or sighting.start_ticks != found.start_ticks:
                used_s = 0.0 if self._is_first else found.cpu_s
                yield pid, _Sighting(_is_other(pid, found), found.start_ticks, found.name, found.cpu_s, used_s=used_s)
                continue
            yield pid, self._followed(pid, sighting, found)

    def _followed(self, pid: int, sighting: _Sighting, found: ProcessStat) -> _Sighting:
        is_settled = found.ended or sighting.looks >= SETTLING_LOOKS
        is_other = sighting.is_other if is_settled else _is_other(pid, found)
        return _Sighting(
            is_other,
            found.start_ticks,
            found.name,
            found.cpu_s,
            looks=sighting.looks + 1,
            used_s=sighting.used_s + max(0.0, found.cpu_s - sighting.cpu_s),
        )


def process_stat(pid: int) -> ProcessStat | None:
    """A process's own account; None where it has ended. No Path and no buffered file: it is asked of every process.

    Source: proc_pid_stat(5), fields 3 (state), 9 (flags), 14 and 15 (utime, stime in clock ticks), 22 (starttime).
    """
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(file, 1024)
        finally:
            os.close(file)
        before, _, after = text.rpartition(b")")
        fields = after.split()
        return ProcessStat(
            name=before.partition(b"(")[2].decode(errors="replace"),
            ended=fields[0] in b"ZX",
            kernel_thread=bool(int(fields[6]) & KERNEL_THREAD),
            cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
            start_ticks=int(fields[19]),
        )
    except (OSError, ValueError, IndexError):
        return None


def _is_other(pid: int, found: ProcessStat) -> bool:
    if found.ended or found.kernel_thread or found.name in LOGIN_SERVERS:
        return False
    return not is_the_campaigns(_words(pid, "cmdline"), _words(pid, "environ"))


def is_the_campaigns(command_line: list[bytes], environment: list[bytes]) -> bool:
    """Whether a process is one of Flower's or of fedprobe's, by its command line and environment."""
    if any(variable.startswith(MARKS) for variable in environment):
        return True
    words = [word.decode(errors="replace") for word in command_line]
    if role_of(words) is not None or any(Path(word).name in OWN_PROGRAMS for word in words[:3]):
        return True
    return "-m" in words[:-1] and words[words.index("-m") + 1].split(".")[0] in OWN_MODULES


def _words(pid: int, file: str) -> list[bytes]:
    """Command line or environment; empty for what has ended and, of the environment, for another user's process.

    Source: proc_pid_cmdline(5), proc_pid_environ(5).
    """
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return []
