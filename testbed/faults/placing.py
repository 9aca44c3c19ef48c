"""Starts orders where they belong, reads what came of them, and ends them.

On a host that is a process by its shell, as root where the order needs it. The links and the processor limits of an
emulated testbed are the machine's: there the process runs in the router's network namespace and in the time namespace
of the host whose clock it reads; it carries the testbed's mark, so that `fedprobe testbed down` finds it too.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from instrument.clock import SystemClock, sleep_s
from testbed.emulation import namespaces, ownership, processes
from testbed.emulation.addresses import MANAGEMENT_PART, namespace_prefix
from testbed.emulation.hosts import spawn
from testbed.errors import EmulationError, FedprobeError
from testbed.faults.action import MARK
from testbed.faults.on_host import DONE
from testbed.faults.orders import Ordered
from testbed.inventory import Host, Inventory
from testbed.shell import Shell

_MODULE = ("-m", "testbed.faults.on_host")
_COMMAND_S = 15.0
_END_S = 30.0
_POLL_S = 0.1


class Running(Protocol):
    """An order that was started."""

    ordered: Ordered

    def lines(self) -> list[str]:
        """What it has said so far."""
        ...

    def alive(self) -> bool:
        """Whether it runs."""
        ...

    def tell(self) -> None:
        """Have it undo what it did, and end."""
        ...


@dataclass(slots=True)
class OnHost:
    """A process on a host."""

    ordered: Ordered
    shell: Shell
    pid: int
    log: str
    sudo: bool

    def lines(self) -> list[str]:
        """What it has said so far."""
        return self.shell.read_text(self.log).splitlines()

    def alive(self) -> bool:
        """Whether it runs."""
        return self.shell.alive(self.pid)

    def tell(self) -> None:
        """Have it undo what it did, and end."""
        self.shell.run(["kill", "-TERM", str(self.pid)], timeout_s=_COMMAND_S, sudo=self.sudo)


@dataclass(slots=True)
class OnMachine:
    """A process on this machine, in a router of the emulated testbed."""

    ordered: Ordered
    pid: int
    log: Path

    def lines(self) -> list[str]:
        """What it has said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []

    def alive(self) -> bool:
        """Whether it runs."""
        return processes.start_ticks(self.pid) is not None

    def tell(self) -> None:
        """Have it undo what it did, and end."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)


def start(
    ordered: Ordered,
    document: Mapping[str, Any],
    *,
    name: str,
    inventory: Inventory,
    shell: Shell,
    folder: str,
    trial: str,
) -> Running:
    """Start an order. `folder` is the trial's on that host; `name` is of the order's files. Raises FedprobeError.

    `trial` is the mark by which the trial's processes are ended; without one it outlives them, as a disk must that
    they write to.
    """
    file, log = (posixpath.join(folder, *parts) for parts in (("faults", f"{name}.json"), ("logs", f"{name}.log")))
    for fresh, text in ordered.files.items():
        shell.write_text(posixpath.join(folder, "faults", fresh), text)
    shell.write_text(file, json.dumps(dict(document)))
    environment = {
        "FEDPROBE_HOST": ordered.host.name,
        **({"FEDPROBE_TRIAL": trial} if trial else {}),
        MARK: ordered.step.kind,
        **ordered.host.environment,
    }
    if ordered.place != "host":
        return _on_machine(ordered, [*_MODULE, file], environment, Path(log), inventory)
    sudo = ordered.as_root and ordered.host.management.user != "root"
    command = [ordered.host.python, *_MODULE, file]
    if sudo:
        command = ["sudo", "-n", "env", *(f"{key}={value}" for key, value in environment.items()), *command]
    pid = shell.start(command, stdout=log, stderr=log, env=environment)
    return OnHost(ordered, shell, pid, log, sudo)


def _on_machine(
    ordered: Ordered, arguments: list[str], environment: Mapping[str, str], log: Path, inventory: Inventory
) -> OnMachine:
    prefix = namespace_prefix(inventory.name)
    part = f"net-{ordered.network}" if ordered.place == "router" else MANAGEMENT_PART
    first = _first_process(f"{prefix}{ordered.host.name}")
    argv = ["nsenter", f"--time=/proc/{first}/ns/time", "--", sys.executable, *arguments]
    extra = {"PYTHONPATH": ownership.this_prefix(), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    pid = spawn(argv, f"{prefix}{part}", inventory.name, log=log, extra=extra)
    return OnMachine(ordered, pid, log)


def _first_process(namespace: str) -> int:
    """The first process of an emulated host, which is in all of its namespaces. Raises EmulationError."""
    wanted = namespaces.identity(namespace)
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, StopIteration):
            if entry.name.isdigit() and (entry / "ns/net").stat().st_ino == wanted:
                status = (entry / "status").read_text(encoding="utf-8", errors="replace").splitlines()
                ids = next(line.split()[1:] for line in status if line.startswith("NSpid:"))
                if len(ids) > 1 and ids[-1] == "1":
                    return int(entry.name)
    raise EmulationError(f"{namespace}: this emulated host has ended. Take the testbed down, and run again.")


def wait_for(running: Running, phase: str) -> None:
    """Until an order has said that. Raises FedprobeError with what it said instead."""
    if not _until(lambda: any(line.startswith(f"{phase} ") for line in running.lines()), running):
        said = " | ".join(running.lines()[-3:]) or "nothing"
        raise FedprobeError(
            f"{running.ordered.host.name}: {running.ordered.does}: it was to be {phase}, and said: {said}"
        )


def end(running: Running) -> str:
    """Have it undo what it did, and end. Returns what went wrong, empty where nothing did."""
    where = f"fault {running.ordered.does} on {running.ordered.host.name}"
    try:
        _until(lambda: bool(running.lines()), running)
        if running.alive():
            running.tell()
        ended = _until(lambda: not running.alive(), None)
        lines = running.lines()
    except FedprobeError as error:
        return f"{where} may not be undone: {error}"
    left = [line for line in lines if line.startswith("left ")]
    if ended and lines and lines[-1] == DONE and not left:
        return ""
    said = " | ".join(left or lines[-2:]) or "it said nothing"
    return f"{where} may not be undone: {said[-300:]}. Look at that host, or take the emulated testbed down."


def _until(reached: Callable[[], bool], running: Running | None) -> bool:
    clock = SystemClock()
    deadline_ns = clock.mono_ns() + int(_END_S * 1e9)
    while not reached():
        if clock.mono_ns() > deadline_ns or (running is not None and not running.alive()):
            return reached()
        sleep_s(_POLL_S)
    return True


# TERM to what carries faults out on this host: a run that was killed may have left it. Each undoes what it did.
SWEEP = """
for process in /proc/[0-9]*; do
    tr '\\0' '\\n' <"$process/environ" 2>/dev/null | grep -q "^$1=" && kill -TERM "${process#/proc/}" 2>/dev/null
done
exit 0
"""


def sweep(host: Host, shell: Shell) -> None:
    """End what an earlier run left on a host. Raises FedprobeError."""
    sudo = host.management.user != "root"
    shell.run(["sh", "-c", SWEEP, "sweep", MARK], timeout_s=_COMMAND_S, sudo=sudo)
