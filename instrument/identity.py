"""Who is measuring: host, role of this process, when it was started, under which conditions."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from instrument.clock import SystemClock, boottime_minus_monotonic_ns, this_clock
from instrument.records import SCHEMA_VERSION, Segment
from instrument.redaction import recorded_argv, recorded_settings

ROLES = (
    "flower-superlink",
    "flower-supernode",
    "flower-superexec",
    "flwr-serverapp",
    "flwr-clientapp",
    "flwr-simulation",
)
VERSIONED = ("flwr", "httpx", "uvicorn", "numpy", "torch", "fedprobe")


def role_of(argv: Sequence[str]) -> str | None:
    """Which Flower process a command line starts, None where it is none of them."""
    for word in argv[:3]:
        name = Path(word).name
        if name in ROLES:
            return name
    return None


def host_name(environment: Mapping[str, str]) -> str:
    """The host's name in records: FEDPROBE_HOST where set, else the kernel's."""
    return environment.get("FEDPROBE_HOST") or socket.gethostname()


def segment_header(role: str, environment: Mapping[str, str], argv: Sequence[str]) -> Segment:
    """The header of this process's spool file."""
    clock = SystemClock()
    return Segment(
        schema_version=SCHEMA_VERSION,
        host=host_name(environment),
        role=role,
        pid=os.getpid(),
        parent_pid=os.getppid(),
        clock=str(this_clock()),
        mono_ns=clock.mono_ns(),
        wall_ns=clock.wall_ns(),
        exec_mono_ns=exec_mono_ns(),
        trial=environment.get("FEDPROBE_TRIAL", ""),
        nice=os.getpriority(os.PRIO_PROCESS, 0),
        autogroup=autogroup(),
        run_queue_wait_ns=run_queue_wait_ns(),
        scheduler={0: "other", 1: "fifo", 2: "rr", 3: "batch", 5: "idle"}.get(os.sched_getscheduler(0), "unknown"),
        argv=recorded_argv(argv, ROLES),
        versions=versions(),
        settings=recorded_settings(environment),
    )


def exec_mono_ns() -> int:
    """When this process was started, on the monotonic clock; resolution one kernel tick (10 ms).

    Source: proc_pid_stat(5), field 22, clock ticks of CLOCK_BOOTTIME in the reader's time namespace.
    """
    try:
        after_name = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
        ticks = int(after_name.split()[19])
    except (OSError, ValueError, IndexError):
        return SystemClock().mono_ns()
    kernel_ns = ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK") - boottime_minus_monotonic_ns()
    return SystemClock().of_kernel_ns(kernel_ns)


def autogroup() -> str:
    """This process's autogroup and its nice value, such as "/autogroup-93 nice -5"; empty where there is none.

    Source: sched(7).
    """
    try:
        return Path("/proc/self/autogroup").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def run_queue_wait_ns(pid: int | str = "self") -> int | None:
    """Nanoseconds a process's main thread was runnable but not running, since its fork; an exec does not reset them.

    None where the kernel does not tell: it has no such file, or keeps no counts and shows three zeros (the third is
    how often the thread ran, which a thread that is asked has done). Costs 5 us: no Path, no buffered file.
    Source: Documentation/scheduler/sched-stats.rst, second field of /proc/PID/schedstat.
    """
    try:
        file = os.open(f"/proc/{pid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _, waited, ran = os.read(file, 100).split()
        finally:
            os.close(file)
        return int(waited) if int(ran) else None
    except (OSError, ValueError):
        return None


def run_queue_wait_s(pid: int | str = "self") -> float | None:
    """The same in seconds."""
    waited_ns = run_queue_wait_ns(pid)
    return None if waited_ns is None else waited_ns / 1e9


def versions() -> dict[str, str]:
    """Versions of what shapes a measurement; a package that is not installed is left out."""
    found = {"python": ".".join(map(str, sys.version_info[:3])), "kernel": os.uname().release}
    return found | {name: version for name in VERSIONED if (version := package_version(name))}


def package_version(name: str) -> str | None:
    """As `importlib.metadata.version`, which reads all of METADATA, licences too, as an e-mail: 0.8 ms each.

    None where the package is not installed. Source: PyPA, "Core metadata specifications": a `Version` header.
    """
    try:
        lines = (metadata.distribution(name).read_text("METADATA") or "").splitlines()
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("Version:")), None)
    except metadata.PackageNotFoundError:
        return None


def command_line() -> list[str]:
    """The command line of this process, known even before `sys.argv` is set."""
    return list(sys.orig_argv)
